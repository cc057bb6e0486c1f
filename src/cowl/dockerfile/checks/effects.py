"""Rules about what the image will do: commands, directories, platforms, files that are left out."""

from __future__ import annotations

import posixpath

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.dockerfile.checks.subject import Found, Subject

_ONCE = (nodes.Cmd, nodes.Entrypoint, nodes.Healthcheck)


def json_args_recommended(subject: Subject) -> Iterator[Found]:
    shells: set[int] = set()
    wanted = {stage.index for stage in subject.stages}
    for stage in subject.file.stages:
        image, base = subject.base(stage)
        chosen = base in shells
        for node in stage.instructions:
            chosen = chosen or isinstance(node, nodes.Shell)
            if not isinstance(node, nodes.Cmd | nodes.Entrypoint) or chosen or stage.index not in wanted:
                continue
            command = node.command
            if not isinstance(command, str) or not command or _has_shell(subject, image):
                continue
            message = f"JSON arguments recommended for {node.keyword} to prevent unintended behavior "
            fix = f"Write {node.keyword} {_json(command)}, or choose a shell with SHELL."
            yield subject.found(node, f"{message}related to OS signals", fix)
        if chosen:
            shells.add(stage.index)


def _has_shell(subject: Subject, image: str) -> bool:
    found = subject.image(image)
    return found is not None and found.shell


def _json(command: str) -> str:
    """The exec form where it plainly means the same, else its shape."""
    import json

    words = command.split()
    plain = not set(command) & set("\"'$\\;&|<>*?()`{}[]#~=\n")
    return json.dumps(words) if plain else '["executable", "argument"]'


def multiple_instructions_disallowed(subject: Subject) -> Iterator[Found]:
    for stage in subject.stages:
        last: dict[str, nodes.Instruction] = {}
        for node in stage.instructions:
            if not isinstance(node, _ONCE):
                continue
            if node.keyword in last:
                message = f"Multiple {node.keyword} instructions should not be used in the same stage "
                fix = f"Remove it: line {node.source.first_line} takes its place."
                yield subject.found(
                    last[node.keyword], f"{message}because only the last one will be used", fix
                )
            last[node.keyword] = node


def workdir_relative_path(subject: Subject) -> Iterator[Found]:
    known: set[int] = set()
    wanted = {stage.index for stage in subject.stages}
    for stage in subject.file.stages:
        first = next((node for node in stage.instructions if isinstance(node, nodes.Workdir)), None)
        inherited = subject.base(stage)[1] in known
        if first is None and not inherited:
            continue
        known.add(stage.index)
        if first is None or inherited or stage.index not in wanted:
            continue
        if not first.path.lstrip("\"'").startswith(("/", "$")):
            message = f"Relative workdir {quoted(first.path)} can have unexpected results if the base "
            fix = f"Write WORKDIR {posixpath.join('/', first.path)}, or wherever it is meant to be."
            yield subject.found(first, f"{message}image changes", fix, word=first.path)


def invalid_base_image_platform(subject: Subject) -> Iterator[Found]:
    for stage in subject.stages:
        image, index = subject.base(stage)
        found = subject.image(image) if index < 0 and not stage.base.platform else None
        wanted = subject.around.platform
        if found is None or (found.platform.os, found.platform.architecture) == (
            wanted.os,
            wanted.architecture,
        ):
            continue
        message = f"Base image {image} was pulled with platform {quoted(str(found.platform))}, expected "
        fix = f"Pull the right one: pull --platform {wanted} {image}"
        yield subject.found(
            stage.base, f"{message}{quoted(str(wanted))} for current build", fix, word=stage.base.image
        )


def copy_ignored_file(subject: Subject) -> Iterator[Found]:
    ignore = subject.around.ignore
    if ignore is None or any(pattern.negated for pattern in ignore.patterns):
        return  # what a `!` takes back can't be told without the files
    for stage in subject.stages:
        for node in stage.instructions:
            if not isinstance(node, nodes.Copy | nodes.Add) or getattr(node, "from_", None):
                continue
            for word in node.sources:
                path = posixpath.normpath(word).lstrip("/")
                pattern = ignore.reason(path) if "$" not in word else None
                if pattern is not None:
                    what = (
                        f"Attempting to {node.keyword.capitalize()} file {quoted(path)} that is excluded by"
                    )
                    place = f"{ignore.path} (line {pattern.line})"
                    fix = f"Take {quoted(pattern.text)} out of {place}, or remove this line."
                    yield subject.found(node, f"{what} .dockerignore", fix, word=word)
