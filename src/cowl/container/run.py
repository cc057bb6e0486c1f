"""`run` and `start`: a container as easily as a subprocess."""

from __future__ import annotations

from cowl.container.handle.container import Container
from cowl.container.talk import begin, collect
from cowl.container.words import InvalidOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from cowl.container.lifecycle import Containers
    from cowl.container.options import RunOptions
    from cowl.container.result import CompletedRun
    from cowl.container.talk import Talk
    from cowl.store.container_record import ContainerRecord
    from cowl.store.images import ImageRecord


def run(
    service: Containers,
    image: ImageRecord,
    name: str,
    command: Sequence[str],
    options: RunOptions,
    *,
    talk: Talk,
    data: bytes | str | None,
    timeout: float | None,
    check: bool,
) -> CompletedRun[Any]:
    """Starts, feeds, drains and reaps a container; see `Engine.run` for the contract."""
    fed = talk.encode(data)
    if options.tty:
        raise InvalidOptions(
            "run collects output, which a terminal would mix", hint="use start(tty=True) and its console"
        )
    pipes, box = begin(talk, lambda stdio: service.start(image, name, command, options, stdio))
    with box:
        collected = collect(box.command, pipes, fed, timeout, talk)
        done = talk.completed(box.command, box.wait(), collected, box.id)
    if check:
        done.check_returncode()
    return done


def start(
    service: Containers,
    image: ImageRecord,
    name: str,
    command: Sequence[str],
    options: RunOptions,
    streams: tuple[int | None, int | None, int | None],
) -> Container:
    """Starts a container on the caller's streams; see `PipeFiles`."""
    return _on_streams(streams, lambda stdio: service.start(image, name, command, options, stdio))


def start_again(
    service: Containers, record: ContainerRecord, streams: tuple[int | None, int | None, int | None]
) -> Container:
    """The same for a container that is there."""
    return _on_streams(streams, lambda stdio: service.start_again(record, stdio))


def _on_streams(
    streams: tuple[int | None, int | None, int | None], begin: Callable[[tuple[int, int, int]], Container]
) -> Container:
    from cowl.container.pipe_files import PipeFiles

    files = PipeFiles(streams)
    try:
        box = begin(files.stdio)
    except BaseException:
        files.close()
        raise
    finally:
        files.close_theirs()
    box.hold(files)
    return box
