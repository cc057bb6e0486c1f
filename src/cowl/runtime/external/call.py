"""A call of the runtime's program: in a child of ours, with nothing of ours but its streams."""

from __future__ import annotations

import json
import os

from cowl.errors import Unavailable
from cowl.linux import credentials, namespaces
from cowl.linux.descriptors import arrange
from cowl.runtime.external.staging import STATE, hide_hybrid, stage_state, state_directory
from cowl.runtime.failures import CommandNotExecutable, CommandNotFound, WorkingDirectoryRefused
from cowl.runtime.process_limits import apply_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.errors import CowlError
    from cowl.runtime.cgroup import Doors
    from cowl.runtime.external.program import Program
    from cowl.runtime.operations import Limit

LOG = "log.json"
_ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_LOG_LIMIT = 1 << 20
_NOT_FOUND = ("not found", "no such file or directory")
_NOT_EXECUTABLE = ("permission denied", "operation not permitted", "is a directory")


class RuntimeFailed(Unavailable):
    """The runtime said no. Fields: program, said."""

    def __init__(self, program: Program, words: str, said: str) -> None:
        self.program = program
        self.said = said
        super().__init__(f"{program.kind} {words} failed: {said or 'it gave no reason'}")


def call_runtime(
    program: Program,
    directory: str,
    words: tuple[str, ...],
    *,
    users: int = -1,
    stdio: tuple[int, int, int] | None = None,
    log: str = LOG,
    limits: tuple[Limit, ...] = (),
    command: str = "",
    doors: Doors | None = None,
) -> None:
    """Runs it to its end, in a mount namespace where the state of the container lies at STATE.

    directory  the container's
    users      a user namespace to be root of, or -1
    stdio      its streams, else /dev/null
    limits     for what it starts, and so for itself
    command    what it is to execute in the container, for the errors that are about that
    doors      where it and what it starts are to be
    Raises RuntimeFailed, CommandNotFound, CommandNotExecutable, WorkingDirectoryRefused.
    """
    _forget(f"{state_directory(directory)}/{log}")

    def prepare() -> None:
        if doors is not None:
            doors.enter()
        for limit in limits:
            apply_limit(os.getpid(), limit)
        if users >= 0:
            namespaces.enter(users, namespaces.USER)
        namespaces.unshare(namespaces.MOUNT)
        stage_state(directory)

    argv = program.argv(STATE, f"{STATE}/{log}", *words)
    pid = _spawn(prepare, lambda: execute(program, argv), stdio, -1 if doors is None else doors.into)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise failure(program, words[0], directory, log, command)


def _spawn(
    prepare: Callable[[], None],
    become: Callable[[], None],
    stdio: tuple[int, int, int] | None,
    cgroup: int,
) -> int:
    """Forks a child that calls both, and must execute something in the second; it dies with us. Its pid.

    In the second its descriptors are `stdio` or /dev/null, and no others.
    """
    pid, pidfd = namespaces.clone(cgroup=cgroup)
    if pid:
        os.close(pidfd)
        return pid
    try:
        prepare()
        credentials.die_with_parent()
        nothing = os.open("/dev/null", os.O_RDWR)
        arrange(stdio or (nothing, nothing, nothing))
        credentials.default_signals()
        become()
    finally:
        os._exit(127)


def execute(program: Program, argv: list[str]) -> None:
    """This process becomes the runtime; cgroup trees that it does not know are hidden from it."""
    if program.kind == "crun":
        hide_hybrid()
    os.chdir("/")
    os.execve(argv[0], argv, _ENV)


def failure(program: Program, words: str, directory: str, log: str, command: str) -> CowlError:
    """The error that its log, a file in the directory of states, tells of."""
    said = _last_message(f"{state_directory(directory)}/{log}")
    low = said.lower()
    if "cwd" in low or "chdir" in low:
        return WorkingDirectoryRefused(f"can't enter the working directory: {said}")
    if command and "exec" in low and "mount" not in low:
        if any(word in low for word in _NOT_FOUND):
            where = "no such file or directory" if "/" in command else "executable file not found in $PATH"
            return CommandNotFound(f"exec: {command!r}: {where}")
        if any(word in low for word in _NOT_EXECUTABLE):
            return CommandNotExecutable(f"exec: {command!r}: permission denied")
    return RuntimeFailed(program, words, said)


def _last_message(path: str) -> str:
    try:
        with open(path, "rb") as file:
            lines = file.read(_LOG_LIMIT).splitlines()
    except FileNotFoundError:
        return ""
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("level") == "error":
            return str(record.get("msg", ""))
    return ""


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
