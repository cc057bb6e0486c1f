"""The task of a WORKDIR."""

from __future__ import annotations

import os

from cowl.build.keys import workdir_inputs
from cowl.build.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.dockerfile import nodes


class WorkdirTask(Task):
    """WORKDIR: makes the directories of the absolute `path`; new ones belong to `owner`, a USER text."""

    path: str
    owner: str


def workdir_task(state: State, node: nodes.Workdir, _ground: Ground) -> WorkdirTask:
    """The task of a WORKDIR; nothing is to do for "/", which is always there."""
    path = os.path.normpath(os.path.join("/", state.working_dir, node.path))
    path = "/" + path.lstrip("/")
    config = state.image.config.replace(working_dir=path)
    return WorkdirTask(
        state=state.replace(image=state.image.replace(config=config)),
        node=node,
        inputs=workdir_inputs(state.chain, path, config.user) if path != "/" else None,
        history=f"WORKDIR {path}",
        path=path,
        owner=config.user,
    )
