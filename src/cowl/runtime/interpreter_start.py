"""A fresh Python interpreter for code of cowl's own, by posix_spawn: safe from threads, and faster than fork.

`python -I -S`: nothing of the user's site or environment is imported.
"""

from __future__ import annotations

import os
import sys

from cowl.errors import Unavailable
from cowl.linux.descriptors import duplicate
from cowl.linux.sealed import library_path, sealed_executable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

CHANNEL = 3  # the descriptor of the channel in the new process; 0, 1 and 2 are /dev/null
_PACKAGES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def start_interpreter(code: str, channel: int, *, sealed: bool, clean: bool = False) -> int:
    """Starts one on `code`, whose sys.argv[1] is where cowl is found; its pid.

    channel  a descriptor that becomes CHANNEL there; the caller closes its own
    sealed   it runs from a sealed copy of Python's executable: where containers' root may write that
    clean    with an empty environment, but for what finds Python's library
    Raises Unavailable.
    """
    if not sys.executable:
        raise Unavailable("no Python interpreter to start containers with")
    spare = duplicate(channel, 10)  # never CHANNEL itself: that would keep its close-on-exec
    actions = [
        *((os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)),
        (os.POSIX_SPAWN_DUP2, spare, CHANNEL),
    ]
    argv = _argv(code)
    try:
        return _spawn(argv, actions, sealed=sealed, clean=clean)
    except OSError as error:
        raise Unavailable(f"can't start {sys.executable}: {error.strerror}") from error
    finally:
        os.close(spare)


def become(code: str, words: list[str]) -> NoReturn:
    """This process, with one thread, executes other code; sys.argv[2:] are the words there. Raises OSError.

    By the interpreter that runs already, which may be a sealed copy, or have been replaced in its place.
    """
    os.execv("/proc/self/exe", [*_argv(code), *words])


def _argv(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-X", "utf8", "-c", code, _PACKAGES]


def _spawn(argv: list[str], actions: list[Any], *, sealed: bool, clean: bool) -> int:
    """posix_spawn(3) of argv[0], by which Python finds its library even when a copy is executed."""
    env = _library_alone() if clean else dict(os.environ)
    if not sealed:
        return _spawn_reachable(argv, env, actions)
    env["LD_LIBRARY_PATH"] = library_path(env.get("LD_LIBRARY_PATH", ""))
    copy = sealed_executable()
    try:
        return os.posix_spawn(f"/proc/self/fd/{copy}", argv, env, file_actions=actions)
    finally:
        os.close(copy)


def _library_alone() -> dict[str, str]:
    path = os.environ.get("LD_LIBRARY_PATH", "")
    return {"LD_LIBRARY_PATH": path} if path else {}


def _spawn_reachable(argv: list[str], env: dict[str, str], actions: list[Any]) -> int:
    """The interpreter by its name or, if that was replaced or can't be reached, the one that runs us."""
    try:
        return os.posix_spawn(argv[0], argv, env, file_actions=actions)
    except (FileNotFoundError, PermissionError):
        return os.posix_spawn("/proc/self/exe", argv, env, file_actions=actions)
