"""How a command's streams come to who runs it: bytes or text, kept, merged or sent elsewhere."""

from __future__ import annotations

import os

from cowl.container.result import CompletedRun, RunTimeout
from cowl.container.streams import Pipes, converse
from cowl.container.words import InvalidOptions
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Started = TypeVar("Started")

PIPE, STDOUT, DEVNULL = -1, -2, -3  # the numbers that subprocess has


class Talk(Value):
    """What a caller of run or exec asked for, in the words of `subprocess.run`.

    encoding  of text; "" for bytes
    errors    what becomes of what is no text in it, as in bytes.decode
    stdout    PIPE (collected), DEVNULL or a descriptor; stderr also STDOUT: with the other, in order
    """

    encoding: str = ""
    errors: str = "strict"
    stdout: int = PIPE
    stderr: int = PIPE

    def encode(self, data: object) -> bytes:
        """The input as bytes. Raises InvalidOptions for bytes where text belongs, or the other way round."""
        if data is None:
            return b""
        if isinstance(data, str):
            if not self.encoding:
                raise InvalidOptions(
                    "the input is text, where bytes belong", hint="say text=True, or input=text.encode()"
                )
            return data.encode(self.encoding, self.errors)
        if self.encoding:
            raise InvalidOptions("the input is bytes, where text belongs", hint="input=data.decode()")
        return bytes(data)  # type: ignore[call-overload,no-any-return]  # a buffer

    def completed(
        self, command: tuple[str, ...], code: int, output: tuple[bytes, bytes], container_id: str
    ) -> CompletedRun[Any]:
        """A command that has ended, with its (stdout, stderr) as they are given back."""
        stdout, stderr = map(self.decode, output)
        return CompletedRun(command, code, stdout, stderr, container_id)

    def decode(self, data: bytes, *, whole: bool = True) -> Any:
        """Output as it is given back; text with every end of line as "\\n". Raises UnicodeDecodeError.

        whole  nothing is missing at its end
        """
        if not self.encoding:
            return data
        import codecs

        text = codecs.getincrementaldecoder(self.encoding)(self.errors).decode(data, whole)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def late(self, error: RunTimeout) -> RunTimeout:
        """The same error with its output as it is given back."""
        loose = self.replace(errors="replace" if self.errors == "strict" else self.errors)
        error.stdout, error.stderr = (
            loose.decode(bytes(part), whole=False) if not isinstance(part, str) else part
            for part in (error.stdout, error.stderr)
        )
        return error


def make_talk(text: bool, encoding: str | None, errors: str | None, stdout: int, stderr: int) -> Talk:
    """The keyword arguments as a value. Raises InvalidOptions."""
    if stdout == STDOUT or stdout < DEVNULL or stderr < DEVNULL:
        raise InvalidOptions("stdout and stderr are PIPE, DEVNULL or a descriptor, stderr may be STDOUT")
    wanted = text or encoding is not None or errors is not None
    return Talk((encoding or "utf-8") if wanted else "", errors or "strict", stdout, stderr)


class Ends:
    """The child's ends of the pipes, but where it was asked for something else. Closed by `close`."""

    def __init__(self, pipes: Pipes, talk: Talk) -> None:
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC) if DEVNULL in _choices(talk) else -1
        stdin, out, err = pipes.child()
        stdout = self._end(talk.stdout, out, out)
        self.stdio = (stdin, stdout, self._end(talk.stderr, err, stdout))

    def _end(self, choice: int, pipe: int, other: int) -> int:
        return {PIPE: pipe, STDOUT: other, DEVNULL: self._null}.get(choice, choice)

    def close(self) -> None:
        """Once the child holds them itself. The pipes are not theirs to close."""
        if self._null >= 0:
            os.close(self._null)


def _choices(talk: Talk) -> tuple[int, int]:
    return talk.stdout, talk.stderr


def begin(talk: Talk, start: Callable[[tuple[int, int, int]], Started]) -> tuple[Pipes, Started]:
    """What `start` makes of the child's streams, and our ends of them."""
    pipes = Pipes.make()
    try:
        ends = Ends(pipes, talk)
        try:
            return pipes, start(ends.stdio)
        finally:
            ends.close()
    except BaseException:
        pipes.close_all()
        raise


def collect(
    command: tuple[str, ...], pipes: Pipes, data: bytes, timeout: float | None, talk: Talk
) -> tuple[bytes, bytes]:
    """See `converse`; a timeout carries what was said by then as the caller wants it."""
    try:
        return converse(command, pipes, data, timeout)
    except RunTimeout as late:
        raise talk.late(late) from None
