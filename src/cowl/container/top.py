"""The processes of a container as the host sees them: what `docker top` prints."""

from __future__ import annotations

import time

from cowl.container.handle.facts import ContainerNotRunning
from cowl.errors import CowlError, Invalid, Unavailable
from cowl.linux.process import NoSuchProcess
from cowl.linux.process_table import Seen, id_map, inner_id, look, members
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.container.lifecycle import Containers
    from cowl.store.container_record import ContainerRecord

TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")  # of ps -ef
_ACCOUNTS_BYTES = 4 << 20
_DAY = 86400
_PS_SECONDS = 30


class ProcessList(Value):
    """Columns and a row for each process, as texts."""

    titles: tuple[str, ...]
    processes: tuple[tuple[str, ...], ...]


class PsMissing(Unavailable):
    """Options of ps were given, and the host has no ps."""


class PsFailed(Invalid):
    """ps did not like its options, or printed no PID by which the container's processes are found."""


def list_processes(service: Containers, record: ContainerRecord, ps_args: Sequence[str]) -> ProcessList:
    """See Container.top."""
    if record.state not in ("running", "paused") or record.process is None:
        raise ContainerNotRunning(record.id)
    try:
        pids = members(record.process)
        if ps_args:
            return _ask_ps(service.config.path, [word for arg in ps_args for word in arg.split()], pids)
        users = id_map(record.process)
    except NoSuchProcess:
        raise ContainerNotRunning(record.id) from None
    names, now = _user_names(service, record), time.time()
    seen = [found for found in map(look, pids) if found is not None]
    return ProcessList(TITLES, tuple(_row(each, users, names, now) for each in seen))


def _row(seen: Seen, users: str, names: Mapping[int, str], now: float) -> tuple[str, ...]:
    uid = inner_id(users, seen.uid)
    user = names.get(uid, str(uid)) if uid >= 0 else str(seen.uid)
    elapsed = max(now - seen.started_at, 0.01)
    return (
        user,
        str(seen.pid),
        str(seen.parent),
        str(min(99, int(100 * seen.cpu_seconds / elapsed))),
        _start(seen.started_at, now),
        seen.terminal or "?",
        _duration(int(seen.cpu_seconds)),
        _command(seen),
    )


def _start(moment: float, now: float) -> str:
    """As ps does: the time of today, the day of this year, or the year."""
    then, today = time.localtime(moment), time.localtime(now)
    if (then.tm_year, then.tm_yday) == (today.tm_year, today.tm_yday):
        return time.strftime("%H:%M", then)
    return time.strftime("%b%d" if then.tm_year == today.tm_year else "%Y", then)


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, _DAY)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def _command(seen: Seen) -> str:
    if not seen.args:
        return f"[{seen.name}] <defunct>" if seen.state == "Z" else f"[{seen.name}]"
    return " ".join(word.decode("utf-8", "replace") for word in seen.args)


def _user_names(service: Containers, record: ContainerRecord) -> dict[int, str]:
    """By the container's own account file, which is read as what it is: bytes of somebody's."""
    try:
        view = service.store.view(record.layer_keys, record.upper)
        accounts = view.read_file("/etc/passwd", _ACCOUNTS_BYTES).decode("utf-8", "replace")
    except (CowlError, OSError):
        return {}
    names: dict[int, str] = {}
    for line in accounts.splitlines():
        name, _, rest = line.partition(":")
        number = rest.split(":")[1:2]
        if name and number and number[0].isascii() and number[0].isdigit():
            names.setdefault(int(number[0][:10]), name)
    return names


def _ask_ps(path: str, args: list[str], pids: list[int]) -> ProcessList:
    """The host's ps on the host's /proc; of what it prints the lines with these pids.

    Asked for them alone first; not all of its options go with that, as Docker knows too.
    """
    import shutil

    program = shutil.which("ps", path=path)
    if program is None:
        raise PsMissing(
            "options of ps need the host's ps, which is not installed",
            hint="install the package procps, or leave the options out",
        )
    said = _run_ps([program, "-q", ",".join(map(str, pids)), *args], path)
    if isinstance(said, str) or not said[1:]:
        said = _run_ps([program, *args], path)
    if isinstance(said, str):
        raise PsFailed(f"ps: {said}", hint=f"it was called as: ps {' '.join(args)}")
    return _selected(said, {str(pid) for pid in pids})


def _run_ps(argv: list[str], path: str) -> list[str] | str:
    """The lines that it printed, or what it had against its options."""
    import subprocess

    done = subprocess.run(
        argv,
        env={"PATH": path, "LC_ALL": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=_PS_SECONDS,
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return said[0] if said else f"exit status {done.returncode}"
    return done.stdout.decode("utf-8", "replace").splitlines()


def _selected(lines: list[str], pids: set[str]) -> ProcessList:
    titles = tuple(lines[0].split()) if lines else ()
    if "PID" not in titles:
        raise PsFailed("Couldn't find PID field in ps output", hint="name it, as in: -o pid,user,args")
    at, last = titles.index("PID"), len(titles) - 1
    rows = (tuple(line.split(None, last)) for line in lines[1:])
    return ProcessList(titles, tuple(row for row in rows if len(row) > at and row[at] in pids))
