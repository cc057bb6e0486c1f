"""The delivery of a build with outputs or caches of its own: what `cowl.build.delivery` asks for."""

from __future__ import annotations

from cowl.caches import InlineCacheTarget
from cowl.events import Exported
from cowl.oci.reference import Reference
from cowl.outputs import CacheOnlyOutput, ImageOutput, keeps_image
from cowl.transfer.cache_export import check_target, export_cache
from cowl.transfer.cache_import import ImportedCache
from cowl.transfer.export import InvalidOutput, check_output, export
from cowl.transfer.step_cache import exported, with_inline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.caches import CacheSource, CacheTarget
    from cowl.config import Config
    from cowl.events import Emit
    from cowl.outputs import Output
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.steps import BuiltStep
    from cowl.store.store import Store


class BuildDelivery:
    """Carries out `outputs`, `cache_from` and `cache_to`.

    Raises Invalid kinds when one of them can't be carried out, before anything is built.
    """

    def __init__(
        self,
        outputs: tuple[Output, ...],
        tags: tuple[str, ...],
        *,
        cache_from: tuple[CacheSource, ...] = (),
        cache_to: tuple[CacheTarget, ...] = (),
        store: Store,
        config: Config,
        emit: Emit,
    ) -> None:
        for output in outputs:
            check_output(output)
            if isinstance(output, ImageOutput) and output.push and not (output.names or tags):
                hint = "Give the image a name: -t, or name= in the output."
                raise InvalidOutput(output, "tag is needed when pushing to registry", hint)
        for target in cache_to:
            check_target(target)
        self._outputs = outputs
        self._tags = tags
        self._sources = [
            ImportedCache(source, store=store, config=config, emit=emit) for source in cache_from
        ]
        self._targets = cache_to
        self._store = store
        self._config = config
        self._emit = emit

    @property
    def wants_layers(self) -> bool:
        """Whether anything but the store gets them."""
        plain = all(isinstance(output, CacheOnlyOutput) for output in self._outputs)
        return not plain or bool(self._targets)

    @property
    def keeps_image(self) -> bool:
        """Whether one of the outputs is an image."""
        return keeps_image(self._outputs)

    def bring(self, key: str, layers: Sequence[Layer]) -> tuple[str, str] | None:
        """Asks the named caches in the order given."""
        for source in self._sources:
            found = source.bring(key, layers)
            if found:
                return found, source.name
        return None

    def config(self, raw: bytes, steps: Sequence[BuiltStep]) -> bytes:
        """As it is, or with an inline cache."""
        if not any(isinstance(target, InlineCacheTarget) for target in self._targets):
            return raw
        return with_inline(raw, exported(steps, all_stages=False))

    def close(self) -> None:
        """Ends connections. Idempotent."""
        for source in self._sources:
            source.close()

    def deliver(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:  # noqa: ARG002
        """Writes the outputs of files, in the order given."""
        for output in self._outputs:
            export(output, image, self._store, self._emit)

    def published(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:
        """Pushes the image under the names of each output that says so, then exports the caches."""
        for output in self._outputs:
            if isinstance(output, ImageOutput) and output.push:
                for name in output.names or self._tags:
                    self._push(output, image, Reference.parse(name).with_default_tag())
        for target in self._targets:
            export_cache(target, steps, store=self._store, config=self._config, emit=self._emit)

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
