"""Tasks: steps that make files, fully decided: variables in, sources found; nothing made yet."""

from __future__ import annotations

from cowl.build.alone import Alone
from cowl.build.run_settings import RunSettings
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.build.context import Context
    from cowl.build.crew import Crew
    from cowl.build.keys import StepInputs
    from cowl.build.named_contexts import NamedContexts
    from cowl.build.remote.remotes import Remotes
    from cowl.build.state import State
    from cowl.dockerfile.nodes import Dockerfile, Instruction
    from cowl.events import Emit
    from cowl.oci.platform import Platform


class Ground(Value):
    """What all steps of a build stand on.

    contexts       what takes the place of images and stages of their names
    given          the build arguments that have a value
    settings       what the caller says about RUNs
    platform       what the image is for
    base_platform  the same if the caller asked for it, else None: any base that is there will do
    origin         what tells this Dockerfile in this context from others on this machine; never shown
    epoch          the time (seconds) that a reproducible build knows, see `cowl.build.epoch`
    crew           what takes long asks it now and then whether it shall end
    remotes        where ADD gets what is not in the context; None: nowhere
    """

    file: Dockerfile
    context: Context
    given: Mapping[str, str]
    platform: Platform
    base_platform: Platform | None
    network: str
    emit: Emit
    contexts: NamedContexts
    origin: str = ""
    epoch: int | None = None
    crew: Alone | Crew = Alone()
    remotes: Remotes | None = None
    settings: RunSettings = RunSettings()


class Task(Value):
    """What to do. `state` is what holds behind it, but for the new layer and the history entry `history`.

    inputs   what the cache knows the step by; None when there is nothing to do
    """

    state: State
    node: Instruction
    inputs: StepInputs | None
    history: str

    @property
    def detached(self) -> bool:
        """Whether the layer is made as if nothing were below it (--link)."""
        return False
