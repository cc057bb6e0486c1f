"""The executor: carries out the stages of a plan, each after those that it needs."""

from __future__ import annotations

from cowl.build.stage_run import Site, StageRun
from cowl.events import BuildStarted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from cowl.build.delivery import Delivery
    from cowl.build.plan import BuildPlan
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.oci.platform import Platform
    from cowl.runtime.protocol import Runtime
    from cowl.store.images import ImageRecord
    from cowl.store.steps import BuiltStep
    from cowl.store.store import Store


class Executor:
    """Carries out one plan. A `with` block: at its end the layers that it kept alive are let go.

    With `no_cache` every step is made again, with `no_cache_filter` those of the stages that it names.
    `runtime` is called at the first RUN that is not cached.
    """

    def __init__(
        self,
        plan: BuildPlan,
        ground: Ground,
        *,
        store: Store,
        runtime: Callable[[], Runtime],
        resolve_base: Callable[[str, Platform | None], ImageRecord],
        no_cache: bool,
        no_cache_filter: tuple[str, ...] = (),
        clock: Callable[[], float],
        delivery: Delivery,
    ) -> None:
        self._plan = plan
        self._site = Site(
            ground,
            store=store,
            runtime=runtime,
            resolve_base=resolve_base,
            no_cache=no_cache,
            no_cache_filter=no_cache_filter,
            clock=clock,
            total=plan.steps,
            inherited=dict(plan.inherited),
            delivery=delivery,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._site.close()

    @property
    def carried_out(self) -> bool:
        """Whether a step was not taken from the cache."""
        return bool(self._site.missed)

    def run(self) -> State:
        """Builds all stages; gives the last state of the target."""
        self._site.ground.emit(BuildStarted(self._plan.steps))
        for stage in self._plan.stages:
            state = StageRun(stage, self._site).run()
            self._site.done[stage.index] = state
        return state

    def hold(self, state: State) -> None:
        """Keeps the layers of `state` and of all steps alive until the block ends. Raises NotFound."""
        self._site.hold(state)

    @property
    def steps(self) -> tuple[BuiltStep, ...]:
        """The steps that were carried out or cached, those that the target's image lies on marked so."""
        bases = {stage.index: stage.base_stage for stage in self._plan.stages}
        index, below = self._plan.stages[-1].index, set[int]()
        while index >= 0:
            below.add(index)
            index = bases[index]
        return tuple(step.replace(in_image=stage in below) for stage, step in self._site.steps)
