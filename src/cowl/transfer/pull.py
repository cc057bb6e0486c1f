"""Pull: a reference to an image in the store, every byte verified on the way."""

from __future__ import annotations

from cowl.errors import Invalid, NotFound
from cowl.events import PullFinished, PullStarted, Warned
from cowl.oci import media_types
from cowl.oci.digest import chain_id
from cowl.oci.image_config import ImageConfig
from cowl.oci.platform import Platform
from cowl.registry.client import Client
from cowl.transfer.fetch import Fetch, LayerJob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config
    from cowl.events import Emit
    from cowl.oci.manifest import Manifest
    from cowl.oci.reference import Reference
    from cowl.registry.client import Resolved
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store


class NotAnImage(Invalid):
    """What the reference names is no Linux image but a chart, a signature, ... Fields: name, why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is not an image that can be pulled: {why}")
        self.name = name
        self.why = why


class PlatformMismatch(NotFound):
    """The image exists, but only for another platform. Fields: name, wanted, offered."""

    def __init__(self, name: str, wanted: Platform, offered: Platform) -> None:
        super().__init__(
            f"image {name} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {offered}"
        )
        self.wanted = wanted
        self.offered = offered


def pull(
    reference: Reference, platform: Platform | None, *, store: Store, config: Config, emit: Emit
) -> ImageRecord:
    """The image that `reference` names at its registry, put into the store under that name.

    `platform` None means this machine's. Layers that the store has are not fetched. One transaction
    publishes the image; before it, and after any failure, nothing of the pull is to be seen. Raises the
    errors of registry.client, of layer.unpack and of the store, DiffIdMismatch, NotAnImage and
    PlatformMismatch. Emits PullStarted, BlobProgress, PullFinished.
    """
    reference = reference.with_default_tag()
    with Client(config, emit=emit) as client:
        resolved = client.resolve(reference, platform or Platform.host())
        check_types(reference.familiar, resolved.manifest)
        known = _known(store, resolved)
        config_bytes = known.config_bytes if known else client.fetch_config(resolved)
        image = ImageConfig.parse(config_bytes)
        check_config(reference.familiar, image, resolved.manifest, platform, emit)
        layers = tuple((str(layer.digest), layer.size) for layer in resolved.manifest.layers)
        emit(PullStarted(str(reference), resolved.digest, layers))
        with store.lease("pull") as lease:
            fetch = Fetch(store, lease, lambda blob: client.open_blob(reference, blob), emit)
            keys = fetch.run(jobs_of(image, resolved.manifest))
            record = _add(store, config_bytes, keys, resolved)
        store.manifests.keep(record.id, resolved.manifest)
    fresh = known is None or (known.references, known.repo_digests) != (
        record.references,
        record.repo_digests,
    )
    emit(PullFinished(str(reference), resolved.digest, record.id, fresh))
    return record


def _add(store: Store, config_bytes: bytes, keys: tuple[str, ...], resolved: Resolved) -> ImageRecord:
    """A pull by digest gives no name, as for Docker: a digest is what a name may move away from."""
    reference = resolved.reference
    names = () if reference.digest else (reference,)
    digests = (reference.with_digest(resolved.digest),)
    return store.images.add(config_bytes, keys, references=names, repo_digests=digests, action="pull")


def _known(store: Store, resolved: Resolved) -> ImageRecord | None:
    try:
        return store.images.get(resolved.manifest.config.digest)
    except NotFound:
        return None


def check_types(name: str, manifest: Manifest) -> None:
    """Raises NotAnImage for what is no image of layers: a chart, a signature, ..."""
    if manifest.config.media_type not in media_types.CONFIGS:
        raise NotAnImage(name, f"its config is of type {manifest.config.media_type[:100]!r}")
    for layer in manifest.layers:
        if not media_types.is_layer(layer.media_type):
            raise NotAnImage(name, f"it has a layer of type {layer.media_type[:100]!r}")


def check_config(
    name: str, image: ImageConfig, manifest: Manifest, platform: Platform | None, emit: Emit
) -> None:
    """Raises NotAnImage, PlatformMismatch when config and manifest don't fit each other or the request."""
    if len(image.diff_ids) != len(manifest.layers):
        raise NotAnImage(
            name, f"its config names {len(image.diff_ids)} layers, its manifest {len(manifest.layers)}"
        )
    offered = image.platform
    if offered.os != "linux":
        raise NotAnImage(name, f'image operating system "{offered.os[:40]}" cannot be used on this platform')
    if (platform or Platform.host()).matches(offered):
        return
    if platform:
        raise PlatformMismatch(name, platform, offered)
    emit(Warned(f"{name} is for {offered}, this machine is {Platform.host()}"))


def jobs_of(image: ImageConfig, manifest: Manifest) -> list[LayerJob]:
    """What has to be fetched of an image."""
    return [
        LayerJob(index, layer, diff_id, chain_id(image.diff_ids[:index]) if index else "")
        for index, (layer, diff_id) in enumerate(zip(manifest.layers, image.diff_ids, strict=True))
    ]
