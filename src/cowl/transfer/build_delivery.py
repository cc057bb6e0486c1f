"""The delivery of a build with outputs or caches of its own: what `cowl.build.delivery` asks for."""

from __future__ import annotations

from cowl.outputs import CacheOnlyOutput, keeps_image
from cowl.transfer.export import check_output, export

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.config import Config
    from cowl.events import Emit
    from cowl.outputs import Output
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.steps import BuiltStep
    from cowl.store.store import Store


class BuildDelivery:
    """Carries out `outputs`. Raises Invalid kinds when one of them can't be, before anything is built."""

    def __init__(self, outputs: tuple[Output, ...], *, store: Store, config: Config, emit: Emit) -> None:
        for output in outputs:
            check_output(output)
        self._outputs = outputs
        self._store = store
        self._config = config
        self._emit = emit

    @property
    def wants_layers(self) -> bool:
        """Whether anything but the store gets them."""
        return not all(isinstance(output, CacheOnlyOutput) for output in self._outputs)

    @property
    def keeps_image(self) -> bool:
        """Whether one of the outputs is an image."""
        return keeps_image(self._outputs)

    def bring(self, key: str, layers: Sequence[Layer]) -> tuple[str, str] | None:  # noqa: ARG002
        """Nothing is ever found."""
        return None

    def config(self, raw: bytes, steps: Sequence[BuiltStep]) -> bytes:  # noqa: ARG002
        """As it is."""
        return raw

    def deliver(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:  # noqa: ARG002
        """Writes the outputs of files, in the order given."""
        for output in self._outputs:
            export(output, image, self._store, self._emit)

    def published(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:
        """Nothing."""
