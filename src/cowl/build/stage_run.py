"""One stage carried out: step after step, each looked up in the cache and made where it is not there."""

from __future__ import annotations

from cowl.build.config_steps import apply_config, declare, is_config_step
from cowl.build.copy_task import copy_task
from cowl.build.epoch import at_epoch
from cowl.build.history import told
from cowl.build.named_contexts import DIRECTORY
from cowl.build.places import locate
from cowl.build.refusals import check_platform
from cowl.build.run_task import run_task
from cowl.build.state import begin, from_scratch, go_on
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
    from cowl.build.context import Context
    from cowl.build.explain import Misses
    from cowl.build.plan import StagePlan, Step
    from cowl.build.site import Site
    from cowl.build.state import State
    from cowl.build.task import Ground, Task
    from cowl.build.tree import Tree
    from cowl.store.layers import Layer
    from cowl.store.notes import StepNote


class StageRun:
    """Carries out one stage of a plan. It waits for a stage that it needs only where it needs it.

    ground  the site's, or a copy for a thread of its own
    step    the number of the step that is under way, else 0
    """

    def __init__(self, stage: StagePlan, site: Site, ground: Ground) -> None:
        self._stage = stage
        self._site = site
        self._ground = ground
        self.step = 0
        self._misses: Misses | None = None
        self._steps: list[BuiltStep] = []
        self._triggers: tuple[Step, ...] = ()  # those of the base image, known once that is there

    def run(self) -> State:
        """The last state of the stage."""
        state = self._base()
        for step in (*self._triggers, *self._stage.steps):
            self._site.crew.check()
            state = self._step(step, state)
        self._site.finish(self._stage.index, state, self._steps)
        return state

    def _base(self) -> State:
        stage, site = self._stage, self._site
        if stage.base_stage >= 0:
            site.state(stage.base_stage)  # before it is said that this stage begins
        started = self._started(stage.number, stage.node)
        site.images[stage.index] = site.images.get(stage.base_stage, "") or stage.image
        if stage.base_stage in site.missed:
            site.missed.add(stage.index)
        named = self._ground.contexts.find(stage.image) if stage.image else None
        if stage.base_stage >= 0:
            state = go_on(site.state(stage.base_stage))
        elif named is not None and named.kind == DIRECTORY:
            state = self._directory(self._ground.contexts.tree(named))
        elif stage.image:
            state = self._image()
        else:
            state = from_scratch(self._platform() or self._ground.platform)
        self._ended(StepFinished(stage.number, False, False, 0, 0, site.clock() - started))
        return state

    def _image(self) -> State:
        from cowl.build.bases import resolve

        stage = self._stage
        platform = self._platform()
        place = (self._ground.file, stage.node, stage.node.image, stage.image, stage.index)
        record = resolve(self._ground, *place, platform, self._site.base)
        config = ImageConfig.parse(record.config_bytes)
        check_platform(self._ground.file, stage.node, platform, config.platform)
        if config.config.onbuild:
            from cowl.build.triggers import trigger_steps

            self._triggers = trigger_steps(self._site, config.config.onbuild, stage.image)
        return begin(config, record.layers).replace(base_image=str(record.id))

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
        task = at_epoch(task, self._ground.epoch)
        return self._told(self._stage.number, task, self._layer(self._stage.number, task)[0])

    def _step(self, step: Step, state: State) -> State:
        ground = self._ground if step.file is None else self._ground.replace(file=step.file)
        if isinstance(step.node, nodes.Arg):
            return declare(state, step.node, ground.file, ground.given, self._site.inherited)
        node = expand_node(ground.file, step.node, state.environment).node
        if is_config_step(node):
            return apply_config(state, node, ground.file)
        try:
            task = at_epoch(self._task(state, node, ground), ground.epoch)
            return self._files(step.number, task, ground)
        except CowlError as problem:
            self._check_layers(state)
            locate(problem, ground.file, node)
            raise

    def _check_layers(self, state: State) -> None:
        """Raises NoSuchLayer if a step failed because somebody removed what it stands on."""
        for key in state.layer_keys:
            self._site.store.layers.get(key)

    def _files(self, number: int, task: Task, ground: Ground) -> State:
        """A step that makes files: from the cache, or carried out."""
        started = self._started(number, task.node)
        layer, cached, source = self._layer(number, task, ground)
        return self._finished(number, task, layer, cached, started, source)

    def _note(self, task: Task, made: Layer | NoLayer) -> None:
        """Remembers the step for a cache that may be exported."""
        if task.inputs is not None:
            layer = None if isinstance(made, NoLayer) else made
            step = BuiltStep(task.inputs.key, layer, task.history)
            self._steps.append(step)

    def _layer(
        self, number: int, task: Task, ground: Ground | None = None
    ) -> tuple[Layer | NoLayer, bool, str]:
        """What a task makes, whether it was there, and in which cache if not in the store's own."""
        ground = ground or self._ground
        made, source = self._known(task)
        cached = made is not None
        if made is None:
            made, cached = self._made(number, task, ground)
        self._note(task, made)
        return made, cached, source

    def _task(self, state: State, node: nodes.Instruction, ground: Ground) -> Task:
        if isinstance(node, nodes.Run):
            return run_task(state, node, ground, lambda word: self._elsewhere(word, node, ground))
        if isinstance(node, nodes.Workdir):
            return workdir_task(state, node, ground)
        if isinstance(node, nodes.Add):
            from cowl.build.add_task import add_task

            return add_task(state, node, ground)
        assert isinstance(node, nodes.Copy), node.keyword
        if not node.from_:
            return copy_task(state, node, ground, ground.context)
        return copy_task(state, node, ground, *self._elsewhere(node.from_, node, ground))

    def _elsewhere(self, word: nodes.Word, node: nodes.Instruction, ground: Ground) -> tuple[Tree, str]:
        from cowl.build.elsewhere import tree_elsewhere

        return tree_elsewhere(self._site, self._stage, word, node, ground)

    def _known(self, task: Task) -> tuple[Layer | NoLayer | None, str]:
        """What the store's cache has for a task, else one that the user named; and that one's name."""
        if task.inputs is None:
            return NO_LAYER, ""
        found = self._cached(task.inputs.key)
        if found is not None or self._site.refused(self._stage):
            return found, ""
        brought = self._site.bring(task.inputs.key, task.state.layers)
        return (self._cached(brought[0]), brought[1]) if brought else (None, "")

    def _cached(self, key: str) -> Layer | NoLayer | None:
        """What the store has for a key; pinned, if this build has begun to make layers.

        Without the cache: only what this very build made.
        """
        refused = self._site.refused(self._stage)
        found = self._site.made(key) if refused else self._site.store.steps.find(key)
        if found is None or isinstance(found, NoLayer):
            return found
        try:
            self._site.pin(found.key)
        except NotFound:
            return None
        return found

    def _made(self, number: int, task: Task, ground: Ground) -> tuple[Layer | NoLayer, bool]:
        """What a task makes, and whether somebody else made it after all."""
        assert task.inputs is not None
        key = task.inputs.key
        with self._site.turn(key, number, ground.emit, own=bool(self._site.refused(self._stage))):
            found = self._cached(key)
            return (self._make(number, task, ground), False) if found is None else (found, True)

    def _make(self, number: int, task: Task, ground: Ground) -> Layer | NoLayer:
        """Carries a task out and records its layer, which then stands whatever happens to the build."""
        assert task.inputs is not None
        from cowl.build.workshop import make

        site = self._site
        note = self._explain(number, task)
        lease = site.lease(task.state)
        made, reusable = make(number, task, ground, site.store, site.runtime)
        if made is not None:
            lease.pin(made.key)
        result = made if made is not None else NO_LAYER
        if reusable:
            site.store.steps.add(task.inputs.key, made.key if made else None, task.history, note)
            site.keep(task.inputs.key, result)
        site.store.failed_steps.forget(task.inputs.key)
        return result

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
        self.step = number
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
        self._ended(done)
        return self._told(number, task, made)

    def _ended(self, event: StepFinished) -> None:
        self.step = 0
        self._ground.emit(event)

    def _told(self, number: int, task: Task, made: Layer | NoLayer) -> State:
        """The state behind a task."""
        if isinstance(made, NoLayer):
            return told(task.state, task.history)
        before = task.state
        state = before.replace(layers=(*before.layers, made), made_by=(*before.made_by, task.node))
        state = state.replace(numbers=(*before.numbers, number))
        return told(state, task.history, layer=True)
