"""The engine's calls about the disk and the machine."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.usage import Usage
    from cowl.linux.probe import Probe
    from cowl.store.check import Problem


class DiskCalls(Wiring):
    """See Engine."""

    def usage(self) -> Usage:
        """Where the disk went, to the byte: from rows, and a fresh measure of live uppers."""
        from cowl.accounting.usage import usage

        return usage(self.store)

    def check(self) -> tuple[Problem, ...]:
        """Compares directories with rows; what differs, empty when all is well."""
        return tuple(self.store.check())

    def info(self) -> Probe:
        """What this machine and user allow: the rung in force and what blocks the next."""
        from cowl.linux.probe import probe

        return probe()
