"""A container's handle: its share of the machine, used, changed and taken away for a while."""

from __future__ import annotations

from cowl.container.handle.facts import ContainerFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, Unpack

    from cowl.container.keywords import UpdateKeywords
    from cowl.container.stats import ContainerStats


class ContainerLimits(ContainerFacts):
    """See Container."""

    def stats(self, *, since: ContainerStats | None = None) -> ContainerStats:
        """What it uses of the machine now. Of one that does not run nothing is known, which is no error.

        since  an earlier reading: `cpu_percent` is between the two, else since its start
        Without a cgroup the numbers are what /proc says of its processes. Raises NotFound.
        """
        from cowl.container.stats import read_stats

        return read_stats(self._service, self._record, since)

    def update(self, *, restart: str | None = None, **limits: Unpack[UpdateKeywords]) -> Self:
        """Changes limits and restart policy of a container, live if it runs; what is not named stays.

        The keywords are those of `Engine.start`: memory, memory_reservation, memory_swap, cpus,
        cpu_period, cpu_quota, cpu_shares, cpuset_cpus, cpuset_mems, pids_limit, blkio_weight. All or
        nothing. Gives itself. Raises InvalidOptions; LimitNotAvailable and LimitUnenforceable, both
        Unavailable; NotFound.
        """
        from cowl.container.updating import update

        self._record = update(self._service, self._record, limits, restart)
        self._settings = None
        return self

    def pause(self) -> Self:
        """Holds all its processes still, until `unpause`, or a signal by `kill` or `stop`. Gives itself.

        Its cgroup does it; where it has none every process is stopped by SIGSTOP: what another process of
        the same user outside continues goes on, and `unpause` continues also what had stopped itself.
        Raises ContainerPaused, ContainerNotRunning, NotHeld, NotFound.
        """
        from cowl.container.pausing import pause

        self._record = pause(self._service, self._record)
        return self

    def unpause(self) -> Self:
        """Lets them go on. Gives itself. Raises ContainerNotPaused, NotFound."""
        from cowl.container.pausing import unpause

        self._record = unpause(self._service, self._record)
        return self
