"""What a finished command gives back, in the manner of `subprocess.run`."""

from __future__ import annotations

from cowl.errors import CowlError
from cowl.value import Value


class CompletedRun(Value):
    """A command that ended by itself: `returncode` as a shell would say it (128+n when killed by signal n).

    `stdout` and `stderr` are the whole output as bytes; `container_id` the container it ran in.
    """

    args: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    container_id: str


class RunFailed(CowlError):
    """`check=True` and the command's exit code was not 0. `done` is the CompletedRun."""

    def __init__(self, done: CompletedRun) -> None:
        self.done = done
        tail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        said = f": {tail[0]}" if tail else ""
        super().__init__(f"{' '.join(done.args)!r} returned non-zero exit status {done.returncode}{said}")


class RunTimeout(CowlError):
    """The command outlived its `timeout` in seconds. `run` and `exec` have killed it, `wait` has not.

    `stdout` and `stderr` hold what it had written by then.
    """

    def __init__(
        self,
        args: tuple[str, ...],
        timeout: float,
        stdout: bytes = b"",
        stderr: bytes = b"",
        *,
        killed: bool = True,
    ) -> None:
        self.command = args
        self.timeout = timeout
        self.stdout = stdout
        self.stderr = stderr
        end = "timed out after {:g} seconds and was killed" if killed else "still runs after {:g} seconds"
        super().__init__(f"{' '.join(args)!r} {end.format(timeout)}")
