"""What the fixtures of the pytest plugin give: containers that are waited for, heard and cleared away."""

from __future__ import annotations

import re
import threading
import time
from collections import deque

import cowl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

_KEPT_LINES = 1000  # of a container's output, for the report
_SHOWN_LINES = 100
_STEP_SECONDS = 0.02
_LISTENING = "0A"  # TCP_LISTEN in proc_pid_net(5)


class NotReady(cowl.Unavailable):
    """A container ended, or its time was over, before it was what a test waits for.

    container_id; awaited: what that was; output: the last lines of what it wrote
    """

    def __init__(self, box: cowl.Container, awaited: str, why: str, output: str) -> None:
        self.container_id = box.id
        self.awaited = awaited
        self.output = output
        said = f"; it wrote:\n{output}" if output else "; it wrote nothing"
        super().__init__(f"the container {box.name} of {box.image} {why} before {awaited}{said}")


class Containers:
    """Starts containers when called; as a context manager it kills and removes them at its end."""

    def __init__(self, engine: cowl.Engine) -> None:
        self._engine = engine
        self._started: list[_Heard] = []

    def __call__(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        log: str | re.Pattern[str] | None = None,
        port: int | None = None,
        healthy: bool = False,
        ready: Callable[[cowl.Container], object] | None = None,
        timeout: float = 60.0,
        **options: Any,
    ) -> cowl.Container:
        """A container that runs, and is what was asked for.

        log      a text, or a pattern, that a line of its output has; stdout and stderr are read
        port     something in it listens on this TCP port
        healthy  its health check says so
        ready    gives something true when called with it; what it raises as cowl.CowlError is not yet true
        timeout  seconds to wait for all of these together
        options  those of Engine.start
        Raises NotReady, and what Engine.start raises.
        """
        heard = _Heard(self._engine, image, command, log, options)
        self._started.append(heard)
        deadline = time.monotonic() + timeout
        if log is not None:
            heard.wait_for(heard.has_matched, f"its output had {getattr(log, 'pattern', log)!r}", deadline)
        if port is not None:
            heard.wait_for(lambda: _listens(heard.box, port), f"it listened on port {port}", deadline)
        if healthy:
            heard.wait_for(lambda: _is_healthy(heard.box), "it was healthy", deadline)
        if ready is not None:
            heard.wait_for(lambda: _holds(ready, heard.box), "it was ready", deadline)
        return heard.box

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        while self._started:
            self._started.pop().close()

    def sections(self) -> list[tuple[str, str]]:
        """(title, what it wrote) of each, for a report."""
        return [
            (f"Output of container {each.box.name} ({each.box.image})", each.tail()) for each in self._started
        ]


class _Heard:
    """A container, and a thread that reads what it writes, so that it never waits for a reader."""

    def __init__(
        self,
        engine: cowl.Engine,
        image: str,
        command: Sequence[str],
        log: str | re.Pattern[str] | None,
        options: dict[str, Any],
    ) -> None:
        self._pattern = re.compile(re.escape(log)) if isinstance(log, str) else log
        self._matched = threading.Event()
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.box = engine.start(image, command, stdout=cowl.PIPE, stderr=cowl.STDOUT, **options)
        self._reader = threading.Thread(target=self._read, name=f"cowl {self.box.name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.box.stdout is not None
        for line in self.box.stdout:
            text = line.decode("utf-8", "replace")
            self._lines.append(text)
            if self._pattern is not None and self._pattern.search(text):
                self._matched.set()

    def has_matched(self) -> bool:
        return self._matched.is_set()

    def wait_for(self, true: Callable[[], bool], awaited: str, deadline: float) -> None:
        while not true():
            ended = self.box.poll()
            if ended is not None:
                self._reader.join(1)
                if true():
                    return
                raise NotReady(self.box, awaited, f"ended with exit code {ended}", self.tail())
            if time.monotonic() > deadline:
                raise NotReady(self.box, awaited, "ran out of time", self.tail())
            time.sleep(_STEP_SECONDS)

    def tail(self) -> str:
        return "".join(list(self._lines)[-_SHOWN_LINES:])

    def close(self) -> None:
        try:
            self.box.kill()
        except cowl.CowlError:
            pass  # it has ended
        self._reader.join()  # the pipe ends with the last process in it
        self.box.__exit__(None, None, None)


def _listens(box: cowl.Container, port: int) -> bool:
    """Whether a socket of its network listens on the port, seen from the host: no program in it is needed."""
    pid = box.process().process.pid
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{table}") as lines:
                rows = [line.split() for line in lines][1:]
        except OSError:
            continue
        if any(row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port for row in rows):
            return True
    return False


def _is_healthy(box: cowl.Container) -> bool:
    state = box.health
    if state is None:
        raise cowl.Invalid(
            f"{box.image} has no health check", hint="give health_cmd, or wait for something else"
        )
    return state.status == "healthy"


def _holds(ready: Callable[[cowl.Container], object], box: cowl.Container) -> bool:
    try:
        return bool(ready(box))
    except cowl.CowlError:
        return False
