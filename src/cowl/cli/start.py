"""start: a container that is there, in the foreground."""

from __future__ import annotations

from cowl import Invalid
from cowl.cli.streams import check_terminal, open_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


class UnsupportedStart(Invalid):
    """What `docker start` can and cowl can't yet, or what neither can."""


def start(call: Call) -> int:
    """`cowl start -a`: the exit code is the container's."""
    if not (call.on("attach") or call.on("interactive")):
        raise UnsupportedStart(
            "start without -a is not available yet: containers run in the foreground",
            hint="Attach to it: cowl start -a CONTAINER. From Python Container.start lets it run beside you.",
        )
    if len(call.words) > 1:
        raise UnsupportedStart("you cannot start and attach multiple containers at once")
    with call.engine() as engine:
        engine.warm_up()
        box = engine.container(call.words[0])
        tty = box.settings.tty
        interactive = call.on("interactive") and box.settings.open_stdin
        check_terminal(interactive=interactive, tty=tty)
        streams = open_streams(interactive=interactive, tty=tty)
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
            attach(process, process.process.pid, streams, interactive=interactive, proxy=call.on("sig-proxy"))
            return box.wait()
