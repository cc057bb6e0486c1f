"""Which runtime a name means."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config
    from cowl.runtime.protocol import Runtime

EMBEDDED = "embedded"


def runtime_for(config: Config, name: str = "") -> Runtime:
    """The runtime of that name, "" for the configuration's. Raises UnknownRuntime, RuntimeMissing."""
    name = name or config.runtime
    if name in ("", EMBEDDED):
        from cowl.runtime.embedded import EmbeddedRuntime

        return EmbeddedRuntime()
    from cowl.runtime.external.program import find_program
    from cowl.runtime.external.runtime import ExternalRuntime

    return ExternalRuntime(find_program(name, config.path))
