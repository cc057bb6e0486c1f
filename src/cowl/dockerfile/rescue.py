"""Rescue: a comment at the end of a COPY or ADD, which Docker would take for more sources."""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at
from cowl.value import Value

_HINT = "Move the comment to a line of its own: Docker starts one only at the beginning of a line."


class Rescue(Value):
    """`node` is the instruction without the comment; `warning` says so, with the place."""

    node: nodes.Copy | nodes.Add
    warning: nodes.ParseWarning


def comment_rescue(file: nodes.Dockerfile, node: nodes.Copy | nodes.Add) -> Rescue | None:
    """The reading of `COPY a b # words` as `COPY a b`, or None when no word `#` follows two others.

    Docker knows no such comment: it takes `a`, `b`, `#`, ... for sources and fails as soon as one is not
    in the context. Use the rescue only when Docker would fail, that is when a source of `node` is missing
    and the context has no file named `#`; a line that Docker can build keeps Docker's meaning. Paths in
    JSON form are never cut. Works on a node before or after its variables are expanded, since only a
    `#` that stands alone in the source counts.
    """
    words = (*node.sources, node.dest)
    cut = next((i for i, word in enumerate(words) if i > 1 and word == "#" and word.length == 1), 0)
    if node.json or not cut:
        return None
    *sources, dest = words[:cut]
    reason = "'#' starts no comment here, so Docker would refuse this line; the rest is taken for a comment"
    place = error_at(file, node, reason, word=words[cut], hint=_HINT)
    warning = nodes.ParseWarning(
        message=place.message,
        path=place.path,
        line=place.line,
        column=place.column,
        excerpt=place.excerpt,
        hint=_HINT,
    )
    raw = node.raw.partition(" #")[0].rstrip()
    return Rescue(node.replace(sources=tuple(sources), dest=dest, raw=raw), warning)
