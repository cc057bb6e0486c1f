"""Push: an image of the store to a repository. What the registry has is not sent again."""

from __future__ import annotations

from cowl.errors import Unavailable
from cowl.events import BlobProgress
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest
from cowl.oci.manifest import Manifest
from cowl.oci.reference import Reference
from cowl.registry.client import Client
from cowl.transfer.layer_blob import as_form, check_form, write_blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from cowl.config import Config
    from cowl.events import Emit
    from cowl.outputs import BlobForm
    from cowl.registry.upload import PushRepository
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.store import Store

WORKERS = 2  # layers at a time: one is compressed while another is sent
_PROGRESS_BYTES = 1 << 19


class PushGivenUp(Unavailable):
    """Another layer of the same push failed first, or the push was interrupted."""

    def __init__(self) -> None:
        super().__init__("the push was given up")


def push(
    image: ImageRecord,
    reference: Reference,
    *,
    store: Store,
    config: Config,
    emit: Emit,
    form: BlobForm,
    annotations: tuple[tuple[str, str], ...] = (),
) -> Descriptor:
    """Stores `image` at the registry under `reference`; gives the descriptor of its manifest.

    A layer that the repository has as a blob that is on record here (pulled, or pushed before) keeps it; any
    other is packed in `form`, always into the same bytes. Two layers are under way at a time. Where these are
    the blobs that the image came with, its manifest is that too, unless `form` is forced or
    there are annotations. The manifest comes last: a push that fails names nothing. Raises InvalidForm,
    LayerChanged, PushDenied, OtherContent and the errors of a client. Emits BlobProgress.
    """
    check_form(form)
    with Client(config, emit=emit) as client:
        pushing = Pushing(client.to_push(reference), reference, store, emit, form)
        layers = pushing.layers(image.layers)
        known = None if form.forced or annotations else _known_manifest(store, image, layers)
        manifest = known or _new_manifest(image, layers, form, annotations)
        pushing.document(image.config_bytes, manifest.config.media_type)
        pushing.manifest(manifest)
    return Descriptor(manifest.media_type, manifest.digest, len(manifest.raw))


def _known_manifest(store: Store, image: ImageRecord, layers: Sequence[Descriptor]) -> Manifest | None:
    """A manifest that the image came with, if these are its very blobs: it keeps its digest."""
    wanted = [layer.digest for layer in layers]
    for manifest in store.manifests.of(image.id):
        if [layer.digest for layer in manifest.layers] == wanted and manifest.config.digest == image.id:
            return manifest
    return None


def _new_manifest(
    image: ImageRecord,
    layers: Sequence[Descriptor],
    form: BlobForm,
    annotations: tuple[tuple[str, str], ...],
) -> Manifest:
    kind = media_types.OCI_CONFIG if form.oci_types else media_types.DOCKER_CONFIG
    config = Descriptor(kind, Digest.of(image.config_bytes), len(image.config_bytes))
    kind = media_types.OCI_MANIFEST if form.oci_types else media_types.DOCKER_MANIFEST
    return Manifest.make(config, layers, media_type=kind, annotations=annotations)


class Pushing:
    """The blobs of one push, each sent once."""

    def __init__(
        self, repository: PushRepository, reference: Reference, store: Store, emit: Emit, form: BlobForm
    ) -> None:
        self._repository = repository
        self._reference = reference
        self._store = store
        self._emit = emit
        self._form = form
        self._layers: dict[str, Descriptor] = {}
        self._neighbours: dict[str, tuple[str, ...]] | None = None
        self._given_up = False

    def layers(self, layers: Sequence[Layer]) -> list[Descriptor]:
        """The descriptors of layers that the repository now has. Raises what the first failure was."""
        from concurrent.futures import ThreadPoolExecutor

        wanted = {layer.key: layer for layer in layers}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="cowl-push") as executor:
            running = [executor.submit(self.layer, layer) for layer in wanted.values()]
            try:
                for each in running:
                    each.result()
            except BaseException:
                self._given_up = True
                executor.shutdown(wait=False, cancel_futures=True)
                raise
        return [self.layer(layer) for layer in layers]

    def layer(self, layer: Layer) -> Descriptor:
        """The descriptor of a layer that the repository now has."""
        if layer.key not in self._layers:
            self._layers[layer.key] = self._standing(layer) or self._packed(layer)
        return self._layers[layer.key]

    def document(self, data: bytes, kind: str) -> Descriptor:
        """Sends a config."""
        import io

        descriptor = Descriptor(kind, Digest.of(data), len(data))
        if not self._repository.has_blob(descriptor.digest):
            self._repository.put_blob(descriptor.digest, len(data), lambda: io.BytesIO(data))
        return descriptor

    def manifest(self, manifest: Manifest) -> None:
        """Names what was sent."""
        self._repository.put_manifest(manifest, self._reference.tag or str(manifest.digest))

    def _standing(self, layer: Layer) -> Descriptor | None:
        """A blob on record that the repository has, or can mount from one beside it."""
        for known in self._store.blobs.of_layer(layer.diff_id):
            descriptor = as_form(known, self._form, exact=self._form.forced)
            if descriptor is None:
                continue
            if self._repository.has_blob(descriptor.digest):
                self._tell(descriptor, "there")
                return descriptor
            if self._mounted(layer, descriptor):
                self._tell(descriptor, "mounted")
                return descriptor
        return None

    def _mounted(self, layer: Layer, descriptor: Descriptor) -> bool:
        if self._neighbours is None:
            self._neighbours = neighbours(self._store, self._reference)
        return any(
            self._repository.mount(descriptor.digest, path)
            for path in self._neighbours.get(layer.diff_id, ())
        )

    def _packed(self, layer: Layer) -> Descriptor:
        with self._store.layers.stage() as stage:
            part = f"{stage.path}/blob"
            with open(part, "xb") as file:
                descriptor = write_blob(self._store, layer, file.write, self._form)
            if self._repository.has_blob(descriptor.digest):
                self._tell(descriptor, "there")
            else:
                self._send(descriptor, part)
        known = (descriptor.digest, layer.diff_id, descriptor.size, descriptor.media_type)
        self._store.blobs.record(*known)
        return descriptor

    def _send(self, descriptor: Descriptor, path: str) -> None:
        self._tell(descriptor, "pushing")
        with open(path, "rb") as file:
            tell = lambda done: self._tell(descriptor, "pushing", done)  # noqa: E731
            self._repository.put_blob(descriptor.digest, descriptor.size, _rewound(file, tell))
        self._tell(descriptor, "pushed", descriptor.size)

    def _tell(self, descriptor: Descriptor, state: str, done: int = 0) -> None:
        if self._given_up:
            raise PushGivenUp()
        self._emit(BlobProgress(str(descriptor.digest), state, done, descriptor.size))


def neighbours(store: Store, reference: Reference) -> dict[str, tuple[str, ...]]:
    """By diff_id, the other repositories of the same registry that images with that layer came from."""
    found: dict[str, dict[str, None]] = {}
    for image in store.images.list():
        for name in image.repo_digests:
            source = Reference.parse(name)
            if source.domain == reference.domain and source.path != reference.path:
                for layer in image.layers:
                    found.setdefault(layer.diff_id, {})[source.path] = None
    return {diff_id: tuple(paths) for diff_id, paths in found.items()}


def _rewound(file: io.BufferedReader, tell: Callable[[int], None]) -> Callable[[], BinaryIO]:
    def again() -> BinaryIO:
        file.seek(0)
        return _Told(file, tell)  # type: ignore[return-value]

    return again


class _Told:
    """A file that tells how far it was read, every half MiB."""

    def __init__(self, file: io.BufferedReader, tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell
        self._told = 0

    def seek(self, offset: int, /) -> int:
        return self._file.seek(offset)

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        if self._file.tell() - self._told >= _PROGRESS_BYTES:
            self._told = self._file.tell()
            self._tell(self._told)
        return data
