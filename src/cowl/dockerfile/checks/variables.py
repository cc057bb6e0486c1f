"""Rules about variables: used before they are set, without a usable default, or holding a secret."""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.dockerfile.checks.subject import SCRATCH
from cowl.dockerfile.diagnostics import DockerfileError, quoted, suggestion
from cowl.dockerfile.scope import EXPANDING, expand_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from cowl.dockerfile.checks.subject import Found, Subject

_SECRET = frozenset(
    ("apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token")
)
_NO_SECRET = frozenset(("public", "file", "version"))
_TARGET_PLATFORM = ("$TARGETPLATFORM", "${TARGETPLATFORM}")
_FEW = 100  # a name is suggested only where there are no more to choose from


def undefined_arg_in_from(subject: Subject) -> Iterator[Found]:
    declared = {str(each.name) for node in subject.file.global_args for each in node.arguments}
    known = declared.union(subject.around.variables)
    for stage in subject.file.stages:
        for name in _missing(subject, stage.base, subject.around.variables):
            if name not in declared:
                near = _near(name, known)
                message = f"FROM argument '{name}' is not declared" + (
                    f" (did you mean {near}?)" if near else ""
                )
                fix = f"Write {near}." if near else f"Declare it with ARG {name} before the first FROM."
                yield subject.found(stage.base, message, fix, word=_place(stage.base, name))


def invalid_default_arg_in_from(subject: Subject) -> Iterator[Found]:
    for stage in subject.file.stages:
        node = stage.base
        if "$" in node.image and not _is_reference(subject.image_name(node, subject.around.defaults())):
            message = f"Default value for ARG {node.image} results in empty or invalid base image name"
            fix = "Give each ARG in it a default with which FROM names an image."
            yield subject.found(node, message, fix, word=node.image)


def _is_reference(name: str) -> bool:
    from cowl.oci.reference import InvalidReference, Reference

    try:
        Reference.parse(name)
    except InvalidReference:
        return False
    return True


def undefined_var(subject: Subject) -> Iterator[Found]:
    scopes: dict[int, _Scope] = {}
    wanted = {stage.index for stage in subject.stages}
    for stage in subject.file.stages:
        scope = scopes[stage.index] = _scope(subject, stage, scopes)
        for node in stage.instructions:
            missing = _missing(subject, node, scope.names) if node.keyword != "RUN" else ()
            for name in missing if stage.index in wanted else ():
                near = _near(name, scope.names)
                if near or scope.complete:
                    yield _undefined(subject, node, name, near)
            scope.add(subject, node)


def _undefined(subject: Subject, node: nodes.Instruction, name: str, near: str) -> Found:
    message = f"Usage of undefined variable '${name}'" + (f" (did you mean ${near}?)" if near else "")
    fix = f"Write ${near}." if near else f"Set it above with ARG {name} or ENV; \\$ is a plain dollar sign."
    return subject.found(node, message, fix, word=_place(node, name))


class _Scope:
    """The variables of one stage; `complete` tells whether no other can come from its base image."""

    def __init__(self, names: dict[str, str], complete: bool) -> None:
        self.names = names
        self.complete = complete

    def add(self, subject: Subject, node: nodes.Instruction) -> None:
        """What `node` sets is there for those below it."""
        if not isinstance(node, nodes.Env | nodes.Arg):
            return
        if "$" in node.raw:
            try:
                node = expand_node(subject.file, node, self.names).node
            except DockerfileError:
                return
        if isinstance(node, nodes.Env):
            self.names.update((str(pair.key), str(pair.value)) for pair in node.pairs)
        elif isinstance(node, nodes.Arg):
            around = subject.around
            for each in node.arguments:
                name = str(each.name)
                value = each.default if each.default is not None else around.variables.get(name)
                self.names[name] = around.given.get(name, str(value or ""))


def _scope(subject: Subject, stage: nodes.Stage, scopes: Mapping[int, _Scope]) -> _Scope:
    image, index = subject.base(stage)
    if index >= 0:
        return _Scope(dict(scopes[index].names), scopes[index].complete)
    names = {"PATH": ""}
    found = subject.image(image) if any("$" in node.raw for node in stage.instructions) else None
    if found is not None:
        names.update((name, value) for name, _, value in (entry.partition("=") for entry in found.env))
    return _Scope(names, found is not None or image == SCRATCH)


def _missing(subject: Subject, node: nodes.Instruction, variables: Mapping[str, str]) -> tuple[str, ...]:
    """The names in `node` that have no value, and no default written beside them."""
    bodies = getattr(node, "heredocs", ())
    if node.keyword not in EXPANDING or not ("$" in node.raw or any("$" in each.content for each in bodies)):
        return ()
    try:
        return expand_node(subject.file, node, variables).missing
    except DockerfileError:
        return ()  # the build says it better


def _near(name: str, known: Collection[str]) -> str:
    return suggestion(name, filter(None, known)) if len(known) <= _FEW else ""


def _place(node: nodes.Instruction, name: str) -> nodes.Word | None:
    """Where `name` stands in a one-line instruction, else None."""
    source = node.source
    for form in (f"${{{name}", f"${name}"):
        at = node.raw.find(form)
        if at >= 0 and source.first_line == source.last_line:
            return nodes.Word(form, source.first_line, source.column + at)
    return None


def secrets_used_in_arg_or_env(subject: Subject) -> Iterator[Found]:
    for stage in subject.stages:
        for node in stage.instructions:
            names: tuple[nodes.Word, ...] = ()
            if isinstance(node, nodes.Env):
                names = tuple(pair.key for pair in node.pairs)
            elif isinstance(node, nodes.Arg):
                names = tuple(each.name for each in node.arguments)
            for name in names:
                parts = set(name.lower().split("_"))
                if parts & _SECRET and not parts & _NO_SECRET:
                    message = "Do not use ARG or ENV instructions for sensitive data "
                    fix = f"Mount it where it is needed: RUN --mount=type=secret,id={name.lower()},env={name}"
                    yield subject.found(node, f"{message}({node.keyword} {quoted(name)})", fix, word=name)


def redundant_target_platform(subject: Subject) -> Iterator[Found]:
    for stage in subject.file.stages:
        platform = stage.base.platform
        if platform in _TARGET_PLATFORM:
            message = f"Setting platform to predefined {platform} in FROM is redundant as this is the "
            yield subject.found(
                stage.base, f"{message}default behavior", "Leave --platform out.", word=platform
            )


def from_platform_flag_const_disallowed(subject: Subject) -> Iterator[Found]:
    for stage in subject.file.stages:
        platform = stage.base.platform
        if not platform or "$" in platform:
            continue
        os, _, rest = platform.lower().partition("/")
        architecture = rest.partition("/")[0] or os
        if os not in stage.name and architecture not in stage.name:
            message = f"FROM --platform flag should not use constant value {quoted(platform)}"
            fix = "Choose it with `build --platform`, or name the stage after the platform."
            yield subject.found(stage.base, message, fix, word=platform)
