"""The executor: walks the plan, looks each step up in the cache, and carries out what is not there."""

from __future__ import annotations

import os

from cowl.build.config_steps import apply_config, declare, is_config_step
from cowl.build.history import told
from cowl.build.places import locate
from cowl.build.plan import StagePlan
from cowl.build.refusals import check_platform, check_triggers
from cowl.build.state import begin, from_scratch, go_on
from cowl.build.tasks import copy_task, run_task, workdir_task
from cowl.dockerfile import nodes
from cowl.dockerfile.scope import expand_node
from cowl.errors import CowlError, NotFound
from cowl.events import BuildStarted, StepFinished, StepStarted
from cowl.oci.image_config import ImageConfig
from cowl.oci.platform import Platform
from cowl.store.steps import NO_LAYER, NoLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from cowl.build.plan import BuildPlan, Step
    from cowl.build.state import State
    from cowl.build.tasks import Ground, Task
    from cowl.build.tree import Tree
    from cowl.runtime.protocol import Runtime
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.leases import Lease
    from cowl.store.store import Store


class Executor:
    """Carries out one plan. A `with` block: at its end the layers that it kept alive are let go.

    With `no_cache` every step is made again. `runtime` is called at the first RUN that is not cached.
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
        clock: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._ground = ground
        self._store = store
        self._runtime = runtime
        self._resolve_base = resolve_base
        self._no_cache = no_cache
        self._clock = clock
        self._inherited = dict(plan.inherited)
        self._done: dict[int, State] = {}
        self._lease: Lease | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        if self._lease is not None:
            self._lease.close()

    def run(self) -> State:
        """Builds all stages; gives the last state of the target."""
        self._ground.emit(BuildStarted(self._plan.steps))
        for stage in self._plan.stages:
            state = self._base(stage)
            for step in stage.steps:
                state = self._step(stage, step, state)
            self._done[stage.index] = state
        return state

    def _base(self, stage: StagePlan) -> State:
        started = self._started(stage, stage.number, stage.node)
        if stage.base_stage >= 0:
            state = go_on(self._done[stage.base_stage])
        elif stage.image:
            state = self._image(stage)
        else:
            state = from_scratch(self._ground.platform)
        self._ground.emit(StepFinished(stage.number, False, False, 0, 0, self._clock() - started))
        return state

    def _image(self, stage: StagePlan) -> State:
        from cowl.build.bases import resolve

        file = self._ground.file
        platform = Platform.parse(stage.platform) if stage.platform else self._ground.base_platform
        record = resolve(file, stage.node, stage.image, platform, self._resolve_base)
        config = ImageConfig.parse(record.config_bytes)
        check_platform(file, stage.node, platform, config.platform)
        check_triggers(file, stage.node, config.config.onbuild)
        return begin(config, record.layers)

    def _step(self, stage: StagePlan, step: Step, state: State) -> State:
        node = expand_node(self._ground.file, step.node, state.environment).node
        if isinstance(node, nodes.Arg):
            return declare(state, node, self._ground.given, self._inherited)
        if is_config_step(node):
            return apply_config(state, node, self._ground.file)
        try:
            return self._files(stage, step.number, self._task(stage, state, node))
        except CowlError as problem:
            locate(problem, self._ground.file, node)
            raise

    def _files(self, stage: StagePlan, number: int, task: Task) -> State:
        """A step that makes files: from the cache, or carried out."""
        started = self._started(stage, number, task.node)
        made = None if self._no_cache else self._cached(task)
        cached = made is not None
        layer = made if made is not None else self._make(number, task)
        return self._finished(number, task, layer, cached, started)

    def _task(self, stage: StagePlan, state: State, node: nodes.Instruction) -> Task:
        if isinstance(node, nodes.Run):
            return run_task(state, node, self._ground)
        if isinstance(node, nodes.Workdir):
            return workdir_task(state, node, self._ground)
        assert isinstance(node, nodes.Copy | nodes.Add), node.keyword
        return copy_task(state, node, self._ground, self._tree(stage, node))

    def _tree(self, stage: StagePlan, node: nodes.Copy | nodes.Add) -> Tree:
        """What a COPY reads: the context, or the files of another stage."""
        if isinstance(node, nodes.Add) or not node.from_:
            return self._ground.context
        from cowl.build.stage_tree import StageTree
        from cowl.layer.ownership import for_euid

        source = self._done[dict(stage.sources)[str(node.from_)]]
        return StageTree(self._store.view(source.layer_keys), for_euid(os.geteuid()))

    def _cached(self, task: Task) -> Layer | NoLayer | None:
        """What the cache has for a task; pinned, if this build has begun to make layers."""
        if not task.key:
            return NO_LAYER
        found = self._store.steps.find(task.key)
        if found is None or isinstance(found, NoLayer) or self._lease is None:
            return found
        try:
            self._lease.pin(found.key)
        except NotFound:
            return None
        return found

    def _make(self, number: int, task: Task) -> Layer | NoLayer:
        """Carries a task out and records its layer, which then stands whatever happens to the build."""
        if not task.key:
            return NO_LAYER
        from cowl.build.workshop import make

        if self._lease is None:
            self._lease = self._store.lease("build")
            for key in task.state.layer_keys:
                self._lease.pin(key)
        made, reusable = make(number, task, self._ground, self._store, self._runtime)
        if made is not None:
            self._lease.pin(made.key)
        if reusable:
            self._store.steps.add(task.key, made.key if made else None, task.history)
        return made if made is not None else NO_LAYER

    def _started(self, stage: StagePlan, number: int, node: nodes.Instruction) -> float:
        text = " ".join(node.raw.split())
        self._ground.emit(StepStarted(number, self._plan.steps, stage.name, text, node.source.first_line))
        return self._clock()

    def _finished(
        self, number: int, task: Task, made: Layer | NoLayer, cached: bool, started: float
    ) -> State:
        seconds = self._clock() - started
        if isinstance(made, NoLayer):
            self._ground.emit(StepFinished(number, cached, False, 0, 0, seconds))
            return told(task.state, task.history)
        self._ground.emit(StepFinished(number, cached, True, made.size_bytes, made.files, seconds))
        state = task.state.replace(layers=(*task.state.layers, made))
        return told(state, task.history, layer=True)
