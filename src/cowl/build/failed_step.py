"""A failed RUN's file system, kept for a while: images of before and after, to open a shell in."""

from __future__ import annotations

import os

from cowl.build.assemble import finished
from cowl.build.history import told
from cowl.build.run_step import user_of
from cowl.build.state import DEFAULT_PATH
from cowl.errors import CowlError
from cowl.layer.adopt import adopt
from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.linux.files import remove_tree
from cowl.store.faults import is_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.run_step import RunFailed
    from cowl.build.run_task import RunTask
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.store.layers import Stage
    from cowl.store.store import Store

_SHORT = 12  # digits of an ID, as Docker shows it
_BEFORE, _AFTER = "before a step that failed", "after a step that failed"


def keep(problem: RunFailed, task: RunTask, ground: Ground, store: Store, stage: Stage) -> None:
    """Makes images of what the command found and left; `problem` then names them, and how to look inside.

    What can't be kept, because the disk is full or the build was interrupted, is not: the failure of the
    command is what counts.
    """
    if is_full(store.root):
        return
    try:
        _keep(problem, task, ground, store, stage)
    except (CowlError, OSError):
        return


def _keep(problem: RunFailed, task: RunTask, ground: Ground, store: Store, stage: Stage) -> None:
    assert task.inputs is not None
    for name in set(os.listdir(stage.path)) - {"diff", "work"}:  # what was mounted, secrets perhaps
        remove_tree(f"{stage.path}/{name}")
    owners = for_euid(os.geteuid())
    view = store.view(task.state.layer_keys)
    user = user_of(task.user, view)
    adopt(stage.diff, view, user.uid, user.gid, owners)
    packed = pack(stage.diff, lambda _part: ground.crew.check(), owners=owners)
    layer = store.layers.commit(stage, packed.diff_id, packed.tar_bytes)
    state = _as_the_command_saw_it(task.state)
    left = state.replace(layers=(*state.layers, layer))
    images = [
        (_config(each, f"{task.history} ({what})", layer=added), each.layer_keys)
        for each, what, added in ((state, _BEFORE, False), (left, _AFTER, True))
    ]
    problem.before, problem.after = store.failed_steps.add(task.inputs.key, images)
    shell = state.shell[0]
    if view.lookup(shell) is not None:
        problem.hint = _hint(problem, task, shell)


def _as_the_command_saw_it(state: State) -> State:
    """The state with all variables in its config, those of ARG too."""
    variables = state.environment
    variables.setdefault("PATH", DEFAULT_PATH)
    env = tuple(f"{name}={value}" for name, value in variables.items())
    return state.replace(image=state.image.replace(config=state.image.config.replace(env=env)))


def _config(state: State, text: str, *, layer: bool) -> bytes:
    """A text of its own makes it an image of its own: never one that a build gives too."""
    newest = max((each.created_at for each in state.layers), default=0.0)
    return finished(told(state, text, layer=layer), lambda: newest).serialize()


def _hint(problem: RunFailed, task: RunTask, shell: str) -> str:
    network = "--network host " if task.network == "host" else ""
    command = f"  cowl run --rm -it {network}--entrypoint {shell} "
    lines = (command + image.removeprefix("sha256:")[:_SHORT] for image in (problem.before, problem.after))
    return "\n".join(("For a day a shell can be opened as it was before the step, and after it:", *lines))
