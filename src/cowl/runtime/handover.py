"""How a job gets to a keeper in another process: one message with five descriptors."""

from __future__ import annotations

import json
import os

from cowl.errors import Unavailable
from cowl.linux import channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from cowl.runtime.stdio import Stdio


def hand_over(control: int, job: dict[str, Any], stdio: Stdio, reply: int) -> None:
    """Sends a job; its answers come on the other end of `reply`. Raises Unavailable if nobody listens."""
    body = os.memfd_create("cowl-job", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(body), "wb") as file:
            file.write(json.dumps(job).encode())
        channel.send(control, b"J", (body, reply, stdio.stdin, stdio.stdout, stdio.stderr))
    except BrokenPipeError:
        raise Unavailable("the process that starts containers has died") from None
    finally:
        os.close(body)


def carry_out(fds: tuple[int, ...], owner: int) -> NoReturn:
    """What to do with the descriptors of a job, in a process of its own: become its keeper.

    owner   a pidfd of the process that the container must not outlive
    """
    from cowl.runtime.failures import encode
    from cowl.runtime.keeper import keep
    from cowl.runtime.making import read_job
    from cowl.runtime.stdio import Stdio

    body, reply, *standard = fds
    try:
        with os.fdopen(body, "rb") as file:
            file.seek(0)
            job = read_job(json.loads(file.read()))
        keep(job, Stdio(*standard), reply, owner)
    except BaseException as error:  # noqa: BLE001  # it must never go on in its parent's code
        channel.send(reply, b"F" + encode(error))
    finally:
        os._exit(0)
