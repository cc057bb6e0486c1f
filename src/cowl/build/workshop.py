"""The workshop: where a task becomes a layer. A stage in the store, the step's effect, pack, commit."""

from __future__ import annotations

import os

from cowl.build.accounts import UnknownOwner
from cowl.build.copy_step import copy
from cowl.build.copy_task import CopyTask
from cowl.build.diff_tree import CantReplace, DiffTree
from cowl.build.run_task import RunTask
from cowl.build.workdir_step import make_workdir
from cowl.build.workdir_task import WorkdirTask
from cowl.dockerfile.diagnostics import error_at, printable
from cowl.errors import Unavailable
from cowl.events import Warned
from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.layer.tar_fields import BadLayer
from cowl.linux.files import remove_tree
from cowl.store.faults import means_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.build.mount_step import Mounting
    from cowl.build.task import Ground, Task
    from cowl.layer.view import MergedView
    from cowl.runtime.protocol import Runtime
    from cowl.store.layers import Layer, Stage
    from cowl.store.store import Store


class StepFailed(Unavailable):
    """The kernel refused something that a step needed. Fields: path and line of the step, reason."""

    def __init__(self, task: Task, problem: OSError, diff: str) -> None:
        source = task.node.source
        self.path = source.path
        self.line = source.first_line
        self.reason = problem.strerror or str(problem)
        where = os.fsdecode(problem.filename or "") if isinstance(problem.filename, str | bytes) else ""
        told = f": {printable(where.removeprefix(diff))}" if where else ""
        super().__init__(f"{self.path}:{self.line}: {task.node.keyword} failed: {self.reason}{told}")


def make(
    number: int, task: Task, ground: Ground, store: Store, runtime: Callable[[], Runtime]
) -> tuple[Layer | None, bool]:
    """The committed layer (None: the step changed no file), and whether the cache may learn of it.

    Whatever goes wrong, and when it is interrupted, nothing is left in the store, but for what shows a
    RUN that failed.
    """
    with store.layers.stage() as stage:
        store.dress(stage, _below(task))
        made, reusable = _fill(number, task, ground, store, stage, runtime)
        if not made:
            return None, reusable
        if ground.epoch is not None:
            from cowl.layer.times import clamp

            clamp(stage.diff, ground.epoch)
        packed = pack(stage.diff, lambda _part: ground.crew.check(), owners=for_euid(os.geteuid()))
        return store.layers.commit(stage, packed.diff_id, packed.tar_bytes), reusable


def _fill(
    number: int, task: Task, ground: Ground, store: Store, stage: Stage, runtime: Callable[[], Runtime]
) -> tuple[bool, bool]:
    """Does what the task says in the stage: (whether it makes a layer, whether it may be cached)."""
    try:
        if isinstance(task, RunTask):
            return True, _run(number, task, ground, store, stage, runtime)
        view = store.view(_below(task), stage.diff)
        below = store.view(_below(task))
        tree = DiffTree(stage.diff, view, below, for_euid(os.geteuid()))
        if isinstance(task, WorkdirTask):
            return make_workdir(task, tree, below), True
        return True, _transfer(task, ground, tree, below)
    except CantReplace as problem:
        raise error_at(ground.file, task.node, problem.reason) from problem
    except BadLayer as problem:
        reason = f"{printable(problem.entry[:80])}: {problem.why}" if problem.entry else problem.why
        raise error_at(ground.file, task.node, reason) from problem
    except OSError as problem:
        if means_full(problem):
            raise
        raise StepFailed(task, problem, stage.diff) from problem
    except UnknownOwner as problem:
        hint = problem.hint
        if task.detached:
            hint = "With --link nothing of the image is read: write numbers."
        raise error_at(ground.file, task.node, problem.message, hint=hint) from problem


def _below(task: Task) -> tuple[str, ...]:
    """The layers that a task is to see: none, when its layer has to fit on any."""
    return () if task.detached else task.state.layer_keys


def _transfer(task: Task, ground: Ground, tree: DiffTree, below: MergedView) -> bool:
    """COPY or ADD; False when what they read changed meanwhile."""
    if isinstance(task, CopyTask):
        unchanged = copy(task, tree, below)
    else:
        from cowl.build.add_step import add
        from cowl.build.add_task import AddTask

        assert isinstance(task, AddTask)
        unchanged = add(task, tree, below)
    if not unchanged:
        _warn_changed(task, ground, "were copied")
    return unchanged


def _warn_changed(task: Task, ground: Ground, what: str) -> None:
    line = f"{task.node.source.path}:{task.node.source.first_line}"
    ground.emit(Warned(f"{line}: files changed while they {what}: the step is not cached"))


def _run(
    number: int, task: RunTask, ground: Ground, store: Store, stage: Stage, runtime: Callable[[], Runtime]
) -> bool:
    """Whether the cache may learn of it: not when what it mounts changed while it was read."""
    from cowl.build.run_step import RunFailed

    try:
        return _run_and_unmount(number, task, ground, store, stage, runtime)
    except RunFailed as problem:
        from cowl.build.failed_step import keep

        keep(problem, task, ground, store, stage)
        raise


def _run_and_unmount(
    number: int, task: RunTask, ground: Ground, store: Store, stage: Stage, runtime: Callable[[], Runtime]
) -> bool:
    if not task.mounts:
        _run_with(number, task, ground, store, stage, runtime, None)
        return True
    from cowl.build.mount_step import Mounting

    with Mounting(number, task, ground, store, stage) as mounting:
        _run_with(number, task, ground, store, stage, runtime, mounting)
    remove_tree(f"{stage.path}/mounts")
    if not mounting.reusable:
        _warn_changed(task, ground, "were mounted")
    return mounting.reusable


def _run_with(
    number: int,
    task: RunTask,
    ground: Ground,
    store: Store,
    stage: Stage,
    runtime: Callable[[], Runtime],
    mounting: Mounting | None,
) -> None:
    from cowl.build.run_step import run
    from cowl.layer.adopt import adopt

    root = store.root_mount(task.state.layer_keys, stage)
    stubs = mounting.stubs if mounting else ""
    if stubs:
        root = root.replace(lowers=(stubs, *root.lowers))
    directory = f"{stage.path}/run"
    os.mkdir(directory, 0o755)
    view = store.view(task.state.layer_keys)
    user = run(number, task, root, view, directory, runtime(), ground, mounting)
    remove_tree(directory)
    below = store.view(task.state.layer_keys, stubs)
    adopt(stage.diff, below, user.uid, user.gid, for_euid(os.geteuid()))
