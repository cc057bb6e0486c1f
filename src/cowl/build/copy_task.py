"""The task of a COPY or ADD: which files of which tree go where, with which owner and mode."""

from __future__ import annotations

import os

from cowl.build.history import transfer_text
from cowl.build.keys import copy_inputs
from cowl.build.refusals import check_supported
from cowl.build.sources import Source, explain_missing, inline_sources, missing_words, sources_by_word
from cowl.build.state import SCRATCH
from cowl.build.task import Task
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import describe_at, error_at, quoted
from cowl.dockerfile.globs import has_wildcards
from cowl.events import Warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from cowl.build.modes import Mode
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.build.tree import Tree
    from cowl.dockerfile.nodes import Dockerfile

    TransferNode = TypeVar("TransferNode", bound=nodes.Copy | nodes.Add)


class CopyTask(Task):
    """COPY, and ADD of plain files: `sources` to the absolute `dest`.

    dest   ends in a slash when it must be a directory
    owner  as --chown says it, "" for the owners in the trees
    mode   for everything that is copied, None: modes as they are
    link   --link is in force
    """

    sources: tuple[Source, ...]
    dest: str
    owner: str
    mode: Mode | None
    link: bool = False

    @property
    def detached(self) -> bool:
        return self.link


def copy_task(
    state: State, node: nodes.Copy | nodes.Add, ground: Ground, tree: Tree, where: str = ""
) -> CopyTask:
    """The task of a COPY or ADD: looks for the sources, and rescues a comment at the end of the line.

    `where` says what `tree` is, "" for the build context. Raises SourceNotFound, DockerfileError.
    """
    check_supported(ground.file, node, ground.network)
    node = _present(node, ground, tree, where)
    sources = [*_found(node, ground, tree, where), *inline_sources(ground.file, node)]
    detached = is_detached(node)
    dest = _destination(state, node, ground.file)
    mode = mode_of(ground.file, node)
    named = [(source.name, source.content.digest) for source in sources]
    chain = SCRATCH if detached else state.chain
    octal = mode.number if mode and mode.number >= 0 else None
    inputs = copy_inputs(chain, dest, str(node.chown), octal, named)
    more: dict[str, object] = {"link": True} if detached else {}
    if mode and mode.actions:
        more["actions"] = [list(action) for action in mode.actions]
    return CopyTask(
        state=state,
        node=node,
        inputs=inputs.replace(parts={**inputs.parts, **more}) if more else inputs,
        history=transfer_text(node),
        sources=tuple(sources),
        dest=dest,
        owner=str(node.chown),
        mode=mode,
        link=detached,
    )


def _found(node: nodes.Copy | nodes.Add, ground: Ground, tree: Tree, where: str) -> list[Source]:
    """The sources that are files of `tree`. A pattern that matches none is allowed, but worth a word."""
    found = sources_by_word(tree, node)
    for word, sources in found:
        if not sources and has_wildcards(word):
            reason = f"{quoted(word)} matches nothing in {where or 'the build context'}"
            ground.emit(Warned(describe_at(ground.file, node, reason, word=word)))
    return [source for _, sources in found for source in sources]


def is_detached(node: nodes.Transfer) -> bool:
    """Whether --link is in force: BuildKit takes no notice of it beside --chmod, and neither do we."""
    return node.link and not node.chmod


def mode_of(file: Dockerfile, node: nodes.Transfer) -> Mode | None:
    """The value of --chmod, None when there is none. Raises DockerfileError."""
    if not node.chmod:
        return None
    from cowl.build.modes import BadMode, parse_mode

    try:
        return parse_mode(node.chmod)
    except BadMode as problem:
        reason = f"--chmod={quoted(node.chmod)[1:-1]}: {problem.message}"
        raise error_at(file, node, reason, word=node.chmod, hint=problem.hint) from None


def _present(node: nodes.Copy | nodes.Add, ground: Ground, tree: Tree, where: str) -> nodes.Copy | nodes.Add:
    """`node`, or its rescued form, when all its sources are there."""
    missing = missing_words(tree, node)
    if not missing:
        return node
    context = ground.context
    if tree is context:
        rescued = without_comment(node, ground)
        if rescued is not node:
            return _present(rescued, ground, tree, where)
    if tree is not context:
        raise explain_missing(tree, ground.file, node, missing[0], None, lambda _path: False, where)
    raise explain_missing(tree, ground.file, node, missing[0], context.ignore, context.exists_hidden)


def without_comment(node: TransferNode, ground: Ground) -> TransferNode:
    """`node` without a comment at the end of its line, of which the user is warned, or `node` itself.

    For lines that Docker would refuse; a file `#` in the context makes it a source.
    """
    if ground.context.find_hidden("#") is not None:
        return node
    from cowl.dockerfile.rescue import comment_rescue

    rescue = comment_rescue(ground.file, node)
    if rescue is None:
        return node
    ground.emit(Warned(_whole(rescue.warning)))
    assert isinstance(rescue.node, type(node))
    return rescue.node


def _whole(warning: nodes.ParseWarning) -> str:
    """The text of a warning with its hint."""
    return f"{warning.message}\n{warning.hint}" if warning.hint else warning.message


def _destination(state: State, node: nodes.Transfer, file: Dockerfile) -> str:
    """The destination as an absolute path that keeps what its last slash says."""
    if not node.dest:
        raise error_at(file, node, "the destination is empty", word=node.dest)
    dest = str(node.dest)
    path = "/" + os.path.normpath(os.path.join("/", state.working_dir, dest)).lstrip("/")
    folder = path != "/" and (dest.endswith("/") or os.path.basename(dest) in (".", ".."))
    return path + "/" if folder else path
