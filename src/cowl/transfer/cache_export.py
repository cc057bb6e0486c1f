"""Cache export: the steps of a build with their layers, for builds elsewhere."""

from __future__ import annotations

from cowl.caches import MAX, MIN, LocalCacheTarget, RegistryCacheTarget
from cowl.errors import CowlError, Invalid
from cowl.events import Exported, Warned
from cowl.oci.descriptor import Descriptor
from cowl.oci.manifest import Manifest
from cowl.oci.reference import Reference
from cowl.transfer.layer_blob import check_form
from cowl.transfer.layout_sink import REF_NAME, LayoutDirectory
from cowl.transfer.save import BlobWriter
from cowl.transfer.step_cache import MEDIA_TYPE, cache_document, exported, layers_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.caches import CacheTarget
    from cowl.config import Config
    from cowl.events import Emit
    from cowl.store.steps import BuiltStep
    from cowl.store.store import Store


class InvalidCacheTarget(Invalid):
    """A place or mode for a build cache that there is not. Field: target."""

    def __init__(self, target: CacheTarget, why: str) -> None:
        super().__init__(why)
        self.target = target


def check_target(target: CacheTarget) -> None:
    """Raises Invalid kinds for a target that can't be written to, before anything is built."""
    if not isinstance(target, LocalCacheTarget | RegistryCacheTarget):
        return
    check_form(target.blobs)
    if target.mode not in (MIN, MAX):
        raise InvalidCacheTarget(target, f"a build cache has no mode {target.mode!r}: there are min and max")
    if isinstance(target, RegistryCacheTarget):
        Reference.parse(target.ref)
    else:
        Reference("localhost", "cache").with_tag(target.tag)


def export_cache(
    target: CacheTarget, steps: Sequence[BuiltStep], *, store: Store, config: Config, emit: Emit
) -> None:
    """Writes a cache. With `ignore_error` what fails is only warned of. Emits Exported.

    Raises LayoutExists, LayerChanged, OSError, and what a push raises.
    """
    if not isinstance(target, LocalCacheTarget | RegistryCacheTarget):
        return
    chosen = exported(steps, all_stages=target.mode == MAX)
    try:
        if isinstance(target, LocalCacheTarget):
            _to_directory(target, chosen, store, emit)
        else:
            _to_registry(target, chosen, store, config, emit)
    except (CowlError, OSError) as problem:
        if not target.ignore_error:
            raise
        emit(Warned(f"the build cache was not exported: {problem}"))


def _to_directory(target: LocalCacheTarget, steps: Sequence[BuiltStep], store: Store, emit: Emit) -> None:
    sink = LayoutDirectory(target.dest)
    writer = BlobWriter(store, sink, target.blobs)
    layers = [writer.layer(layer) for layer in layers_of(steps)]
    manifest = Manifest.make(writer.document(cache_document(steps), MEDIA_TYPE), layers)
    entry = writer.document(manifest.raw, manifest.media_type)
    sink.close([entry.replace(annotations=((REF_NAME, target.tag),))], [])
    emit(Exported("cache-local", target.dest, *_told(manifest)))


def _to_registry(
    target: RegistryCacheTarget, steps: Sequence[BuiltStep], store: Store, config: Config, emit: Emit
) -> None:
    from cowl.registry.client import Client
    from cowl.transfer.push import Pushing

    reference = Reference.parse(target.ref).with_default_tag()
    with Client(config, emit=emit) as client:
        pushing = Pushing(client.to_push(reference), reference, store, emit, target.blobs)
        layers = [pushing.layer(layer) for layer in layers_of(steps)]
        manifest = Manifest.make(pushing.document(cache_document(steps), MEDIA_TYPE), layers)
        pushing.manifest(manifest)
    emit(Exported("cache-registry", reference.familiar, *_told(manifest)))


def _told(manifest: Manifest) -> tuple[str, str, int]:
    found = Descriptor(manifest.media_type, manifest.digest, len(manifest.raw))
    return str(found.digest), found.media_type, found.size
