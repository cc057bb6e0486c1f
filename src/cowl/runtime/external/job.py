"""Jobs for a keeper whose container another runtime makes, and how they travel in JSON."""

from __future__ import annotations

import os

from cowl.linux.process import ProcessId
from cowl.linux.root_mount import RootMount
from cowl.runtime.external.plan import ExternalPlan, external_process, plan_external
from cowl.runtime.external.program import Program
from cowl.runtime.plan import limits_of, owner_of
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.runtime.external.making import ExternalExecMaking, ExternalMaking
    from cowl.runtime.operations import Limit


class ExternalJob(Value):
    """A container; see making.Job."""

    plan: ExternalPlan
    pauses: bool = False
    init: ProcessId | None = None
    passing: bool = False
    timeout: float = 0

    def making(
        self,
        settle: Callable[[tuple[int, int]], tuple[int, int]] | None = None,  # noqa: ARG002  # nothing of ours lives on
        on_namespaces: Callable[[int], None] | None = None,
    ) -> ExternalMaking:
        """See Job."""
        from cowl.runtime.external.making import ExternalMaking

        return ExternalMaking(self, on_namespaces)


class ExternalExec(Value):
    """One more process in the container `id`, whose state is below `directory`."""

    program: Program
    id: str
    directory: str
    rung: str
    process: dict[str, Any]
    limits: tuple[Limit, ...]
    owner: tuple[int, ...]
    init: ProcessId
    pauses: bool = False
    passing: bool = False
    timeout: float = 0

    def making(
        self,
        settle: Callable[[tuple[int, int]], tuple[int, int]] | None = None,  # noqa: ARG002
        on_namespaces: Callable[[int], None] | None = None,  # noqa: ARG002  # they are there
    ) -> ExternalExecMaking:
        """See Job."""
        from cowl.runtime.external.making import ExternalExecMaking

        return ExternalExecMaking(self)


def read_external_job(job: dict[str, Any]) -> ExternalJob | ExternalExec:
    """The inverse of what ExternalRuntime sends. Raises UnsupportedSpec, ProtectedTarget."""
    program, rung = Program(*job["program"]), job["rung"]
    identity, directory = job["id"], job["directory"]
    if "spec" not in job:
        process = job["process"]
        owner = owner_of(process, rung, mapped=job["mapped"])
        init = ProcessId(*job["init"])
        return ExternalExec(
            program,
            identity,
            directory,
            rung,
            external_process(process, rung),
            limits_of(process),
            owner,
            init,
        )
    spec = job["spec"]
    root = RootMount(tuple(job["lowers"]), job["upper"], job["work"])
    owner = owner_of(spec["process"], rung, mapped=job["mapped"])
    ids = os.geteuid(), os.getegid()
    unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    todo = plan_external(spec, root, rung, program, identity, directory, owner, *ids, unified=unified)
    return ExternalJob(todo, job["pauses"], timeout=job["timeout"])
