"""Transfers: COPY and ADD."""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import quoted
from cowl.dockerfile.expand import Expander, ExpansionError
from cowl.dockerfile.heredoc import opened, take_heredocs
from cowl.dockerfile.nodes import Word
from cowl.dockerfile.statement import LIST, SWITCH, TEXT, Statement

_FLAGS = {"chown": TEXT, "chmod": TEXT, "link": SWITCH, "exclude": LIST}


def parse_copy(statement: Statement) -> nodes.Copy:
    flags = statement.flags({"from": TEXT, **_FLAGS, "parents": SWITCH})
    _check_from(statement, flags.text("from"))
    sources, dest, heredocs, json = _sources_and_dest(statement)
    return nodes.Copy(
        statement.source,
        statement.raw,
        sources=sources,
        dest=dest,
        heredocs=heredocs,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.switch("link")),
        exclude=flags.list("exclude"),
        json=json,
        from_=flags.text("from"),
        parents=bool(flags.switch("parents")),
    )


def _check_from(statement: Statement, value: Word) -> None:
    try:
        plain = not value or Expander({}, statement.escape).word(value) == value
    except ExpansionError:
        plain = False
    if not plain:
        raise statement.error(
            "COPY --from can't hold a variable",
            value,
            hint="Give the image a name first: FROM image:$VERSION AS name, then --from=name.",
        )


def parse_add(statement: Statement) -> nodes.Add:
    own = {"checksum": TEXT, "keep-git-dir": SWITCH, "unpack": SWITCH}
    flags = statement.flags({**_FLAGS, **own})
    sources, dest, heredocs, json = _sources_and_dest(statement)
    return nodes.Add(
        statement.source,
        statement.raw,
        sources=sources,
        dest=dest,
        heredocs=heredocs,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=bool(flags.switch("link")),
        exclude=flags.list("exclude"),
        json=json,
        checksum=flags.text("checksum"),
        keep_git_dir=flags.switch("keep-git-dir"),
        unpack=flags.switch("unpack"),
    )


def _sources_and_dest(
    statement: Statement,
) -> tuple[tuple[Word, ...], Word, tuple[nodes.Heredoc, ...], bool]:
    keyword = statement.keyword.upper()
    found = statement.json()
    paths = statement.fields() if found is None else list(found)
    if len(paths) < 2:
        what = "sources and a destination" if not paths else f"a destination after {quoted(paths[0])}"
        raise statement.error(
            f"{keyword} needs {what}", paths[0] if paths else None, hint=f"Write {keyword} source ... dest."
        )
    *sources, dest = paths
    if found is not None:
        return tuple(sources), dest, (), True
    if opened(dest):
        raise statement.error(f"a heredoc can't be the destination of {keyword}", dest)
    bodies = {heredoc.name: heredoc for heredoc in take_heredocs(statement)}
    heredocs = [bodies[mark.name] for mark in map(opened, sources) if mark and mark.name in bodies]
    plain = tuple(word for word in sources if not opened(word))
    return plain, dest, tuple(heredocs), False
