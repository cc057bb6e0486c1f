"""exec: one more process in a running container."""

from __future__ import annotations

import os

from cowl import Invalid
from cowl.cli.pairs import environment
from cowl.cli.streams import check_terminal, open_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


class UnsupportedExec(Invalid):
    """What `docker exec` can and cowl can't yet."""


def execute(call: Call) -> int:
    """`cowl exec`: the exit code is the command's."""
    name, *command = call.words
    tty, interactive = call.on("tty"), call.on("interactive")
    if call.on("detach"):
        raise UnsupportedExec("-d is not available yet: commands run in the foreground")
    check_terminal(interactive=interactive, tty=tty)
    with call.engine() as engine:
        engine.warm_up()
        box = engine.container(name)
        streams = open_streams(interactive=interactive, tty=tty)
        try:
            running = box.exec_with(
                command,
                streams.child,
                tty=tty,
                user=call.text("user"),
                env=environment(call.many("env"), call.many("env-file"), os.environ),
                workdir=call.text("workdir"),
            )
        except BaseException:
            streams.close_all()
            raise
        streams.close_child()
        from cowl.cli.attach import attach  # 2 ms that the command has its own use for

        try:
            attach(running, running.process.pid, streams, interactive=interactive, proxy=True)
            return running.wait().code
        finally:
            running.close()
