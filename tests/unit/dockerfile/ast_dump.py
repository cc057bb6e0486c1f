"""A readable dump of an AST for golden files: one line a node, what is not written left out."""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.value import Value


def dump(file: nodes.Dockerfile) -> str:
    lines = [_field("directives", file.directives)]
    for node in file.global_args:
        lines.append(_node(node))
    for stage in file.stages:
        lines.append(f"stage {stage.index} {stage.name!r}")
        lines += (f"  {_node(node)}" for node in (stage.base, *stage.instructions))
    return "\n".join(lines) + "\n"


def _node(node: nodes.Instruction) -> str:
    source = node.source
    place = f"{source.first_line}" + (f"-{source.last_line}" if source.last_line != source.first_line else "")
    skipped = ("source", "raw")
    fields = [_field(name, value) for name, value in node.as_dict().items() if name not in skipped]
    return " ".join((f"{place}:{source.column} {node.keyword}", *filter(None, fields)))


def _field(name: str, value: object) -> str:
    """`name=value`, or "" for a field that holds its default."""
    empty = value is None or value is False or value in ("", (), 0)
    kept = (value is None and name == "command") or (value == () and name == "command")
    return "" if empty and not kept else f"{name}={_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, nodes.Word):
        place = f"@{value.line}:{value.column}" if value.line else ""
        return f"{str(value)!r}{place}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    if isinstance(value, nodes.Instruction):
        return f"<{_node(value)}>"
    if isinstance(value, nodes.SourceRange):
        return f"{value.first_line}-{value.last_line}"
    if isinstance(value, Value):
        fields = filter(None, (_field(name, each) for name, each in value.as_dict().items()))
        return f"{type(value).__name__}({' '.join(fields)})"
    return repr(value)
