"""The plan: which stages have to be built, on what, with which steps. Pure: an AST and arguments to data."""

from __future__ import annotations

from cowl.build.refusals import check_supported
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError, error_at, quoted, suggestion
from cowl.dockerfile.scope import expand_node
from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cowl.dockerfile.nodes import Dockerfile, From, Instruction
    from cowl.oci.platform import Platform

SCRATCH = "scratch"
_FILE_STEPS = (nodes.Run, nodes.Copy, nodes.Add, nodes.Workdir)
# Given without being declared, these reach RUN and nothing else: not the image, not the cache keys.
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


class UnknownTarget(Invalid):
    """The stage to build is not in the Dockerfile. Field: target."""

    def __init__(self, file: Dockerfile, target: str) -> None:
        names = [stage.name for stage in file.stages if stage.name]
        near = suggestion(target, names)
        known = f"The stages are: {', '.join(names)}." if names else "Its stages have no names, only numbers."
        super().__init__(
            f"target stage {quoted(target)} could not be found in {file.path}",
            hint=f"Did you mean {near}?" if near else known,
        )
        self.target = target


class Step(Value):
    """One instruction of a stage, its variables not yet in. `number` is 0 for what makes no files."""

    number: int
    node: Instruction


class StagePlan(Value):
    """One stage to build.

    image       reference of the base image, "" when it is another stage or empty
    base_stage  index of the stage that it starts from, or -1
    platform    of the base image as text, "" for the default
    number      of its FROM among the numbered steps
    sources     indexes of the stages that its COPY --from read
    """

    index: int
    name: str
    node: From
    image: str
    base_stage: int
    platform: str
    number: int
    steps: tuple[Step, ...]
    sources: tuple[tuple[str, int], ...] = ()


class BuildPlan(Value):
    """What to do: `stages` in order, the target last; `steps` counts all numbered ones.

    inherited  name to value: what `ARG name` without a default takes over in a stage
    unused     names of build arguments that nothing declares
    """

    stages: tuple[StagePlan, ...]
    steps: int
    inherited: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]


def make_plan(
    file: Dockerfile,
    given: Mapping[str, str],
    *,
    target: str,
    platform: Platform,
    host: Platform,
    network: str,
) -> BuildPlan:
    """The plan of a build. Raises DockerfileError, UnknownTarget.

    `given` are the build arguments; what is not supported is refused in the stages that are needed.
    """
    wanted = _target(file, target)
    inherited = _global_variables(file, given, _platform_variables(platform, host, target))
    needed = _needed(file, wanted, inherited)
    plans, number = [], 0
    for stage in file.stages:
        if stage.index in needed:
            plan = _stage_plan(file, stage, inherited, number + 1, network)
            number += 1 + sum(1 for step in plan.steps if step.number)
            plans.append(plan)
    return BuildPlan(
        stages=tuple(plans),
        steps=number,
        inherited=tuple(inherited.items()),
        unused=_unused(file, given, inherited),
    )


def default_variables(file: Dockerfile, platform: Platform, host: Platform, target: str) -> dict[str, str]:
    """What FROM sees when no build argument is given. An ARG that can't be expanded ends it."""
    variables = _platform_variables(platform, host, target)
    try:
        return _global_variables(file, {}, variables)
    except DockerfileError:
        return variables


def _target(file: Dockerfile, target: str) -> int:
    if not target:
        return len(file.stages) - 1
    for stage in reversed(file.stages):
        if stage.name == target.lower():
            return stage.index
    if target.isdecimal() and int(target) < len(file.stages):
        return int(target)
    raise UnknownTarget(file, target)


def _platform_variables(platform: Platform, host: Platform, target: str) -> dict[str, str]:
    """The ARGs that are always there before the first FROM."""
    variables = {}
    for prefix, each in (("BUILD", host), ("TARGET", platform)):
        variables[f"{prefix}PLATFORM"] = str(each)
        variables[f"{prefix}OS"] = each.os
        variables[f"{prefix}OSVERSION"] = each.os_version
        variables[f"{prefix}ARCH"] = each.architecture
        variables[f"{prefix}VARIANT"] = each.variant
    variables["TARGETSTAGE"] = target or "default"
    return variables


def _global_variables(
    file: Dockerfile, given: Mapping[str, str], variables: dict[str, str]
) -> dict[str, str]:
    """Those and the ARGs before the first FROM, each of which sees the ones above it."""
    variables.update((name, given[name]) for name in variables if name in given)
    for node in file.global_args:
        for each in node.arguments:
            if each.name in given:
                variables[str(each.name)] = given[each.name]
            elif each.default is not None:
                expanded = expand_node(file, node.replace(arguments=(each,)), variables).node
                assert isinstance(expanded, nodes.Arg)
                variables[str(each.name)] = str(expanded.arguments[0].default)
    return variables


def _needed(file: Dockerfile, wanted: int, variables: Mapping[str, str]) -> set[int]:
    """The target and all stages that it is made from."""
    needed: set[int] = set()
    pending = [wanted]
    while pending:
        index = pending.pop()
        if index not in needed:
            needed.add(index)
            stage = file.stages[index]
            base = _stage_named(file, str(_from(file, stage.base, variables).image), index)
            pending += [index for _, index in _copy_sources(file, stage)]
            pending += [base] if base >= 0 else []
    return needed


def _stage_plan(
    file: Dockerfile, stage: nodes.Stage, variables: Mapping[str, str], number: int, network: str
) -> StagePlan:
    base = _from(file, stage.base, variables)
    if not base.image:
        raise error_at(
            file, stage.base, f"the base name ({stage.base.image}) is empty", word=stage.base.image
        )
    base_stage = _stage_named(file, str(base.image), stage.index)
    image = "" if base_stage >= 0 or base.image == SCRATCH else str(base.image)
    steps, count = [], number
    for node in stage.instructions:
        check_supported(file, node, network)
        shown = isinstance(node, _FILE_STEPS)
        count += shown
        steps.append(Step(count if shown else 0, node))
    sources = tuple(_copy_sources(file, stage))
    return StagePlan(
        index=stage.index,
        name=stage.name,
        node=base,
        image=image,
        base_stage=base_stage,
        platform=str(base.platform),
        number=number,
        steps=tuple(steps),
        sources=sources,
    )


def _from(file: Dockerfile, node: From, variables: Mapping[str, str]) -> From:
    expanded = expand_node(file, node, variables).node
    assert isinstance(expanded, nodes.From)
    return expanded


def _stage_named(file: Dockerfile, name: str, before: int) -> int:
    """The last stage of that name above the stage `before`, or -1."""
    for stage in reversed(file.stages[:before]):
        if stage.name and stage.name == name.lower():
            return stage.index
    return -1


def _copy_sources(file: Dockerfile, stage: nodes.Stage) -> Iterable[tuple[str, int]]:
    """(as written, index of the stage) of each COPY --from."""
    for node in stage.instructions:
        if isinstance(node, nodes.Copy) and node.from_:
            yield str(node.from_), _copy_source(file, node, stage.index)


def _copy_source(file: Dockerfile, node: nodes.Copy, here: int) -> int:
    name = str(node.from_)
    index = _stage_named(file, name, here)
    if index < 0 and name.isdecimal() and int(name) < here:
        index = int(name)
    if index < 0:
        near = suggestion(name, [stage.name for stage in file.stages[:here] if stage.name])
        raise error_at(
            file,
            node,
            f"no stage above is called {quoted(name)}; COPY --from an image is not supported"
            " by this version of cowl",
            word=node.from_,
            hint=f"Did you mean {near}?"
            if near
            else "Make it a stage: FROM IMAGE AS NAME, then COPY --from=NAME.",
        )
    return index


def _unused(file: Dockerfile, given: Mapping[str, str], inherited: Mapping[str, str]) -> tuple[str, ...]:
    declared = {
        str(each.name) for node in file.instructions if isinstance(node, nodes.Arg) for each in node.arguments
    }
    own = [name for name in given if name.lower() in PROXIES or name.startswith("BUILDKIT_")]
    known = {*declared, *inherited, *own, "SOURCE_DATE_EPOCH"}
    return tuple(sorted(name for name in given if name not in known))
