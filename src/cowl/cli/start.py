"""start: a container that is there, in the background or in the foreground."""

from __future__ import annotations

from cowl import Invalid
from cowl.cli.streams import check_terminal, open_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


class SeveralAttached(Invalid):
    """There is one terminal."""


def start(call: Call) -> int:
    """`cowl start`; with -a or -i the exit code is the container's."""
    if not (call.on("attach") or call.on("interactive")):
        from cowl.cli.life import start_detached

        return start_detached(call)
    if len(call.words) > 1:
        raise SeveralAttached("you cannot start and attach multiple containers at once")
    with call.engine() as engine:
        box = engine.container(call.words[0])
        tty = box.settings.tty
        interactive = call.on("interactive") and box.settings.open_stdin
        check_terminal(interactive=interactive, tty=tty)
        if box.state == "running" or (tty and interactive) or box.settings.restart != "no":
            from cowl.cli.attached import start_attached

            return start_attached(call, engine, box, interactive=interactive)
        engine.warm_up()
        log = box.output_log()
        streams = open_streams(interactive=interactive, tty=tty, keep=log.write)
        stdin, stdout, stderr = streams.child
        try:
            box.start(stdin=stdin, stdout=stdout, stderr=stderr)
        except BaseException:
            streams.close_all()
            raise
        with box:
            streams.close_child()
            from cowl.cli.attach import attach  # 2 ms that the container has its own use for

            process = box.process()
            proxy = call.on("sig-proxy")
            try:
                attach(
                    process,
                    process.process.pid,
                    streams,
                    interactive=interactive,
                    proxy=proxy,
                    keep=log.write,
                    box=box,
                )
            finally:
                log.close()
            return box.wait()
