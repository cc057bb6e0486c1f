"""One stage carried out: step after step, each looked up in the cache and made where it is not there."""

from __future__ import annotations

import os

from cowl.build.config_steps import apply_config, declare, is_config_step
from cowl.build.copy_task import copy_task
from cowl.build.history import told
from cowl.build.named_contexts import DIRECTORY
from cowl.build.places import locate
from cowl.build.refusals import check_platform
from cowl.build.run_task import run_task
from cowl.build.state import SCRATCH, begin, from_scratch, go_on
from cowl.build.workdir_task import workdir_task
from cowl.dockerfile import nodes
from cowl.dockerfile.scope import expand_node
from cowl.errors import CowlError, NotFound
from cowl.events import StepFinished, StepStarted
from cowl.oci.image_config import ImageConfig
from cowl.oci.platform import Platform
from cowl.store.steps import NO_LAYER, BuiltStep, NoLayer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cowl.build.context import Context
    from cowl.build.delivery import Delivery
    from cowl.build.explain import Misses
    from cowl.build.plan import StagePlan, Step
    from cowl.build.state import State
    from cowl.build.task import Ground, Task
    from cowl.build.tree import Tree
    from cowl.dockerfile.nodes import Dockerfile
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
    delivery   which caches beside the store's own may be asked
    done       the last states of the stages that are built, by index
    missed     indexes of the stages of which a step was carried out
    images     by index of a stage: the reference of the image that it goes back to
    steps      (index of its stage, step) of each step that made or would make files, as they end
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
        delivery: Delivery,
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
        self.delivery = delivery
        self.done: dict[int, State] = {}
        self.missed: set[int] = set()
        self.images: dict[int, str] = {}
        self.steps: list[tuple[int, BuiltStep]] = []
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

    def hold(self, state: State) -> None:
        """Keeps all layers of `state` and of the steps so far alive until the build ends. Raises NotFound."""
        lease = self.lease(state)
        for layer in (*state.layers, *(step.layer for _, step in self.steps if step.layer)):
            lease.pin(layer.key)

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
        self._triggers: tuple[Step, ...] = ()  # those of the base image, known once that is there

    def run(self) -> State:
        """The last state of the stage."""
        state = self._base()
        for step in (*self._triggers, *self._stage.steps):
            state = self._step(step, state)
        return state

    def _base(self) -> State:
        stage = self._stage
        started = self._started(stage.number, stage.node)
        site = self._site
        site.images[stage.index] = site.images.get(stage.base_stage, "") or stage.image
        if stage.base_stage in site.missed:
            site.missed.add(stage.index)
        named = self._ground.contexts.find(stage.image) if stage.image else None
        if stage.base_stage >= 0:
            state = go_on(self._site.done[stage.base_stage])
        elif named is not None and named.kind == DIRECTORY:
            state = self._directory(self._ground.contexts.tree(named))
        elif stage.image:
            state = self._image()
        else:
            state = from_scratch(self._platform() or self._ground.platform)
        self._ground.emit(StepFinished(stage.number, False, False, 0, 0, self._site.clock() - started))
        return state

    def _image(self) -> State:
        stage = self._stage
        platform = self._platform()
        record = self._record(self._ground.file, stage.node, stage.node.image, stage.image, platform)
        config = ImageConfig.parse(record.config_bytes)
        check_platform(self._ground.file, stage.node, platform, config.platform)
        if config.config.onbuild:
            from cowl.build.triggers import trigger_steps

            self._triggers = trigger_steps(self._site, config.config.onbuild, stage.image)
        return begin(config, record.layers)

    def _platform(self) -> Platform | None:
        """What FROM asks for, else what the caller asked for. Raises InvalidPlatform with the place."""
        node = self._stage.node
        try:
            return (
                Platform.parse(self._stage.platform) if self._stage.platform else self._ground.base_platform
            )
        except CowlError as problem:
            locate(problem, self._ground.file, node, node.platform)
            raise

    def _directory(self, tree: Context) -> State:
        """The state behind FROM a directory: its files are the first layer."""
        base = self._stage.node
        node = nodes.Copy(base.source, base.raw, sources=(nodes.Word("."),), dest=nodes.Word("/"))
        state = from_scratch(self._platform() or self._ground.platform)
        task = copy_task(state, node, self._ground, tree, "the named context")
        return self._told(task, self._layer(self._stage.number, task)[0])

    def _record(
        self,
        file: Dockerfile,
        node: nodes.Instruction,
        word: nodes.Word,
        name: str,
        platform: Platform | None,
    ) -> ImageRecord:
        from cowl.build.bases import resolve

        place = (file, node, word, name, self._stage.index)
        return resolve(self._ground, *place, platform, self._site.resolve_base)

    def _step(self, step: Step, state: State) -> State:
        ground = self._ground if step.file is None else self._ground.replace(file=step.file)
        if isinstance(step.node, nodes.Arg):
            return declare(state, step.node, ground.file, ground.given, self._site.inherited)
        node = expand_node(ground.file, step.node, state.environment).node
        if is_config_step(node):
            return apply_config(state, node, ground.file)
        try:
            return self._files(step.number, self._task(state, node, ground), ground)
        except CowlError as problem:
            locate(problem, ground.file, node)
            raise

    def _files(self, number: int, task: Task, ground: Ground) -> State:
        """A step that makes files: from the cache, or carried out."""
        started = self._started(number, task.node)
        layer, cached, source = self._layer(number, task, ground)
        return self._finished(number, task, layer, cached, started, source)

    def _note(self, task: Task, made: Layer | NoLayer) -> None:
        """Remembers the step for a cache that may be exported."""
        if task.inputs is not None:
            layer = None if isinstance(made, NoLayer) else made
            step = BuiltStep(task.inputs.key, task.inputs.document, layer, task.history)
            self._site.steps.append((self._stage.index, step))

    def _layer(
        self, number: int, task: Task, ground: Ground | None = None
    ) -> tuple[Layer | NoLayer, bool, str]:
        """What a task makes, whether it was there, and in which cache if not in the store's own."""
        made, source = (None, "") if self._site.refused(self._stage) else self._known(task)
        cached = made is not None
        layer = made if made is not None else self._make(number, task, ground or self._ground)
        self._note(task, layer)
        return layer, cached, source

    def _task(self, state: State, node: nodes.Instruction, ground: Ground) -> Task:
        if isinstance(node, nodes.Run):
            return run_task(state, node, ground)
        if isinstance(node, nodes.Workdir):
            return workdir_task(state, node, ground)
        if isinstance(node, nodes.Add):
            from cowl.build.add_task import add_task

            return add_task(state, node, ground)
        assert isinstance(node, nodes.Copy), node.keyword
        if not node.from_:
            return copy_task(state, node, ground, ground.context)
        return copy_task(state, node, ground, *self._elsewhere(node, ground))

    def _elsewhere(self, node: nodes.Copy, ground: Ground) -> tuple[Tree, str]:
        """What --from means, and how messages call it: a stage, an image or a named context."""
        from cowl.build.stage_tree import StageTree
        from cowl.layer.ownership import for_euid

        name = str(node.from_)
        owners = for_euid(os.geteuid())
        index = dict(self._stage.sources).get(name, -1)
        if index < 0 and ground.file is not self._ground.file:
            from cowl.build.triggers import stage_of_trigger

            index = stage_of_trigger(self._site, node, ground.file)
        if index >= 0:
            return StageTree(
                self._site.store.view(self._site.done[index].layer_keys), owners
            ), f"stage {name}"
        named = ground.contexts.find(name)
        if named is not None and named.kind == DIRECTORY:
            return ground.contexts.tree(named), f"the context {name}"
        if name == SCRATCH:
            return StageTree(self._site.store.view(()), owners), "scratch, which is empty"
        record = self._record(ground.file, node, node.from_, name, ground.base_platform)
        return StageTree(self._site.store.view(record.layer_keys), owners), f"the image {name}"

    def _known(self, task: Task) -> tuple[Layer | NoLayer | None, str]:
        """What the store's cache has for a task, else one that the user named; and that one's name."""
        if task.inputs is None:
            return NO_LAYER, ""
        found = self._cached(task.inputs.key)
        if found is not None:
            return found, ""
        brought = self._site.delivery.bring(task.inputs.key, task.state.layers)
        return (self._cached(brought[0]), brought[1]) if brought else (None, "")

    def _cached(self, key: str) -> Layer | NoLayer | None:
        """What the store has for a key; pinned, if this build has begun to make layers."""
        found = self._site.store.steps.find(key)
        if found is None or isinstance(found, NoLayer):
            return found
        try:
            self._site.pin(found.key)
        except NotFound:
            return None
        return found

    def _make(self, number: int, task: Task, ground: Ground) -> Layer | NoLayer:
        """Carries a task out and records its layer, which then stands whatever happens to the build."""
        if task.inputs is None:
            return NO_LAYER
        from cowl.build.workshop import make

        note = self._explain(number, task)
        lease = self._site.lease(task.state)
        made, reusable = make(number, task, ground, self._site.store, self._site.runtime)
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
        self, number: int, task: Task, made: Layer | NoLayer, cached: bool, started: float, source: str
    ) -> State:
        seconds = self._site.clock() - started
        if isinstance(made, NoLayer):
            done = StepFinished(number, cached, False, 0, 0, seconds, source=source)
        else:
            size, files = made.size_bytes, made.files
            done = StepFinished(number, cached, True, size, files, seconds, made.created_at, source)
        self._ground.emit(done)
        return self._told(task, made)

    def _told(self, task: Task, made: Layer | NoLayer) -> State:
        """The state behind a task."""
        if isinstance(made, NoLayer):
            return told(task.state, task.history)
        before = task.state
        state = before.replace(layers=(*before.layers, made), made_by=(*before.made_by, task.node))
        return told(state, task.history, layer=True)
