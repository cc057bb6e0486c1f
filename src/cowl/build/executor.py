"""The executor: carries out the stages of a plan, side by side where one need not wait for another."""

from __future__ import annotations

import os

from cowl.build.site import Site
from cowl.build.stage_run import StageRun
from cowl.events import BuildStarted, StepCanceled, silent
from cowl.store.steps import NoLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from cowl.build.crew import Crew
    from cowl.build.delivery import Delivery
    from cowl.build.plan import BuildPlan, StagePlan
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.events import Emit
    from cowl.oci.platform import Platform
    from cowl.runtime.protocol import Runtime
    from cowl.store.images import ImageRecord
    from cowl.store.steps import BuiltStep
    from cowl.store.store import Store

_FEWEST = 2  # stages at a time even on one processor: a RUN often waits for a network


class Executor:
    """Carries out one plan. A `with` block: at its end the layers that it kept alive are let go.

    With `no_cache` every step is made again, with `no_cache_filter` those of the stages that it names.
    `runtime` is called at the first RUN that is not cached.
    `jobs` is how many stages are built at a time; 0: as many as there are processors.
    """

    def __init__(
        self,
        plan: BuildPlan,
        ground: Ground,
        *,
        store: Store,
        runtime: Callable[[], Runtime],
        resolve_base: Callable[[str, Platform | None, Emit], ImageRecord],
        no_cache: bool,
        no_cache_filter: tuple[str, ...] = (),
        jobs: int,
        clock: Callable[[], float],
        delivery: Delivery,
    ) -> None:
        self._plan = plan
        self._jobs = jobs or max(_FEWEST, len(os.sched_getaffinity(0)))
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
            order=tuple(stage.index for stage in plan.stages),
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
        """Builds all stages; gives the last state of the target.

        In the caller's thread, unless two stages can be built at a time: a process with several threads
        needs another one to start containers.
        """
        site = self._site
        site.ground.emit(BuildStarted(self._plan.steps))
        if self._jobs == 1 or is_chain(self._plan):
            for stage in self._plan.stages:
                StageRun(stage, site, site.ground).run()
        else:
            self._side_by_side()
        return site.state(self._plan.stages[-1].index)

    def hold(self, state: State) -> None:
        """Keeps the layers of `state` and of all steps alive until the block ends. Raises NotFound."""
        self._site.hold(state)

    @property
    def steps(self) -> tuple[BuiltStep, ...]:
        """The steps that were carried out or cached, those that the target's image lies on marked so.

        Stage after stage, whichever ended first.
        """
        bases = {stage.index: stage.base_stage for stage in self._plan.stages}
        index, below = self._plan.stages[-1].index, set[int]()
        while index >= 0:
            below.add(index)
            index = bases[index]
        return tuple(step.replace(in_image=stage in below) for stage, step in self._site.steps)

    def squash(self, state: State, number: int, name: Callable[[State], str]) -> State:
        """`state` with its new layers, or those from step `number` on, made into one, unless that is cached.

        `name` gives the ID of the image of a state. Raises NoSuchStep, NotFound.
        """
        from cowl.build.squash import first_layer, make_squashed, squash_inputs, with_squashed

        first = first_layer(state, number)
        if len(state.layers) - first < 2:
            return state
        site, key = self._site, squash_inputs(state, first).key
        lease = site.lease(state)
        with site.turn(key, 0, silent, own=False):
            layer = site.store.steps.find(key)
            if layer is None or isinstance(layer, NoLayer):
                layer = make_squashed(state, first, site.store, site.crew.check)
                site.store.steps.add(key, layer.key, f"squash {len(state.layers) - first} layers")
        lease.pin(layer.key)
        return with_squashed(state, first, layer, name, number)

    def _side_by_side(self) -> None:
        from functools import partial

        from cowl.build.alone import Alone
        from cowl.build.crew import Crew

        site = self._site
        site.crew = crew = Crew(self._jobs, site.ground.emit)
        try:
            crew.run([partial(self._stage, stage, crew) for stage in self._plan.stages])
        finally:
            site.crew = Alone()
            crew.close()

    def _stage(self, stage: StagePlan, crew: Crew) -> None:
        """One stage in a thread of the crew, on ground of its own."""
        from cowl.build.crew import Cancelled

        common = self._site.ground
        with common.context.again(crew.check) as context, common.contexts.again(crew.check) as contexts:
            ground = common.replace(context=context, contexts=contexts, emit=crew.emit, crew=crew)
            run = StageRun(stage, self._site, ground)
            try:
                run.run()
            except Cancelled:
                if run.step:
                    crew.emit_last(StepCanceled(run.step))
                raise
        crew.tell()


def is_chain(plan: BuildPlan) -> bool:
    """Whether every stage begins with the one before: then nothing can go on side by side."""
    pairs = zip(plan.stages, plan.stages[1:], strict=False)
    return all(later.base_stage == earlier.index for earlier, later in pairs)
