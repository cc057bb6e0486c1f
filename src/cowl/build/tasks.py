"""Tasks: steps that make files, fully decided: variables in, sources found, keys known; nothing made yet."""

from __future__ import annotations

import os

from cowl.build import keys
from cowl.build.history import run_text, transfer_text
from cowl.build.plan import PROXIES
from cowl.build.refusals import check_supported, parse_mode
from cowl.build.sources import Source, explain_missing, find_sources, missing_words
from cowl.build.state import DEFAULT_PATH, State
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at
from cowl.events import Warned
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.build.context import Context
    from cowl.build.tree import Tree
    from cowl.dockerfile.nodes import Dockerfile, Instruction
    from cowl.events import Emit
    from cowl.oci.platform import Platform


class Ground(Value):
    """What all steps of a build stand on.

    given          the build arguments that have a value
    platform       what the image is for
    base_platform  the same if the caller asked for it, else None: any base that is there will do
    """

    file: Dockerfile
    context: Context
    given: Mapping[str, str]
    platform: Platform
    base_platform: Platform | None
    network: str
    emit: Emit


class Task(Value):
    """What to do. `state` is what holds behind it, but for the new layer and the history entry `history`.

    key  of the cache; "" when there is nothing to do
    """

    state: State
    node: Instruction
    key: str
    history: str


class RunTask(Task):
    """RUN: `args` as `user` in `working_dir`, with `env` ("NAME=value" words) and nothing else."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    working_dir: str
    network: str


class WorkdirTask(Task):
    """WORKDIR: makes the directories of the absolute `path`; new ones belong to `owner`, a USER text."""

    path: str
    owner: str


class CopyTask(Task):
    """COPY, and ADD of plain files: `sources` of `tree` to the absolute `dest`.

    dest   ends in a slash when it must be a directory
    owner  as --chown says it, "" for the owners in the tree
    mode   for everything that is copied, None: modes as they are
    """

    tree: Tree
    sources: tuple[Source, ...]
    dest: str
    owner: str
    mode: int | None


def run_task(state: State, node: nodes.Run, ground: Ground) -> RunTask:
    """The task of a RUN whose variables are in."""
    args = (*state.shell, node.command) if isinstance(node.command, str) else tuple(map(str, node.command))
    network = ground.network if node.network in ("", "default") else str(node.network)
    config = state.image.config
    variables = state.environment
    variables.setdefault("PATH", DEFAULT_PATH)
    env = [f"{name}={value}" for name, value in variables.items()]
    return RunTask(
        state=state,
        node=node,
        key=keys.run_key(state.chain, args, env, config.user, state.working_dir, network),
        history=run_text(args, state.arguments, state.environment),
        args=args,
        env=(*env, *_proxies(ground.given, variables)),
        user=config.user,
        working_dir=state.working_dir,
        network=network,
    )


def _proxies(given: Mapping[str, str], variables: Mapping[str, str]) -> list[str]:
    """The proxy arguments that no ARG declares, in both spellings."""
    found = {name.lower(): value for name, value in given.items() if name.lower() in PROXIES}
    words = ((spelling, value) for name, value in found.items() for spelling in (name, name.upper()))
    return [f"{name}={value}" for name, value in words if name not in variables]


def workdir_task(state: State, node: nodes.Workdir, _ground: Ground) -> WorkdirTask:
    """The task of a WORKDIR; nothing is to do for "/", which is always there."""
    path = os.path.normpath(os.path.join("/", state.working_dir, node.path))
    path = "/" + path.lstrip("/")
    config = state.image.config.replace(working_dir=path)
    return WorkdirTask(
        state=state.replace(image=state.image.replace(config=config)),
        node=node,
        key=keys.workdir_key(state.chain, path, config.user) if path != "/" else "",
        history=f"WORKDIR {path}",
        path=path,
        owner=config.user,
    )


def copy_task(state: State, node: nodes.Copy | nodes.Add, ground: Ground, tree: Tree) -> CopyTask:
    """The task of a COPY or ADD: looks for the sources, and rescues a comment at the end of the line.

    Raises SourceNotFound, DockerfileError.
    """
    check_supported(ground.file, node, ground.network)
    node = _present(node, ground, tree)
    sources = find_sources(tree, node)
    if isinstance(node, nodes.Add) and node.unpack is None:
        _refuse_archives(node, ground, tree, sources)
    dest = _destination(state, node, ground.file)
    mode = parse_mode(ground.file, node)
    named = [(source.name, source.content.digest) for source in sources]
    return CopyTask(
        state=state,
        node=node,
        key=keys.copy_key(state.chain, dest, str(node.chown), mode, named),
        history=transfer_text(node.keyword, str(node.chown), str(node.chmod), node.sources, str(node.dest)),
        tree=tree,
        sources=tuple(sources),
        dest=dest,
        owner=str(node.chown),
        mode=mode,
    )


def _present(node: nodes.Copy | nodes.Add, ground: Ground, tree: Tree) -> nodes.Copy | nodes.Add:
    """`node`, or its rescued form, when all its sources are there."""
    missing = missing_words(tree, node)
    if not missing:
        return node
    context = ground.context
    if tree is context and context.find_hidden("#") is None:
        from cowl.dockerfile.rescue import comment_rescue

        rescue = comment_rescue(ground.file, node)
        if rescue is not None:
            ground.emit(Warned(_whole(rescue.warning)))
            return _present(rescue.node, ground, tree)
    if tree is not context:
        assert isinstance(node, nodes.Copy)
        stage = f"stage {node.from_}"
        raise explain_missing(tree, ground.file, node, missing[0], None, lambda _path: False, stage)
    raise explain_missing(tree, ground.file, node, missing[0], context.ignore, context.exists_hidden)


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


def _refuse_archives(node: nodes.Add, ground: Ground, tree: Tree, sources: list[Source]) -> None:
    from cowl.build.archives import is_archive

    for source in sources:
        if is_archive(tree, source.entry):
            raise error_at(
                ground.file,
                node,
                f"ADD of an archive ({source.entry.path}) is not supported by this version of cowl",
                hint="Unpack it before the build, or write ADD --unpack=false to copy it as it is.",
            )
