"""crun or runc as cowl's runtime: the same keepers and launchers, who have the program make the container."""

from __future__ import annotations

from cowl.runtime.embedded import EmbeddedRuntime
from cowl.runtime.external.making import clear_away

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.runtime.external.program import Program


class ExternalRuntime(EmbeddedRuntime):
    """See protocol.Runtime. The program protects itself from being overwritten by what it starts."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program

    def release(self, identity: str, directory: str) -> None:
        """See protocol.Runtime."""
        clear_away(self._program, directory, identity)

    def _dressed(self, job: dict[str, Any], identity: str, directory: str) -> dict[str, Any]:
        """See EmbeddedRuntime."""
        program = [*self._program.as_dict().values()]
        return {**job, "program": program, "id": identity, "directory": directory}
