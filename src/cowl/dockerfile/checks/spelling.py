"""Rules about spelling: casing, names, and forms that are on their way out."""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.dockerfile.checks.subject import Found, Subject

_RESERVED = ("context", "scratch")


def stage_name_casing(subject: Subject) -> Iterator[Found]:
    for stage in subject.file.stages:
        written = subject.written(stage.base.alias) if stage.name else ""
        if written != stage.name:
            message = f"Stage name '{written}' should be lowercase"
            yield subject.found(stage.base, message, f"Write {stage.name}.", word=stage.base.alias)


def from_as_casing(subject: Subject) -> Iterator[Found]:
    for stage in subject.file.stages:
        if not stage.name:
            continue
        keyword, written = subject.keyword(stage.base), stage.base.raw.split()[-2]
        right = written.lower() if keyword == keyword.lower() else written.upper()
        if keyword in (keyword.lower(), keyword.upper()) and written != right:
            message = f"'{written}' and '{keyword}' keywords' casing do not match"
            yield subject.found(stage.base, message, f"Write {keyword} and {right}.")


def consistent_instruction_casing(subject: Subject) -> Iterator[Found]:
    staged = [node for stage in subject.file.stages for node in (stage.base, *stage.instructions)]
    odd = [(node, word) for node in staged if (word := subject.keyword(node)) != node.keyword]
    lower = sum(word == node.keyword.lower() for node, word in odd)
    if lower > len(staged) - len(odd):
        casing = "lowercase"
        odd = [(node, word) for node in staged if (word := subject.keyword(node)) != node.keyword.lower()]
    else:
        casing = "uppercase"
    for node, word in odd:
        right = word.lower() if casing == "lowercase" else word.upper()
        message = f"Command '{word}' should match the case of the command majority ({casing})"
        yield subject.found(node, message, f"Write {right}.")


def duplicate_stage_name(subject: Subject) -> Iterator[Found]:
    first: dict[str, int] = {}
    for stage in subject.file.stages:
        if stage.name in first:
            message = f"Duplicate stage name {quoted(stage.name)}, stage names should be unique"
            fix = f"References below mean this stage, not that of line {first[stage.name]}: rename one."
            yield subject.found(stage.base, message, fix, word=stage.base.alias)
        elif stage.name:
            first[stage.name] = stage.base.source.first_line


def reserved_stage_name(subject: Subject) -> Iterator[Found]:
    for stage in subject.file.stages:
        if stage.name in _RESERVED:
            message = f"Stage name should not use the same name as reserved stage {quoted(stage.name)}"
            yield subject.found(stage.base, message, "Give the stage another name.", word=stage.base.alias)


def maintainer_deprecated(subject: Subject) -> Iterator[Found]:
    for stage in subject.file.stages:
        for node in stage.instructions:
            if isinstance(node, nodes.Maintainer):
                fix = f'Write LABEL org.opencontainers.image.authors="{node.name}".'
                yield subject.found(node, "Maintainer instruction is deprecated in favor of using label", fix)


def legacy_key_value_format(subject: Subject) -> Iterator[Found]:
    for stage in subject.stages:
        for node in stage.instructions:
            if isinstance(node, nodes.Env | nodes.Label) and node.pairs[0].legacy:
                word = node.keyword
                message = f'"{word} key=value" should be used instead of legacy "{word} key value" format'
                pair = node.pairs[0]
                value = pair.value if pair.value[:1] in "\"'" or " " not in pair.value else f'"{pair.value}"'
                yield subject.found(node, message, f"Write {word} {pair.key}={value}")


def expose_proto_casing(subject: Subject) -> Iterator[Found]:
    for node, port in _ports(subject):
        protocol = port.partition("/")[2]
        if protocol != protocol.lower() and "$" not in protocol:
            message = f"Defined protocol '{port}' in EXPOSE instruction should be lowercase"
            yield subject.found(node, message, f"Write {port.lower()}.", word=port)


def expose_invalid_format(subject: Subject) -> Iterator[Found]:
    for node, port in _ports(subject):
        published, colon, inside = port.rpartition(":")
        if colon and "$" not in port:
            message = "EXPOSE instruction should not define an IP address or host-port mapping, found "
            fix = f"Write EXPOSE {inside}; {published} belongs to `run -p`."
            yield subject.found(node, f"{message}'{port}'", fix, word=port)


def _ports(subject: Subject) -> Iterator[tuple[nodes.Expose, nodes.Word]]:
    for stage in subject.stages:
        for node in stage.instructions:
            if isinstance(node, nodes.Expose):
                yield from ((node, port) for port in node.ports)


def invalid_definition_description(subject: Subject) -> Iterator[Found]:
    for node in subject.file.instructions:
        names: list[str] = []
        if isinstance(node, nodes.Arg):
            names = [str(each.name) for each in node.arguments]
        elif isinstance(node, nodes.From) and node.alias:
            names = [str(node.alias)]
        comment = description_above(subject.file, node.source.first_line)
        if names and comment and comment.split(" ")[0] not in names:
            shown = names[0] if len(names) == 1 else "<arg_key>"
            message = f"Comment for {node.keyword} should follow the format: `# {shown} <description>`"
            yield subject.found(
                node, message, "Or put an empty line between the comment and the instruction."
            )


def description_above(file: nodes.Dockerfile, number: int) -> str:
    """The comment in the line above line `number`, "" if there is none or it is a parser directive."""
    text = file.line(number - 1).strip()
    if not text.startswith("#"):
        return ""
    comment = text[1:].strip()
    name, equals, _ = comment.partition("=")
    return "" if equals and name.strip().lower() in ("check", "escape", "syntax") else comment
