"""The process that answers, for a container with one id, the calls that its kernel refuses: see `owners`."""

from __future__ import annotations

import os

from cowl.linux import namespaces


def supervise(pidfd: int, listener: int) -> None:
    """Forks it into the container's user namespace; it dies with us. Only in a single-threaded process.

    Whatever goes wrong there (the container may have ended already), those calls then fail with ENOSYS.
    """
    if os.fork() == 0:
        try:
            enter_and_serve(pidfd, listener, None)
        finally:
            os._exit(0)


def enter_and_serve(pidfd: int, listener: int, monitor: int | None) -> None:
    """Does its work, in this single-threaded process; with the pidfd of a monitor it is its guard too."""
    from cowl.runtime.owners import serve

    namespaces.enter(pidfd, namespaces.USER)
    serve(listener, None if monitor is None else (monitor, pidfd))
