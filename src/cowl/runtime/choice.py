"""Which runtime a configuration means."""

from __future__ import annotations

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config
    from cowl.runtime.protocol import Runtime


def runtime_for(config: Config) -> Runtime:
    """The runtime that `config.runtime` names. Raises Invalid for one that there is not."""
    if config.runtime != "embedded":
        raise Invalid(f"unknown runtime {config.runtime!r}", hint="cowl has the runtime 'embedded'")
    from cowl.runtime.embedded import EmbeddedRuntime

    return EmbeddedRuntime()
