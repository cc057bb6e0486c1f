"""The keeper's child: waits for its ids, then becomes the payload or says why not."""

from __future__ import annotations

import os

from cowl.linux import channel, credentials, namespaces
from cowl.runtime.failures import encode
from cowl.runtime.interpreter import Interpreter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from cowl.runtime.plan import Plan


def become_payload(todo: Plan, keepers: int, channel_fd: int) -> NoReturn:
    """The cloned process: waits for its ids, becomes the payload or says why not."""
    try:
        os.close(keepers)
        credentials.die_with_parent()
        sources = _receive_sources(channel_fd)
        credentials.hide()
        Interpreter(todo, channel_fd, sources).run()
    except BaseException as error:  # noqa: BLE001  # whatever it is, the keeper tells it
        _complain(channel_fd, error)
    finally:
        os._exit(1)


def _receive_sources(channel_fd: int) -> tuple[int, ...]:
    """Waits for the keeper's go; the sources may come in several messages."""
    sources: tuple[int, ...] = ()
    while True:
        data, fds = channel.receive(channel_fd)
        if not data:
            os._exit(1)  # the keeper is gone
        sources += fds
        if len(sources) >= int(data[1:]):
            return sources


def enter_and_fork(
    target: int, kinds: int, doors: tuple[int, ...], todo: Plan, keepers: int, channel_fd: int
) -> NoReturn:
    """Enters a container's cgroup and namespaces and leaves a sibling there: the keeper's child."""
    try:
        credentials.die_with_parent()
        credentials.hide()
        namespaces.enter_cgroups(doors)
        namespaces.enter(target, kinds)
        pid, pidfd = namespaces.clone(sibling=True)
        if pid == 0:
            become_payload(todo, keepers, channel_fd)
        channel.send(channel_fd, b"P%d" % pid, (pidfd,))
    except BaseException as error:  # noqa: BLE001
        _complain(channel_fd, error)
    finally:
        os._exit(0)


def _complain(channel_fd: int, error: BaseException) -> None:
    """Reports to the keeper. After `execute` has closed the rest, the channel is descriptor 3."""
    for fd in (channel_fd, 3):
        try:
            channel.send(fd, b"F" + encode(error))
            return
        except OSError:
            continue
