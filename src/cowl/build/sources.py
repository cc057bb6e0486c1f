"""Sources of a COPY: the words of the instruction to entries of a tree, with their content digests."""

from __future__ import annotations

import os

from cowl.build.tree import DIRECTORY, Content, Entry, content_of
from cowl.dockerfile.diagnostics import describe_at, error_at, quoted, suggestion
from cowl.dockerfile.globs import BadGlob, compile_glob, has_wildcards, split_wildcards
from cowl.errors import NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cowl.build.tree import Tree
    from cowl.dockerfile.ignore import Matcher
    from cowl.dockerfile.nodes import Dockerfile, Instruction, Transfer, Word
    from cowl.dockerfile.wildcards import Wildcard


class SourceNotFound(NotFound):
    """A source of COPY, ADD or RUN --mount is not there. Fields: path, line, column, source, rule (or "")."""

    def __init__(
        self,
        file: Dockerfile,
        node: Instruction,
        word: Word,
        *,
        rule: str = "",
        hint: str = "",
        where: str = "",
    ) -> None:
        reason = f"{quoted(word)}: not found in {where or 'the build context'}"
        if rule:
            reason = f"{quoted(word)} is in the build context, but {rule} excludes it"
        super().__init__(describe_at(file, node, reason, word=word), hint=hint)
        self.path = node.source.path
        self.line = word.line or node.source.first_line
        self.column = word.column or node.source.column
        self.source = str(word)
        self.rule = rule


class Source(Value):
    """One file or directory of a tree to copy. `name` is what it is called when it goes into a directory."""

    name: str
    entry: Entry
    content: Content
    tree: Tree


def clean(word: str) -> str:
    """A source as a path from the root of its tree: "." and "/" are "", ".." never leads out."""
    return os.path.normpath("/" + word).lstrip("/")


def missing_words(tree: Tree, node: Transfer) -> list[Word]:
    """The sources without wildcards that are not there."""
    plain = [word for word in node.sources if not has_wildcards(word)]
    return [word for word in plain if tree.find(clean(word)) is None]


def find_sources(tree: Tree, node: Transfer) -> list[Source]:
    """All sources in order, those of a glob sorted. A glob may match nothing. Every one must exist."""
    return [source for _, found in sources_by_word(tree, node) for source in found]


def sources_by_word(tree: Tree, node: Transfer) -> list[tuple[Word, list[Source]]]:
    """The same, with the word that each is from.

    What --exclude names is not in them. With --parents a source is the directory that paths start from,
    and of it only what the word names.
    """
    excluded = _matcher(node.exclude) if node.exclude else None
    found: list[tuple[Word, list[Source]]] = []
    for word in node.sources:
        if getattr(node, "parents", False):
            found.append((word, _with_parents(tree, word, excluded)))
            continue
        path = clean(word)
        sources = []
        for each in _matches(tree, path) if has_wildcards(word) else [path]:
            entry = tree.find(each)
            if entry is not None:
                sources += _source(tree, os.path.basename(each), entry, excluded, None)
        found.append((word, sources))
    return found


def _matcher(patterns: Iterable[str]) -> Matcher:
    from cowl.dockerfile.ignore import matcher  # most COPYs do without

    return matcher(patterns)


def _source(
    tree: Tree, name: str, entry: Entry, excluded: Matcher | None, included: Matcher | None
) -> list[Source]:
    """The source, unless nothing is left of it."""
    if excluded is not None or included is not None:
        from cowl.build.selection import Selection

        tree = Selection(tree, excluded, included)
    content = content_of(tree, entry)
    return [Source(name, entry, content, tree)] if content.traces else []


def _with_parents(tree: Tree, word: str, excluded: Matcher | None) -> list[Source]:
    """The sources of `base/./pattern`, or of a pattern from the root of the tree."""
    head, pivot, pattern = word.partition("/./")
    base, pattern = (clean(head), clean(pattern)) if pivot else ("", clean(word))
    sources = []
    for found in _matches(tree, base) if has_wildcards(base) else [base]:
        entry = tree.find(found)
        if entry is not None and entry.kind == DIRECTORY:
            sources += _source(tree, "", entry, excluded, _matcher((pattern,)) if pattern else None)
    return sources


def inline_sources(file: Dockerfile, node: Transfer) -> list[Source]:
    """The heredocs of a COPY or ADD, which come after its other sources. Raises DockerfileError."""
    if not node.heredocs:
        return []
    from cowl.build.inline import InlineTree

    sources = []
    for heredoc in node.heredocs:
        if "/" in heredoc.name or heredoc.name in (".", ".."):
            hint = "Give it the name of a file, and put the folder into the destination."
            raise error_at(file, node, f"a heredoc can't be called {quoted(heredoc.name)}", hint=hint)
        tree = InlineTree(heredoc)
        sources += _source(tree, heredoc.name, next(tree.walk(heredoc.name)), None, None)
    return sources


def _matches(tree: Tree, pattern: str) -> list[str]:
    """The paths that a glob matches; below a matched directory nothing more is looked for."""
    head, rest = split_wildcards(pattern)
    top = tree.find(head)
    if top is None or top.kind != DIRECTORY:
        return []
    try:
        wildcard = compile_glob(rest)
    except BadGlob:
        return []
    found: list[str] = []
    _collect(tree, top.path, "", wildcard, found)
    return found


def _collect(tree: Tree, top: str, folder: str, wildcard: Wildcard, found: list[str]) -> None:
    for name in tree.names("/".join(filter(None, (top, folder)))):
        path = f"{folder}/{name}" if folder else name
        if wildcard.matches(path):
            found.append(f"{top}/{path}" if top else path)
        elif wildcard.may_match_below(path):
            _collect(tree, top, path, wildcard, found)


def explain_missing(
    tree: Tree,
    file: Dockerfile,
    node: Instruction,
    word: Word,
    ignore: Matcher | None,
    exists: Callable[[str], bool],
    where: str = "",
) -> SourceNotFound:
    """The error for a source that is not there. `exists` looks past .dockerignore.

    `where` says what was searched, "" for the build context.
    """
    path = clean(word)
    if ignore is not None and exists(path):
        pattern = ignore.reason(path)
        rule = f"{ignore.path}:{pattern.line} ({pattern.text})" if pattern else ignore.path
        hint = f"Remove that line, or add !{path} below it."
        return SourceNotFound(file, node, word, rule=rule, hint=hint)
    if _leaves(word):
        hint = "A build sees only the files of its context: copy from there, or build a directory further up."
        return SourceNotFound(file, node, word, hint=hint)
    return SourceNotFound(file, node, word, hint=_near(tree, path), where=where)


def _leaves(word: str) -> bool:
    return os.path.normpath(word).startswith("..")


def _near(tree: Tree, path: str) -> str:
    """What the user may have meant, as a hint."""
    folder, name = os.path.split(path)
    entry = tree.find(folder)
    names = tree.names(entry.path) if entry is not None and entry.kind == DIRECTORY else []
    if name in names:
        return _dangling(tree, path)
    near = suggestion(name, names)
    if near:
        return f"Did you mean {os.path.join(folder, near)}?"
    if folder and entry is None:
        return f"There is no folder {folder} there either."
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return f"The folder {folder or '.'} has: {shown}" if names else f"The folder {folder or '.'} is empty."


def _dangling(tree: Tree, path: str) -> str:
    """What to say of a name that is there and yet leads to nothing: a link out of the tree, as a rule."""
    target = next(iter(tree.walk(path))).target
    return f"It is a symbolic link to {quoted(target)}, and links never lead out of here."
