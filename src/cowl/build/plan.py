"""The plan: which stages have to be built, on what, with which steps. Pure: an AST and arguments to data."""

from __future__ import annotations

from cowl.build.named_contexts import NamedContexts
from cowl.build.refusals import check_supported
from cowl.build.stage_graph import StageGraph
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError, error_at, quoted, suggestion
from cowl.dockerfile.scope import expand_node
from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """One instruction of a stage, its variables not yet in. `number` is 0 for what makes no files.

    `file` is what it was read from when that is not the Dockerfile but an ONBUILD trigger.
    """

    number: int
    node: Instruction
    file: Dockerfile | None = None


class StagePlan(Value):
    """One stage to build.

    image       reference of the base image or name of the context, "" when it is another stage or empty
    base_stage  index of the stage that it starts from, or -1
    platform    of the base image as text, "" for the default
    number      of its FROM among the numbered steps
    sources     (as written, index of the stage) of its COPY --from; -1 for an image or named context
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
    contexts: NamedContexts | None = None,
) -> BuildPlan:
    """The plan of a build. Raises DockerfileError, UnknownTarget.

    `given` are the build arguments; what is not supported is refused in the stages that are needed.
    """
    wanted = _target(file, target)
    inherited = _global_variables(file, given, _platform_variables(platform, host, target))
    graph = StageGraph(file, inherited, contexts or NamedContexts(()))
    plans, number = [], 0
    for index in graph.order(wanted):
        plan = _stage_plan(file, file.stages[index], graph, number + 1, network)
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


def _stage_plan(
    file: Dockerfile, stage: nodes.Stage, graph: StageGraph, number: int, network: str
) -> StagePlan:
    base = graph.base(stage)
    if graph.replaced(stage):
        return StagePlan(stage.index, stage.name, base, stage.name, -1, str(base.platform), number, ())
    if not base.image:
        raise error_at(
            file, stage.base, f"the base name ({stage.base.image}) is empty", word=stage.base.image
        )
    base_stage = graph.base_stage(stage)
    return StagePlan(
        index=stage.index,
        name=stage.name,
        node=base,
        image="" if base_stage >= 0 or base.image == SCRATCH else str(base.image),
        base_stage=base_stage,
        platform=str(base.platform),
        number=number,
        steps=_steps(file, stage, graph, number, network),
        sources=graph.sources(stage),
    )


def _steps(
    file: Dockerfile, stage: nodes.Stage, graph: StageGraph, number: int, network: str
) -> tuple[Step, ...]:
    """The triggers of the stage below and the instructions of this one, those that make files numbered."""
    found: list[tuple[Dockerfile | None, Instruction]] = [(None, node) for node in stage.instructions]
    triggers = graph.triggers(stage)
    if triggers:
        from cowl.build.triggers import parse_triggers

        found[:0] = parse_triggers([node.trigger for node in triggers], f"stage {graph.base(stage).image}")
    steps = []
    for origin, node in found:
        check_supported(origin or file, node, network)
        shown = makes_files(node)
        number += shown
        steps.append(Step(number if shown else 0, node, origin))
    return tuple(steps)


def makes_files(node: Instruction) -> bool:
    """Whether an instruction is a step that is shown and has a number."""
    return isinstance(node, _FILE_STEPS)


def _unused(file: Dockerfile, given: Mapping[str, str], inherited: Mapping[str, str]) -> tuple[str, ...]:
    declared = {
        str(each.name) for node in file.instructions if isinstance(node, nodes.Arg) for each in node.arguments
    }
    own = [name for name in given if name.lower() in PROXIES or name.startswith("BUILDKIT_")]
    known = {*declared, *inherited, *own, "SOURCE_DATE_EPOCH"}
    return tuple(sorted(name for name in given if name not in known))
