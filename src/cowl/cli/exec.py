"""exec: one more process in a running container."""

from __future__ import annotations

import os

from cowl.cli.pairs import environment
from cowl.cli.streams import check_terminal, open_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl import Engine
    from cowl.cli.call import Call
    from cowl.cli.detach_keys import DetachKeys


def execute(call: Call) -> int:
    """`cowl exec`: the exit code is the command's."""
    name, *command = call.words
    tty, interactive = call.on("tty"), call.on("interactive")
    if call.on("detach"):
        return _detached(call, name, command)
    if call.text("detach-keys"):
        from cowl.cli.detach_keys import check_keys

        check_keys(call)
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
                size=_window(interactive=interactive) if tty else (),
                **_options(call),
            )
        except BaseException:
            streams.close_all()
            raise
        streams.close_child()
        from cowl.cli.attach import attach  # 2 ms that the command has its own use for

        try:
            keys = _keys(call, engine) if tty and interactive else None
            pid = running.process.pid
            attach(running, pid, streams, interactive=interactive, proxy=True, keys=keys)
            return running.wait().code
        finally:
            running.close()


def _detached(call: Call, name: str, command: list[str]) -> int:
    with call.engine() as engine:
        engine.warm_up()
        engine.container(name).exec_detached(command, tty=call.on("tty"), **_options(call))
    return 0


def _options(call: Call) -> dict[str, Any]:
    return {
        "user": call.text("user"),
        "env": environment(call.many("env"), call.many("env-file"), os.environ),
        "workdir": call.text("workdir"),
        "privileged": call.on("privileged"),
    }


def _window(*, interactive: bool) -> tuple[int, ...]:
    from cowl.cli.terminal import window

    return window(0 if interactive else 1)


def _keys(call: Call, engine: Engine) -> DetachKeys:
    from cowl.cli.detach_keys import detach_keys

    return detach_keys(call, engine.config.auth_file)
