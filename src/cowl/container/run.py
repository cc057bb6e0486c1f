"""`run` and `start`: a container as easily as a subprocess."""

from __future__ import annotations

import os

from cowl.container.handle.container import Container
from cowl.container.result import CompletedRun, RunFailed
from cowl.container.streams import Pipes, converse
from cowl.container.words import InvalidOptions, as_input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.container.lifecycle import Containers
    from cowl.container.options import RunOptions
    from cowl.store.container_record import ContainerRecord
    from cowl.store.images import ImageRecord


def run(
    service: Containers,
    image: ImageRecord,
    name: str,
    command: Sequence[str],
    options: RunOptions,
    *,
    data: bytes | None,
    timeout: float | None,
    check: bool,
) -> CompletedRun:
    """Starts, feeds, drains and reaps a container; see `Engine.run` for the contract."""
    fed = as_input(data)
    if options.tty:
        raise InvalidOptions(
            "run collects output, which a terminal would mix", hint="use start(tty=True) and its console"
        )
    pipes = Pipes.make()
    try:
        box = service.start(image, name, command, options, pipes.child())
    except BaseException:
        pipes.close_all()
        raise
    with box:
        stdout, stderr = converse(box.command, pipes, fed, timeout)
        done = CompletedRun(box.command, box.wait(), stdout, stderr, box.id)
    if check and done.returncode != 0:
        raise RunFailed(done)
    return done


def start(
    service: Containers,
    image: ImageRecord,
    name: str,
    command: Sequence[str],
    options: RunOptions,
    streams: tuple[int | None, int | None, int | None],
) -> Container:
    """Starts a container on the caller's fds; None among them is /dev/null."""
    return _on_streams(streams, lambda stdio: service.start(image, name, command, options, stdio))


def start_again(
    service: Containers, record: ContainerRecord, streams: tuple[int | None, int | None, int | None]
) -> Container:
    """The same for a container that is there."""
    return _on_streams(streams, lambda stdio: service.start_again(record, stdio))


def _on_streams(
    streams: tuple[int | None, int | None, int | None], begin: Callable[[tuple[int, int, int]], Container]
) -> Container:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        stdin, stdout, stderr = (null if fd is None else fd for fd in streams)
        return begin((stdin, stdout, stderr))
    finally:
        os.close(null)
