"""The task of an ADD: what COPY does, and files that are archives unpacked."""

from __future__ import annotations

from cowl.build.archives import may_be_archive
from cowl.build.copy_task import CopyTask, copy_task
from cowl.build.keys import add_inputs
from cowl.build.task import Task
from cowl.events import Warned
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.dockerfile import nodes


class Part(Value):
    """Some sources of an ADD, all from one tree.

    copy    what a COPY of them would do
    unpack  indexes of the sources that are to be unpacked, should they be archives
    """

    copy: CopyTask
    unpack: frozenset[int] = frozenset()


class AddTask(Task):
    """ADD of more than files that are only copied: `parts`, one after the other."""

    parts: tuple[Part, ...]

    @property
    def detached(self) -> bool:
        return self.parts[0].copy.detached


def add_task(state: State, node: nodes.Add, ground: Ground) -> AddTask | CopyTask:
    """The task of an ADD; that of a COPY, with its key, when it only copies. Raises as `copy_task` does."""
    part = _local(state, node, ground)
    if not part.unpack:
        return part.copy
    _warn_unused(node, ground)
    return AddTask(
        state=state,
        node=part.copy.node,
        inputs=add_inputs([part]),
        history=part.copy.history,
        parts=(part,),
    )


def _local(state: State, node: nodes.Add, ground: Ground) -> Part:
    """Sources in the build context: archives are unpacked unless --unpack=false says otherwise."""
    task = copy_task(state, node, ground, ground.context)
    if node.unpack is False:
        return Part(task)
    return Part(task, _archives(task))


def _archives(task: CopyTask) -> frozenset[int]:
    """The sources that may be archives; a heredoc, which is no file on disk, is none."""
    files = ((index, each) for index, each in enumerate(task.sources) if each.entry.stamp[0])
    return frozenset(index for index, each in files if may_be_archive(each.tree, each.entry))


def _warn_unused(node: nodes.Add, ground: Ground) -> None:
    """As with BuildKit, what an archive holds keeps its modes, and all of it is unpacked."""
    for flag, given in (("--chmod", node.chmod), ("--exclude", node.exclude)):
        if given:
            line = f"{node.source.path}:{node.source.first_line}"
            ground.emit(Warned(f"{line}: {flag} has no effect on what is unpacked from an archive"))
