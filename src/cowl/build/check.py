"""check: the Dockerfile looked over, before a build and instead of one."""

from __future__ import annotations

import time

from cowl.build.plan import default_variables
from cowl.dockerfile.checks.check import check
from cowl.dockerfile.checks.subject import BaseImage, Surroundings
from cowl.errors import CowlError, Invalid
from cowl.events import CheckWarned
from cowl.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cowl.build.plan import BuildPlan
    from cowl.build.request import BuildRequest
    from cowl.config import Config
    from cowl.dockerfile.checks.finding import Finding
    from cowl.dockerfile.checks.options import CheckOptions
    from cowl.dockerfile.ignore import Matcher
    from cowl.dockerfile.nodes import Dockerfile
    from cowl.events import Emit
    from cowl.store.store import Store

_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"


class ChecksFailed(Invalid):
    """`check=error=true`, and there are findings. Field: findings."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        rules = ", ".join(sorted({each.rule for each in findings}))
        shown = "\n".join(each.text for each in findings)
        hint = "The directive check=error=true turns warnings into this error."
        super().__init__(f"lint violation found for rules: {rules}\n{shown}", hint=hint)
        self.findings = findings


def warn(
    file: Dockerfile,
    plan: BuildPlan,
    given: Mapping[str, str],
    platform: Platform,
    store: Store,
    ignore: Matcher | None,
    emit: Emit,
) -> None:
    """Says what BuildKit's checks find in the stages of a plan. Raises ChecksFailed, BadCheckOption."""
    options = _options(file, given)
    around = _surroundings(file, given, dict(plan.inherited), platform, store, ignore)
    findings = check(file, around, options, stages=frozenset(stage.index for stage in plan.stages))
    for each in findings:
        emit(CheckWarned(each.rule, each.message, each.line, each.text, each.fix))
    if findings and options is not None and options.error:
        raise ChecksFailed(findings)


def check_dockerfile(
    request: BuildRequest,
    store: Store,
    *,
    config: Config | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[Finding, ...]:
    """What is wrong or odd in the Dockerfile of a request, in the order of the places. Builds nothing.

    What would make the build fail before its first step is a finding of severity "error" and no rule.
    Raises NoContext, NoDockerfile and what else keeps the files from being read; BadCheckOption.
    """
    from cowl.build.definition import read_definition
    from cowl.build.named_contexts import NamedContexts
    from cowl.build.opening import open_context, remotes_for
    from cowl.build.plan import make_plan
    from cowl.dockerfile.diagnostics import DockerfileError
    from cowl.dockerfile.ignore import parse_ignore
    from cowl.dockerfile.parser import parse

    given = {name: value for name, value in request.build_args if value is not None}
    host = Platform.host()
    platform = Platform.parse(request.platform) if request.platform else host
    with remotes_for(request, store, config, clock) as remotes, open_context(request, remotes) as context:
        definition = read_definition(context, request.dockerfile)
    text, name, ignored = definition.text, definition.name, definition.ignored
    errors: list[Finding] = []
    try:
        ignore = parse_ignore(ignored[1], ignored[0]) if ignored is not None else None
        file = parse(text, name)
    except DockerfileError as error:
        return (_error(error, name),)
    variables = default_variables(file, platform, host, request.target)
    try:
        plan = make_plan(
            file,
            given,
            target=request.target,
            platform=platform,
            host=host,
            network=request.network,
            contexts=NamedContexts(request.build_contexts),
        )
        variables = dict(plan.inherited)
    except Invalid as error:
        errors.append(_error(error, name))
    around = _surroundings(file, given, variables, platform, store, ignore)
    return (*errors, *check(file, around, _options(file, given), advice=True))


def _options(file: Dockerfile, given: Mapping[str, str]) -> CheckOptions | None:
    """The build argument if there is one, else the directive."""
    if _ARGUMENT not in given and not file.directives.check:
        return None
    from cowl.dockerfile.checks.options import parse_check_options

    if _ARGUMENT in given:
        return parse_check_options(given[_ARGUMENT], f"the build argument {_ARGUMENT}")
    return parse_check_options(file.directives.check, f"the directive check of {file.path}")


def _surroundings(
    file: Dockerfile,
    given: Mapping[str, str],
    variables: Mapping[str, str],
    platform: Platform,
    store: Store,
    ignore: Matcher | None,
) -> Surroundings:
    return Surroundings(
        given=given,
        variables=variables,
        defaults=lambda: default_variables(file, platform, Platform.host(), ""),
        platform=platform,
        image_of=lambda name: _image(store, name),
        ignore=ignore,
    )


def _image(store: Store, name: str) -> BaseImage | None:
    """What the store knows of an image; None for one that would have to be pulled."""
    from cowl.oci.image_config import ImageConfig

    try:
        config = ImageConfig.parse(store.images.find(name).config_bytes)
    except CowlError:
        return None
    platform = Platform.make(config.os, config.architecture, config.variant)
    return BaseImage(platform, config.config.env, config.config.shell is not None)


def _error(error: Invalid, path: str) -> Finding:
    from cowl.dockerfile.checks.finding import ERROR, Finding
    from cowl.dockerfile.diagnostics import DockerfileError

    if not isinstance(error, DockerfileError):
        return Finding("", error.message, path, 1, 1, 1, fix=error.hint, severity=ERROR)
    return Finding(
        rule="",
        message=error.reason,
        path=error.path,
        line=error.line,
        column=error.column,
        last_line=error.line,
        length=error.length,
        excerpt=error.excerpt,
        fix=error.hint,
        severity=ERROR,
    )
