"""run: a container in the foreground."""

from __future__ import annotations

from cowl.cli.new_container import PullListener, check, options, write_id
from cowl.cli.streams import check_terminal, open_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl import Container, Engine, OutputLog
    from cowl.cli.call import Call
    from cowl.cli.streams import Streams


def run(call: Call) -> int:
    """`cowl run`: the exit code is the container's; with -d it prints the container's ID and goes."""
    image, *command = call.words
    tty, interactive = call.on("tty"), call.on("interactive")
    check(call)
    if call.on("detach"):
        from cowl.cli.create import run_detached

        return run_detached(call)
    check_terminal(interactive=interactive, tty=tty)
    if (interactive and tty) or call.text("restart") not in ("", "no"):
        from cowl.cli.attached import run_attached

        return run_attached(call)
    listener = PullListener(quiet=call.on("quiet"))
    with call.engine(listener) as engine:
        engine.warm_up()
        listener.fetch(engine, image, call.text("pull"), call.text("platform"))
        log = None if call.on("rm") else Log()
        keep = None if log is None else log.write
        streams = open_streams(interactive=interactive, tty=tty, keep=keep)
        try:
            box = _start(engine, image, command, streams, call)
        except BaseException:
            streams.close_all()
            raise
        with box:
            streams.close_child()
            from cowl.cli.attach import attach  # 2 ms that the container has its own use for

            write_id(call.text("cidfile"), box)
            if log is not None:
                log.open(box)
            process = box.process()
            proxy = call.on("sig-proxy")
            try:
                attach(
                    process,
                    process.process.pid,
                    streams,
                    interactive=interactive,
                    proxy=proxy,
                    keep=keep,
                    box=box,
                )
            finally:
                if log is not None:
                    log.close()
            return box.wait()


class Log:
    """The log of a container that is not there yet when its streams are opened."""

    def __init__(self) -> None:
        self._log: OutputLog | None = None

    def open(self, box: Container) -> None:
        """From now on `write` keeps what it gets."""
        self._log = box.output_log()

    def write(self, stream: str, data: bytes) -> None:
        """Output of "stdout" or "stderr"."""
        if self._log is not None:
            self._log.write(stream, data)

    def close(self) -> None:
        """The last line too."""
        if self._log is not None:
            self._log.close()


def _start(engine: Engine, image: str, command: list[str], streams: Streams, call: Call) -> Container:
    stdin, stdout, stderr = streams.child
    return engine.start(
        image, command, stdin=stdin, stdout=stdout, stderr=stderr, remove=call.on("rm"), **options(call)
    )
