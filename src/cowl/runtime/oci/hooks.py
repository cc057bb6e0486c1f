"""Hooks: programs that are told a container's state on their standard input."""

from __future__ import annotations

import json
import os
import select
import time

from cowl.errors import Unavailable
from cowl.linux import credentials
from cowl.linux.descriptors import arrange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.runtime.oci.config import Hook

_KILL = 9


class HookFailed(Unavailable):
    """A hook ended with a status other than 0, or took too long. Fields: kind, path."""

    def __init__(self, kind: str, path: str, reason: str) -> None:
        self.kind = kind
        self.path = path
        super().__init__(f"the {kind} hook {path} {reason}")


def run_hooks(kind: str, hooks: tuple[Hook, ...], state: dict[str, Any]) -> None:
    """One after the other, each to its end. Raises HookFailed at the first that fails.

    Nothing is imported or looked up: a container's process may run them in its root.
    """
    for hook in hooks:
        _run(kind, hook, json.dumps(state).encode())


def try_hooks(kind: str, hooks: tuple[Hook, ...], state: dict[str, Any]) -> list[HookFailed]:
    """All of them, also after one that fails: what failed."""
    failed = []
    for hook in hooks:
        try:
            run_hooks(kind, (hook,), state)
        except HookFailed as error:
            failed.append(error)
    return failed


def _run(kind: str, hook: Hook, told: bytes) -> None:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(hook, reader)
    os.close(reader)
    try:
        credentials.ignore_broken_pipes()
        os.write(writer, told)  # smaller than a pipe: a hook that reads nothing holds up nobody
    except BrokenPipeError:
        pass
    finally:
        os.close(writer)
    if not _ends(pid, hook.timeout):
        _kill(pid)
        os.waitpid(pid, 0)
        raise HookFailed(kind, hook.path, f"took longer than {hook.timeout} s")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise HookFailed(kind, hook.path, f"failed with status {status}")


def _become(hook: Hook, reader: int) -> None:
    try:
        arrange((reader, 1, 2))
        os.setsid()  # so that what it starts ends with it, when it takes too long
        credentials.default_signals()
        env = hook.env if hook.env is not None else ()
        pairs = dict(word.split("=", 1) for word in env if "=" in word)
        os.execve(hook.path, [*hook.args], pairs)
    except OSError as error:
        os.write(2, f"{hook.path}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, _KILL)
    except ProcessLookupError:
        os.kill(pid, _KILL)  # it has no session yet


def _ends(pid: int, timeout: int) -> bool:
    if not timeout:
        return True
    poller = select.poll()
    pidfd = os.pidfd_open(pid)
    poller.register(pidfd, select.POLLIN)
    until = time.monotonic() + timeout
    try:
        return bool(poller.poll(max(0, until - time.monotonic()) * 1000))
    finally:
        os.close(pidfd)
