"""cp: files between a container and this machine."""

from __future__ import annotations

import sys

from cowl import Invalid
from cowl.cli.human import short_size
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl import Container, Copied
    from cowl.cli.call import Call


class InvalidCopy(Invalid):
    """Arguments of cp that make no sense."""


def copy(call: Call) -> int:
    """`cowl cp CONTAINER:SRC DEST|-` and `cowl cp SRC|- CONTAINER:DEST`."""
    end_cleanly()
    for word, what in zip(call.words, ("source", "destination"), strict=True):
        if not word:
            raise InvalidCopy(f"{what} can not be empty")
    (origin, source), (goal, dest) = map(split, call.words)
    if origin and goal:
        raise InvalidCopy(
            "copying between containers is not supported",
            hint=f"Use a pipe: cowl cp {call.words[0]} - | cowl cp - {goal}:DIRECTORY",
        )
    if not (origin or goal):
        raise InvalidCopy(
            "must specify at least one container source", hint="A path in a container is CONTAINER:PATH."
        )
    with call.engine() as engine:
        box = engine.container(origin or goal)
        done = _out(call, box, source, dest) if origin else _in(call, box, source, dest)
    place = done.path if origin else f"{goal}:{done.path}"
    if not _is_quiet(call) and place != "-":
        _tell(done, place)
    return 0


def split(word: str) -> tuple[str, str]:
    """(container, path); container "" for a path of this machine: first "/" or ".", or no ":"."""
    container, colon, path = word.partition(":")
    if word.startswith("/") or not colon or container.startswith("."):
        return "", word
    return container, path


def _out(call: Call, box: Container, source: str, dest: str) -> Copied:
    target: str | BinaryIO = sys.stdout.buffer if dest == "-" else dest
    done = box.copy_out(source, target, archive=call.on("archive"), follow_links=call.on("follow-link"))
    sys.stdout.flush()
    return done


def _in(call: Call, box: Container, source: str, dest: str) -> Copied:
    origin: str | BinaryIO = sys.stdin.buffer if source == "-" else source
    return box.copy_in(origin, dest, archive=call.on("archive"), follow_links=call.on("follow-link"))


def _is_quiet(call: Call) -> bool:
    """As asked, else as Docker: nothing is said where nobody watches."""
    return call.on("quiet") if call.given("quiet") else not sys.stdout.isatty()


def _tell(done: Copied, place: str) -> None:
    moved = ""
    if done.transferred_bytes != done.content_bytes:
        moved = f" (transferred {short_size(done.transferred_bytes)})"
    print(f"Successfully copied {short_size(done.content_bytes)}{moved} to {place}", file=sys.stderr)
