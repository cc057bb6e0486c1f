"""What a finished command gives back, in the manner of `subprocess.run`."""

from __future__ import annotations

from cowl.errors import CowlError
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic

    from typing_extensions import TypeVar

    Output = TypeVar("Output", bytes, str, default=bytes)

    class _Of(Generic[Output]):
        """bytes, or str with text=True."""
else:
    Output = None

    class _Of:
        """Without `typing`, which takes longer to import than a container to start."""

        def __class_getitem__(cls, _kind):
            return cls


class CompletedRun(Value, _Of[Output]):
    """A command that ended by itself: `returncode` as a shell would say it (128+n when killed by signal n).

    `stdout` and `stderr` are the whole output that was collected, bytes or text; `container_id` the
    container it ran in.
    """

    args: tuple[str, ...]
    returncode: int
    stdout: Output
    stderr: Output
    container_id: str

    def check_returncode(self) -> None:
        """Raises RunFailed if it is not 0."""
        if self.returncode != 0:
            raise RunFailed(self)


class RunFailed(CowlError):
    """`check=True` and the command's exit code was not 0. `done` is the CompletedRun."""

    def __init__(self, done: CompletedRun[Any]) -> None:
        self.done = done
        said: bytes | str = done.stderr
        text = said if isinstance(said, str) else said.decode("utf-8", "replace")
        tail = text.strip().splitlines()[-1:]
        why = f": {tail[0]}" if tail else ""
        super().__init__(f"{' '.join(done.args)!r} returned non-zero exit status {done.returncode}{why}")


class RunTimeout(CowlError):
    """The command outlived its `timeout` in seconds. `run` and `exec` have killed it, `wait` has not.

    `stdout` and `stderr` hold what it had written by then, as text if text was asked for.
    """

    def __init__(
        self,
        args: tuple[str, ...],
        timeout: float,
        stdout: bytes | str = b"",
        stderr: bytes | str = b"",
        *,
        killed: bool = True,
    ) -> None:
        self.command = args
        self.timeout = timeout
        self.stdout = stdout
        self.stderr = stderr
        end = "timed out after {:g} seconds and was killed" if killed else "still runs after {:g} seconds"
        super().__init__(f"{' '.join(args)!r} {end.format(timeout)}")
