"""Scope: which fields of which instruction take variables, and the node with them put in.

As in BuildKit: FROM, ARG, ENV, LABEL, ADD, COPY, WORKDIR, USER, VOLUME, EXPOSE, STOPSIGNAL, and the mounts
of RUN. Not the commands of RUN, CMD, ENTRYPOINT and HEALTHCHECK (their shell does it), not SHELL, not
MAINTAINER, not COPY --from and --exclude, and not ONBUILD: its instruction expands where it is carried out.
"""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at
from cowl.dockerfile.expand import Expander, ExpansionError
from cowl.dockerfile.nodes import Word
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    _Fields: TypeAlias = dict[str, Any]

EXPANDING = frozenset(
    ("ADD", "ARG", "COPY", "ENV", "EXPOSE", "FROM", "LABEL", "RUN", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
)


class Expanded(Value):
    """A node with its variables put in, and the names that it read.

    `used` had a value; `missing` had none, and no `-`, `+` or `?` says what to do without.
    """

    node: nodes.Instruction
    used: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def expand_node(file: nodes.Dockerfile, node: nodes.Instruction, variables: Mapping[str, str]) -> Expanded:
    """`node` with `variables` in all fields that take them, quotes and escapes taken off there.

    All words of one instruction see the same variables: in `ENV a=1 b=$a`, b gets the old a. (BuildKit
    takes the names of an ARG before the first FROM one by one: give them one at a time.) Words keep their
    places. EXPOSE may come out with more or fewer ports than were written. Raises DockerfileError
    at the word that can't be expanded.
    """
    fields_of = _FIELDS.get(type(node))
    if fields_of is None:
        return Expanded(node)
    expander = Expander(variables, file.directives.escape)
    changes = fields_of(node, _Words(file, node, expander))
    return Expanded(node.replace(**changes), tuple(sorted(expander.used)), tuple(sorted(expander.missing)))


class _Words:
    """Expands the words of one node, turning failures into errors at their place."""

    def __init__(self, file: nodes.Dockerfile, node: nodes.Instruction, expander: Expander) -> None:
        self._file = file
        self._node = node
        self._expander = expander

    def one(self, word: Word) -> Word:
        try:
            text = self._expander.word(word)
        except ExpansionError as error:
            raise self._at(word, error) from error
        return word if text == word else word.with_text(text)

    def each(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        return tuple(map(self.one, words))

    def split(self, word: Word) -> list[Word]:
        try:
            return [word.with_text(text) for text in self._expander.words(word)]
        except ExpansionError as error:
            raise self._at(word, error) from error

    def body(self, heredoc: nodes.Heredoc) -> nodes.Heredoc:
        """A heredoc body of COPY or ADD: quotes mean nothing in it, backslash is always the escape."""
        if not heredoc.expand:
            return heredoc
        expander = Expander(self._expander.variables, no_quotes=True)
        try:
            content = expander.word(heredoc.content)
        except ExpansionError as error:
            before = heredoc.content[: error.offset]
            line = heredoc.source.first_line + before.count("\n")
            word = Word("$", line, len(before) - before.rfind("\n"))
            raise error_at(self._file, self._node, error.reason, word=word) from error
        self._expander.used |= expander.used
        self._expander.missing |= expander.missing
        return heredoc.replace(content=content)

    def error(self, reason: str, word: Word) -> Exception:
        return error_at(self._file, self._node, reason, word=word)

    def _at(self, word: Word, error: ExpansionError) -> Exception:
        place = Word("$", word.line, word.column + error.offset) if word.line else word
        hint = f"It is in {word}." if word.line and word.length > 200 else ""
        return error_at(self._file, self._node, error.reason, word=place, hint=hint)


def _env(node: nodes.Env, words: _Words) -> _Fields:
    fields = _pairs(node, words)
    for pair in fields["pairs"]:
        if not pair.key:
            raise words.error("an ENV name is blank after its variables are put in", pair.key)
    return fields


def _pairs(node: nodes.Env | nodes.Label, words: _Words) -> _Fields:
    pairs = (pair.replace(key=words.one(pair.key), value=words.one(pair.value)) for pair in node.pairs)
    return {"pairs": tuple(pairs)}


def _arg(node: nodes.Arg, words: _Words) -> _Fields:
    declared = (
        each.replace(
            name=words.one(each.name), default=None if each.default is None else words.one(each.default)
        )
        for each in node.arguments
    )
    return {"arguments": tuple(declared)}


def _transfer(node: nodes.Transfer, words: _Words) -> _Fields:
    fields: _Fields = {
        "sources": words.each(node.sources),
        "dest": words.one(node.dest),
        "heredocs": tuple(map(words.body, node.heredocs)),
        "chown": words.one(node.chown),
        "chmod": words.one(node.chmod),
    }
    if isinstance(node, nodes.Add):
        fields["checksum"] = words.one(node.checksum)
    return fields


def _run(node: nodes.Run, words: _Words) -> _Fields:
    mounts = (
        mount.replace(
            options=tuple((key, str(words.one(mount.text.with_text(value)))) for key, value in mount.options)
        )
        for mount in node.mounts
    )
    return {"mounts": tuple(mounts)}


def _from(node: nodes.From, words: _Words) -> _Fields:
    return {"image": words.one(node.image), "platform": words.one(node.platform)}


def _expose(node: nodes.Expose, words: _Words) -> _Fields:
    return {"ports": tuple(port for word in node.ports for port in words.split(word))}


def _volume(node: nodes.Volume, words: _Words) -> _Fields:
    return {"paths": words.each(node.paths)}


_FIELDS: dict[type[nodes.Instruction], Callable[[Any, _Words], _Fields]] = {
    nodes.From: _from,
    nodes.Arg: _arg,
    nodes.Env: _env,
    nodes.Label: _pairs,
    nodes.Copy: _transfer,
    nodes.Add: _transfer,
    nodes.Run: _run,
    nodes.Expose: _expose,
    nodes.Volume: _volume,
    nodes.User: lambda node, words: {"user": words.one(node.user)},
    nodes.Workdir: lambda node, words: {"path": words.one(node.path)},
    nodes.StopSignal: lambda node, words: {"signal": words.one(node.signal)},
}
