"""Plans against tests/golden/<case>/expected.plan; COWL_GOLDEN=write rewrites them."""

from __future__ import annotations

import pytest
from tests.unit.dockerfile.test_golden import cases, compare, read

from cowl.build.plan import BuildPlan, make_plan
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse
from cowl.oci.platform import Platform


def dump(plan: BuildPlan) -> str:
    lines = [f"{plan.steps} steps"]
    for stage in plan.stages:
        base = f"stage {stage.base_stage}" if stage.base_stage >= 0 else stage.image or "nothing"
        platform = f" for {stage.platform}" if stage.platform else ""
        lines.append(f"stage {stage.index} {stage.name!r}: #{stage.number} FROM {base}{platform}")
        for step in stage.steps:
            shown = f"#{step.number}" if step.number else "-"
            lines.append(f"  {shown} {step.node.keyword} (line {step.node.source.first_line})")
        lines += (f"  reads {name!r}: stage {index}" for name, index in stage.sources)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", cases("plan"))
def test_plan(case: str) -> None:
    platform = Platform("linux", "amd64")
    try:
        plan = make_plan(parse(read(case)), {}, target="", platform=platform, host=platform, network="host")
    except DockerfileError as error:
        return compare(case, "plan", f"error: {error.message}\nhint: {error.hint}\n")
    return compare(case, "plan", dump(plan))
