"""The process that keeps a container's layer below its limit; see `size_limit`."""

from __future__ import annotations

import os
import select
import time

from cowl.linux import credentials
from cowl.linux.process import send_signal
from cowl.runtime.interpreter_start import CHANNEL
from cowl.store.disk import tree_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_KILL = 9
_SECONDS = 1.0
_SHARE = 10  # a look may take a tenth of the time


def watch(root: str, identity: str, upper: str, limit: int, mark: str) -> NoReturn:
    """The program: CHANNEL is a pidfd of the container. Its starter goes on at once."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        credentials.rename("cowl-size")
        _look(root, identity, upper, limit, mark)
    finally:
        os._exit(0)


def _look(root: str, identity: str, upper: str, limit: int, mark: str) -> None:
    poller = select.poll()
    poller.register(CHANNEL, select.POLLIN)
    wait = _SECONDS
    while not poller.poll(wait * 1000):
        begin = time.monotonic()
        taken = tree_bytes(upper)
        if taken > limit:
            _end(root, identity, f"its layer took {taken} bytes on disk, its limit is {limit}", mark)
            return
        wait = max(_SECONDS, (time.monotonic() - begin) * _SHARE)


def _end(root: str, identity: str, why: str, mark: str) -> None:
    """Says why, asks for no restart, and kills."""
    try:
        with open(mark, "w") as file:
            file.write(why)
        _ask_for_no_restart(root, identity)
    finally:
        try:
            send_signal(CHANNEL, _KILL)
        except ProcessLookupError:
            pass


def _ask_for_no_restart(root: str, identity: str) -> None:
    from cowl.config import Config
    from cowl.store.container_record import NoSuchContainer
    from cowl.store.store import Store

    try:
        with Store.open(Config(root=root)) as store:
            store.containers.ask(identity, "stop")
    except NoSuchContainer:
        pass  # somebody was faster
