"""--progress json: every event as one JSON object a line on standard error.

`event` is the name of the record in snake case ("step_missed"), `time` the seconds since the epoch, the
rest the record's fields under their names in `cowl.events`. What a RUN wrote is text, with U+FFFD for bytes
that are not UTF-8. A build that fails ends with an event "failed" (message, hint); the words for people
come after it, on a line that does not begin with "{".
"""

from __future__ import annotations

import json
import time
from _thread import allocate_lock
from codecs import getincrementaldecoder

from cowl.cli.progress import Progress
from cowl.errors import CowlError
from cowl.events import StepOutput
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codecs import IncrementalDecoder
    from types import TracebackType
    from typing import TextIO

    from cowl.events import Event

_DECODER = getincrementaldecoder("utf-8")


class JsonProgress(Progress):
    """One line an event, in the order in which they come."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = allocate_lock()
        self._decoders: dict[tuple[int, str], IncrementalDecoder] = {}

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        fields = _plain(event)
        if isinstance(event, StepOutput):
            fields["data"] = self._text(event)
        self._write(event_name(type(event).__name__), fields)

    def _text(self, event: StepOutput) -> str:
        """A character may come in two pieces: its first half waits for the second."""
        with self._lock:
            decoder = self._decoders.get((event.number, event.stream))
            if decoder is None:
                decoder = self._decoders[event.number, event.stream] = _DECODER("replace")
            return decoder.decode(event.data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        message = error.message if isinstance(error, CowlError) else str(error) or type(error).__name__
        hint = error.hint if isinstance(error, CowlError) else ""
        self._write("failed", {"message": message, "hint": hint})

    def _write(self, name: str, fields: dict[str, object]) -> None:
        line = json.dumps({"event": name, "time": time.time(), **fields})
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()


def event_name(name: str) -> str:
    """StepMissed: step_missed."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


def _plain(value: Value) -> dict[str, object]:
    """The fields as JSON can hold them."""
    return {name: _jsonable(each) for name, each in value.as_dict().items()}


def _jsonable(value: object) -> object:
    if isinstance(value, Value):
        return _plain(value)
    if isinstance(value, tuple):
        return [_jsonable(each) for each in value]
    return value
