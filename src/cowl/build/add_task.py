"""The task of an ADD: what COPY does, archives unpacked, and files and repositories from elsewhere."""

from __future__ import annotations

import re

from cowl.build.archives import may_be_archive
from cowl.build.copy_task import CopyTask, copy_task, without_comment
from cowl.build.history import transfer_text
from cowl.build.keys import add_inputs
from cowl.build.places import locate
from cowl.build.sources import Source
from cowl.build.task import Task
from cowl.dockerfile.diagnostics import error_at
from cowl.errors import CowlError
from cowl.events import Warned
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.remote.git_tree import GitTree
    from cowl.build.remote.git_url import GitUrl
    from cowl.build.remote.remotes import Remotes
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.dockerfile import nodes
    from cowl.dockerfile.nodes import Word
    from cowl.oci.digest import Digest

_MAYBE_REMOTE = r"(?:https?|git|ssh)://|[^/]+@[^/]+:"


class Part(Value):
    """Some sources of an ADD, all from one place.

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
    """The task of an ADD; that of a COPY, with its key, when it only copies.

    Raises as `copy_task` does; CredentialsInUrl, BadGitUrl, and what fetching raises.
    """
    remote = [word for word in node.sources if re.match(_MAYBE_REMOTE, word)]
    if remote:
        node = without_comment(node, ground)
    _check_checksum(node, ground)
    parts = _parts(state, node, ground) if remote else (_local(state, node, ground),)
    if len(parts) == 1 and not parts[0].unpack:
        return parts[0].copy.replace(node=node) if remote else parts[0].copy
    if any(part.unpack for part in parts):
        _warn_unused(node, ground)
    return AddTask(
        state=state,
        node=node if remote else parts[0].copy.node,
        inputs=add_inputs(parts),
        history=transfer_text(node) if remote else parts[0].copy.history,
        parts=parts,
    )


def _parts(state: State, node: nodes.Add, ground: Ground) -> tuple[Part, ...]:
    """The parts of an ADD with remote sources, in order; heredocs come last, as always."""
    parts: list[Part] = []
    local: list[Word] = []
    for word in node.sources:
        part = _remote(state, node, ground, word)
        if part is None:
            local.append(word)
            continue
        if local:
            parts.append(_local(state, node.replace(sources=tuple(local), heredocs=()), ground))
            local = []
        parts.append(part)
    if local or node.heredocs:
        parts.append(_local(state, node.replace(sources=tuple(local)), ground))
    return tuple(parts)


def _remote(state: State, node: nodes.Add, ground: Ground, word: Word) -> Part | None:
    """The part of a source from elsewhere; None for one in the context."""
    from cowl.build.remote.git_url import parse_git_url

    try:
        url = parse_git_url(word)
    except CowlError as problem:
        locate(problem, ground.file, node, word)
        raise
    if url is not None:
        return _git(state, node, ground, word, url)
    if word.startswith(("http://", "https://")):
        return _url(state, node, ground, word)
    return None


def _url(state: State, node: nodes.Add, ground: Ground, word: Word) -> Part:
    """A file from a URL: copied as it is, unless --unpack says otherwise."""
    try:
        file = _remotes(ground).url(str(word), _digest(node, ground))
    except CowlError as problem:
        locate(problem, ground.file, node, word)
        raise
    source = Source(file.entry.path, file.entry, file.content, file)
    return Part(_copy_of(state, node, ground, source), frozenset([0] if node.unpack else []))


def _git(state: State, node: nodes.Add, ground: Ground, word: Word, url: GitUrl) -> Part:
    """The files of a repository, without its `.git` unless --keep-git-dir says otherwise."""
    from cowl.build.remote.url import CredentialsInUrl

    try:
        if url.secret:
            raise CredentialsInUrl(url.remote)
        url = _pinned(node, ground, url)
        if None not in (node.keep_git_dir, url.keep_git_dir) and node.keep_git_dir != url.keep_git_dir:
            raise error_at(
                ground.file, node, "--keep-git-dir and the address contradict each other", word=word
            )
        keep = bool(node.keep_git_dir or url.keep_git_dir)
        tree = _remotes(ground).git(url, keep_git_dir=keep, check=ground.crew.check)
    except CowlError as problem:
        locate(problem, ground.file, node, word)
        raise
    return Part(_copy_of(state, node, ground, _selected(node, tree)))


def _selected(node: nodes.Add, tree: GitTree) -> Source:
    """A repository as a source, without what --exclude names."""
    source = Source(tree.url.name, tree.root, tree.content, tree)
    if not node.exclude:
        return source
    from cowl.build.selection import Selection
    from cowl.dockerfile.ignore import matcher

    patterns = [str(pattern) for pattern in node.exclude]
    content = tree.content.replace(digest=f"{tree.content.digest} exclude={patterns!r}")
    return source.replace(content=content, tree=Selection(tree, matcher(patterns)))


def _pinned(node: nodes.Add, ground: Ground, url: GitUrl) -> GitUrl:
    """The address with --checksum, which is a commit ID or the beginning of one."""
    checksum = str(node.checksum)
    if not checksum:
        return url
    if url.commit and url.commit != checksum:
        reason = f"--checksum is not the commit {url.commit} of the address"
        raise error_at(ground.file, node, reason, word=node.checksum)
    if not re.fullmatch("[0-9a-f]{1,64}", checksum):
        reason = "--checksum of a git repository is a commit ID or the beginning of one"
        raise error_at(ground.file, node, reason, word=node.checksum)
    return url.replace(commit=checksum)


def _copy_of(state: State, node: nodes.Add, ground: Ground, source: Source) -> CopyTask:
    """What a COPY of one source that is no file of the context would be."""
    task = copy_task(state, node.replace(sources=(), heredocs=()), ground, ground.context)
    assert task.inputs is not None
    named = [[source.name, source.content.digest]]
    inputs = task.inputs.replace(parts={**task.inputs.parts, "sources": named})
    return task.replace(sources=(source,), inputs=inputs, node=node, history=transfer_text(node))


def _remotes(ground: Ground) -> Remotes:
    assert ground.remotes is not None, "a build has remotes"
    return ground.remotes


def _check_checksum(node: nodes.Add, ground: Ground) -> None:
    if not node.checksum:
        return
    if len(node.sources) != 1 or node.heredocs:
        raise error_at(ground.file, node, "--checksum goes with one source only", word=node.checksum)
    if not re.match(_MAYBE_REMOTE, node.sources[0]):
        raise error_at(
            ground.file,
            node,
            "--checksum needs a source that is an http or https URL, or a git repository",
            word=node.checksum,
            hint="Files of the context are compared by their content anyway.",
        )


def _digest(node: nodes.Add, ground: Ground) -> Digest | None:
    """--checksum of a URL."""
    if not node.checksum:
        return None
    from cowl.oci.digest import Digest, InvalidDigest

    try:
        return Digest.parse(str(node.checksum))
    except InvalidDigest as problem:
        hint = "Write sha256: and the 64 hex digits that sha256sum prints."
        reason = f"--checksum: {problem.message}"
        raise error_at(ground.file, node, reason, word=node.checksum, hint=hint) from None


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
