"""A build in one thread: the caller's. What a crew is for several, see `crew`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Alone:
    """Works at once on what it is told to; Ctrl-C reaches it where it is, so nothing has to be asked."""

    alarm = -1  # no descriptor to watch

    def check(self) -> None:
        """Never gives up by itself."""

    def until(self, ready: Callable[[], bool]) -> None:
        """There is nobody to wait for: what comes first was done first."""
        assert ready()
