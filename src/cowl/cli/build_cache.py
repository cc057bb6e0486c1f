"""builder cache: the directories that RUN --mount=type=cache keeps."""

from __future__ import annotations

import os
import sys
import time

from cowl import Invalid
from cowl.cli import human, rows
from cowl.cli.text import ellipsis

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl import Engine, Receipt, RemovalPlan
    from cowl.cli.call import Call

HEADERS = {
    "Name": "NAME",
    "ID": "ID",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "LastUsedSince": "LAST USED",
    "LastUsedAt": "LAST USED AT",
    "InUse": "IN USE",
    "Base": "BASE",
}
COLUMNS = ("Name", "ID", "Size", "CreatedSince", "LastUsedSince", "InUse")
ROOM = 60  # columns of NAME
WARNING = "WARNING! This will remove all cache mounts that no build uses. "


class NothingNamed(Invalid):
    """The call says neither which cache mounts nor all of them."""


class TerminalRefused(Invalid):
    """A tar is not for a terminal."""


def list_mounts(call: Call) -> int:
    """`cowl builder cache ls`."""
    with call.engine() as engine:
        mounts = engine.build_cache.mounts()
    full, now = call.on("no-trunc"), time.time()
    found = [
        {
            "Name": mount.name if full else ellipsis(mount.name, ROOM),
            "ID": mount.id if full else mount.id[:12],
            "Size": human.size(mount.size_bytes),
            "CreatedSince": human.ago(mount.created_at, now),
            "CreatedAt": human.date(mount.created_at),
            "LastUsedSince": human.ago(mount.last_used, now),
            "LastUsedAt": human.date(mount.last_used),
            "InUse": "true" if mount.in_use else "false",
            "Base": mount.base,
        }
        for mount in mounts
    ]
    rows.write(found, HEADERS, COLUMNS, call.text("format"), quiet=call.on("quiet"))
    return 0


def export(call: Call) -> int:
    """`cowl builder cache export`: a file is there in full or not at all."""
    path = call.text("output")
    if not path and sys.stdout.isatty():
        raise TerminalRefused(
            "a tar is not for a terminal", hint="Write it to a file with -o, or redirect it."
        )
    with call.engine() as engine:
        if path in ("", "-"):
            engine.build_cache.export_mount(call.words[0], sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            _export_to(path, engine, call.words[0])
    return 0


def _export_to(path: str, engine: Engine, name: str) -> None:
    part = f"{path}.{os.urandom(4).hex()}.part"
    try:
        with open(part, "xb") as out:
            engine.build_cache.export_mount(name, out)
        os.rename(part, path)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


def import_mount(call: Call) -> int:
    """`cowl builder cache import NAME FILE|-`; prints the ID."""
    name, source = call.words
    stream: BinaryIO = sys.stdin.buffer if source == "-" else open(source, "rb")  # noqa: SIM115
    with stream, call.engine() as engine:
        print(engine.build_cache.import_mount(name, stream).id)
    return 0


def remove(call: Call) -> int:
    """`cowl builder cache rm`: prints the IDs of what is gone, and what that freed."""
    from cowl.cli.prune import CACHE_MOUNTS, perform

    if bool(call.words) == call.on("all"):
        raise NothingNamed(
            "name cache mounts to remove, or give --all", hint="`cowl builder cache ls` lists them."
        )

    def plan(engine: Engine, exact: bool) -> RemovalPlan:
        if call.on("all"):
            return engine.plan_prune("build-cache", filters=(CACHE_MOUNTS,), exact=exact)
        return engine.plan_removal(cache_mounts=call.words, exact=exact)

    return perform(call, plan, WARNING if call.on("all") else None, _tell)


def _tell(receipt: Receipt) -> None:
    for identity in receipt.of("cache"):
        print(identity[:12])
    print(f"Total reclaimed space: {human.size(receipt.freed_bytes)}")
