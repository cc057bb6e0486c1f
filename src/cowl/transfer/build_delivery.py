"""The delivery of a build with outputs or caches of its own: what `cowl.build.delivery` asks for."""

from __future__ import annotations

from cowl.events import Exported
from cowl.oci.reference import Reference
from cowl.outputs import CacheOnlyOutput, ImageOutput, keeps_image
from cowl.transfer.export import InvalidOutput, check_output, export

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

    def __init__(
        self,
        outputs: tuple[Output, ...],
        tags: tuple[str, ...],
        *,
        store: Store,
        config: Config,
        emit: Emit,
    ) -> None:
        for output in outputs:
            check_output(output)
            if isinstance(output, ImageOutput) and output.push and not (output.names or tags):
                hint = "Give the image a name: -t, or name= in the output."
                raise InvalidOutput(output, "tag is needed when pushing to registry", hint)
        self._outputs = outputs
        self._tags = tags
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

    def published(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:  # noqa: ARG002
        """Pushes the image under the names of each output that says so."""
        for output in self._outputs:
            if isinstance(output, ImageOutput) and output.push:
                for name in output.names or self._tags:
                    self._push(output, image, Reference.parse(name).with_default_tag())

    def _push(self, output: ImageOutput, image: ImageRecord, reference: Reference) -> None:
        from cowl.transfer.push import push

        pushed = push(
            image,
            reference,
            store=self._store,
            config=self._config,
            emit=self._emit,
            form=output.blobs,
            annotations=output.annotations,
        )
        digests = (reference.with_digest(pushed.digest),)
        self._store.images.add(image.config_bytes, image.layer_keys, repo_digests=digests)
        told = (str(pushed.digest), pushed.media_type, pushed.size, (str(reference),))
        self._emit(Exported("registry", str(reference), *told))
