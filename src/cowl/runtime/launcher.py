"""A single-threaded process that forks keepers for a threaded one: that may neither fork nor unshare safely.

Started once by posix_spawn, as `python -I -S`; it ends when its owner closes it or dies.
"""

from __future__ import annotations

import os
import sys

from cowl.errors import Unavailable
from cowl.linux import channel, credentials
from cowl.linux.descriptors import duplicate
from cowl.linux.sealed import library_path, sealed_executable
from cowl.runtime.handover import carry_out, hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.runtime.stdio import Stdio

_PLACE = 3  # the descriptor of the control channel in the launcher
_PACKAGES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CODE = "import sys; sys.path.append(sys.argv[1]); from cowl.runtime.launcher import serve; serve()"


class Launcher:
    """The owner's side. Its requests are single messages, so any thread may submit."""

    def __init__(self, *, sealed: bool) -> None:
        """Starts it, from a sealed copy of Python if the containers' root may write the original.

        Raises Unavailable.
        """
        if not sys.executable:
            raise Unavailable("no Python interpreter to start the container launcher with")
        ours, theirs = channel.pair()
        spare = duplicate(
            theirs, 10
        )  # never the number that it gets there: that would keep its close-on-exec
        actions = [
            *((os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_RDWR, 0) for number in range(3)),
            (os.POSIX_SPAWN_DUP2, spare, _PLACE),
        ]
        argv = [sys.executable, "-I", "-S", "-c", _CODE, _PACKAGES]
        try:
            self._pid = _spawn(argv, actions, sealed=sealed)
        except OSError as error:
            os.close(ours)
            raise Unavailable(f"can't start {sys.executable}: {error.strerror}") from error
        finally:
            os.close(theirs)
            os.close(spare)
        self._control = ours
        self._owner = os.getpid()

    def submit(self, job: dict[str, Any], stdio: Stdio, reply: int) -> None:
        """Hands a job over; the answers come on the other end of `reply`."""
        hand_over(self._control, job, stdio, reply)

    def close(self) -> None:
        """Ends it; the containers end with their own handles. A forked child only lets go of its copy."""
        mine = self._owner == os.getpid()
        if mine:
            channel.hang_up(self._control)
        os.close(self._control)
        if mine:
            os.waitpid(self._pid, 0)


def _spawn(argv: list[str], actions: list[Any], *, sealed: bool) -> int:
    """posix_spawn(3) of argv[0], by which Python finds its library even when a copy is executed."""
    env = dict(os.environ)
    if not sealed:
        return _spawn_reachable(argv, env, actions)
    env["LD_LIBRARY_PATH"] = library_path(env.get("LD_LIBRARY_PATH", ""))
    copy = sealed_executable()
    try:
        return os.posix_spawn(f"/proc/self/fd/{copy}", argv, env, file_actions=actions)
    finally:
        os.close(copy)


def _spawn_reachable(argv: list[str], env: dict[str, str], actions: list[Any]) -> int:
    """The interpreter by its name or, if that was replaced or can't be reached, the one that runs us."""
    try:
        return os.posix_spawn(argv[0], argv, env, file_actions=actions)
    except (FileNotFoundError, PermissionError):
        return os.posix_spawn("/proc/self/exe", argv, env, file_actions=actions)


def serve() -> None:
    """The launcher itself: forks a keeper for every request, until nobody can ask any more."""
    import cowl.runtime.keeper
    import cowl.runtime.owners  # noqa: F401  # both once, for all keepers

    os.setsid()
    credentials.rename("cowl-launcher")
    credentials.ignore_children()
    owner = os.pidfd_open(os.getppid())
    while True:
        data, fds = channel.receive(_PLACE)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            credentials.heed_children()
            carry_out(fds, owner)
        for fd in fds:
            os.close(fd)
