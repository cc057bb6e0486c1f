"""The log of a container that runs in the foreground: who relays its output hands a copy to it."""

from __future__ import annotations

from cowl.container.json_log import JsonLog, log_directory
from cowl.container.log_options import NONE, parse_log
from cowl.container.output import Lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.options import Settings


class OutputLog:
    """Made by `Container.output_log`. What can't be written is lost, and no error."""

    def __init__(self, directory: str, settings: Settings) -> None:
        self._lines = {"stdout": Lines(), "stderr": Lines()}
        self._log: JsonLog | None = None
        if settings.log_driver != NONE:
            rotation = parse_log(settings.log_driver, settings.log_options)
            self._log = JsonLog(log_directory(directory), rotation.max_bytes, rotation.max_files)
            self._log.open()

    def write(self, stream: str, data: bytes) -> None:
        """Adds output of "stdout" or "stderr"."""
        if self._log is not None and (lines := self._lines[stream].feed(data)):
            self._log.write(stream, lines)

    def close(self) -> None:
        """Adds what lacks its line's end, and lets go of the file. Idempotent."""
        if self._log is None:
            return
        for stream, rest in self._lines.items():
            if lines := rest.end():
                self._log.write(stream, lines)
        self._log.close()
