"""One stage carried out: step after step, each looked up in the cache and made where it is not there."""

from __future__ import annotations

import os

from cowl.build.config_steps import apply_config, declare, is_config_step
from cowl.build.copy_task import copy_task
from cowl.build.history import told
from cowl.build.places import locate
from cowl.build.refusals import check_platform, check_triggers
from cowl.build.run_task import run_task
from cowl.build.state import begin, from_scratch, go_on
from cowl.build.workdir_task import workdir_task
from cowl.dockerfile import nodes
from cowl.dockerfile.scope import expand_node
from cowl.errors import CowlError, NotFound
from cowl.events import StepFinished, StepStarted
from cowl.oci.image_config import ImageConfig
from cowl.oci.platform import Platform
from cowl.store.steps import NO_LAYER, NoLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cowl.build.explain import Misses
    from cowl.build.plan import StagePlan, Step
    from cowl.build.state import State
    from cowl.build.task import Ground, Task
    from cowl.build.tree import Tree
    from cowl.runtime.protocol import Runtime
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.leases import Lease
    from cowl.store.notes import StepNote
    from cowl.store.store import Store


class Site:
    """What all stages of one build share: the ground, the store, the runtime, the lease on what they make.

    total      how many numbered steps the build has
    inherited  name to value: what `ARG name` without a default takes over
    done       the last states of the stages that are built, by index
    missed     indexes of the stages of which a step was carried out
    images     by index of a stage: the reference of the image that it goes back to
    """

    def __init__(
        self,
        ground: Ground,
        *,
        store: Store,
        runtime: Callable[[], Runtime],
        resolve_base: Callable[[str, Platform | None], ImageRecord],
        no_cache: bool,
        no_cache_filter: tuple[str, ...],
        clock: Callable[[], float],
        total: int,
        inherited: Mapping[str, str],
    ) -> None:
        self.ground = ground
        self.store = store
        self.runtime = runtime
        self.resolve_base = resolve_base
        self.no_cache = no_cache
        self.no_cache_filter = tuple(name.lower() for name in no_cache_filter)
        self.clock = clock
        self.total = total
        self.inherited = inherited
        self.done: dict[int, State] = {}
        self.missed: set[int] = set()
        self.images: dict[int, str] = {}
        self._lease: Lease | None = None

    def pin(self, key: str) -> None:
        """Keeps a layer alive until the build ends, if the build has begun to make any. Raises NotFound."""
        if self._lease is not None:
            self._lease.pin(key)

    def lease(self, state: State) -> Lease:
        """The lease, taken now if it was not; the layers of `state` are pinned by it then."""
        if self._lease is None:
            self._lease = self.store.lease("build")
            for key in state.layer_keys:
                self._lease.pin(key)
        return self._lease

    def refused(self, stage: StagePlan) -> str:
        """The option because of which nobody looks into the cache for a stage; "" when everybody does."""
        if self.no_cache:
            return "--no-cache"
        return f"--no-cache-filter {stage.name}" if stage.name and stage.name in self.no_cache_filter else ""

    def close(self) -> None:
        """Lets go of the layers that were kept alive."""
        if self._lease is not None:
            self._lease.close()


class StageRun:
    """Carries out one stage of a plan on a site where the stages that it needs are done."""

    def __init__(self, stage: StagePlan, site: Site) -> None:
        self._stage = stage
        self._site = site
        self._ground = site.ground
        self._misses: Misses | None = None

    def run(self) -> State:
        """The last state of the stage."""
        state = self._base()
        for step in self._stage.steps:
            state = self._step(step, state)
        return state

    def _base(self) -> State:
        stage = self._stage
        started = self._started(stage.number, stage.node)
        site = self._site
        site.images[stage.index] = site.images.get(stage.base_stage, "") or stage.image
        if stage.base_stage in site.missed:
            site.missed.add(stage.index)
        if stage.base_stage >= 0:
            state = go_on(self._site.done[stage.base_stage])
        elif stage.image:
            state = self._image()
        else:
            state = from_scratch(self._ground.platform)
        self._ground.emit(StepFinished(stage.number, False, False, 0, 0, self._site.clock() - started))
        return state

    def _image(self) -> State:
        from cowl.build.bases import resolve

        file, stage = self._ground.file, self._stage
        platform = Platform.parse(stage.platform) if stage.platform else self._ground.base_platform
        record = resolve(file, stage.node, stage.image, platform, self._site.resolve_base)
        config = ImageConfig.parse(record.config_bytes)
        check_platform(file, stage.node, platform, config.platform)
        check_triggers(file, stage.node, config.config.onbuild)
        return begin(config, record.layers)

    def _step(self, step: Step, state: State) -> State:
        node = expand_node(self._ground.file, step.node, state.environment).node
        if isinstance(node, nodes.Arg):
            return declare(state, node, self._ground.given, self._site.inherited)
        if is_config_step(node):
            return apply_config(state, node, self._ground.file)
        try:
            return self._files(step.number, self._task(state, node))
        except CowlError as problem:
            locate(problem, self._ground.file, node)
            raise

    def _files(self, number: int, task: Task) -> State:
        """A step that makes files: from the cache, or carried out."""
        started = self._started(number, task.node)
        made = None if self._site.refused(self._stage) else self._cached(task)
        cached = made is not None
        layer = made if made is not None else self._make(number, task)
        return self._finished(number, task, layer, cached, started)

    def _task(self, state: State, node: nodes.Instruction) -> Task:
        if isinstance(node, nodes.Run):
            return run_task(state, node, self._ground)
        if isinstance(node, nodes.Workdir):
            return workdir_task(state, node, self._ground)
        if isinstance(node, nodes.Add):
            from cowl.build.add_task import add_task

            return add_task(state, node, self._ground)
        assert isinstance(node, nodes.Copy), node.keyword
        where = f"stage {node.from_}" if node.from_ else ""
        return copy_task(state, node, self._ground, self._tree(node), where)

    def _tree(self, node: nodes.Copy) -> Tree:
        """What a COPY reads: the context, or the files of another stage."""
        if not node.from_:
            return self._ground.context
        from cowl.build.stage_tree import StageTree
        from cowl.layer.ownership import for_euid

        source = self._site.done[dict(self._stage.sources)[str(node.from_)]]
        return StageTree(self._site.store.view(source.layer_keys), for_euid(os.geteuid()))

    def _cached(self, task: Task) -> Layer | NoLayer | None:
        """What the cache has for a task; pinned, if this build has begun to make layers."""
        if task.inputs is None:
            return NO_LAYER
        found = self._site.store.steps.find(task.inputs.key)
        if found is None or isinstance(found, NoLayer):
            return found
        try:
            self._site.pin(found.key)
        except NotFound:
            return None
        return found

    def _make(self, number: int, task: Task) -> Layer | NoLayer:
        """Carries a task out and records its layer, which then stands whatever happens to the build."""
        if task.inputs is None:
            return NO_LAYER
        from cowl.build.workshop import make

        note = self._explain(number, task)
        lease = self._site.lease(task.state)
        made, reusable = make(number, task, self._ground, self._site.store, self._site.runtime)
        if made is not None:
            lease.pin(made.key)
        if reusable:
            self._site.store.steps.add(task.inputs.key, made.key if made else None, task.history, note)
        return made if made is not None else NO_LAYER

    def _explain(self, number: int, task: Task) -> StepNote:
        """Says why the cache does not have the step; the note of it is for the next time."""
        stage, site = self._stage, self._site
        if self._misses is None:
            from cowl.build.explain import Misses

            above = stage.index in site.missed
            image = site.images[stage.index]
            self._misses = Misses(stage, self._ground, site.store.notes, image=image, above=above)
        missed, note = self._misses.explain(number, task, site.refused(stage))
        site.missed.add(stage.index)
        self._ground.emit(missed)
        return note

    def _started(self, number: int, node: nodes.Instruction) -> float:
        text = " ".join(node.raw.split())
        line = node.source.first_line
        self._ground.emit(StepStarted(number, self._site.total, self._stage.name, text, line))
        return self._site.clock()

    def _finished(
        self, number: int, task: Task, made: Layer | NoLayer, cached: bool, started: float
    ) -> State:
        seconds = self._site.clock() - started
        if isinstance(made, NoLayer):
            self._ground.emit(StepFinished(number, cached, False, 0, 0, seconds))
            return told(task.state, task.history)
        self._ground.emit(
            StepFinished(number, cached, True, made.size_bytes, made.files, seconds, made.created_at)
        )
        state = task.state.replace(layers=(*task.state.layers, made))
        return told(state, task.history, layer=True)
