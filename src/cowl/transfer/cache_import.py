"""Cache import: steps that were carried out elsewhere, from the places that the user names and no others.

A step that is found is put into the store under a key of its own, which only a build that names the same
place again looks for: what one build was told to believe, the next one does not believe by itself.
"""

from __future__ import annotations

from hashlib import sha256

from cowl.caches import LocalCacheSource
from cowl.errors import CowlError
from cowl.events import Warned
from cowl.oci.digest import chain_id
from cowl.oci.image_config import ImageConfig
from cowl.oci.manifest import Manifest, parse_manifest
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.store.faults import StoreFailed, StoreFull
from cowl.transfer.fetch import Fetch, LayerJob
from cowl.transfer.layout_sink import REF_NAME
from cowl.transfer.read_layout import Layout, open_layout
from cowl.transfer.step_cache import MEDIA_TYPE, InvalidCache, read_cache, read_inline
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.caches import CacheSource
    from cowl.config import Config
    from cowl.events import Emit
    from cowl.oci.descriptor import Descriptor
    from cowl.oci.digest import DiffId
    from cowl.registry.client import Client
    from cowl.store.layers import Layer
    from cowl.store.store import Store
    from cowl.transfer.fetch import Blob
    from cowl.transfer.step_cache import CacheEntry


class CacheContent(Value):
    """What a cache offers: its steps by key, and where the layers' blobs are by diff_id."""

    steps: dict[str, CacheEntry]
    blobs: dict[DiffId, Descriptor]


class ImportedCache:
    """One named cache. It is read when it is first asked; what fails then, or later, is warned of once.

    `name` is how messages call it. Layers are fetched one by one, when a step that is looked for has one;
    every digest and diff_id is verified.
    """

    def __init__(self, source: CacheSource, *, store: Store, config: Config, emit: Emit) -> None:
        self._source = source
        self._store = store
        self._config = config
        self._emit = emit
        self._content: CacheContent | None = None
        self._failed = False
        self._client: Client | None = None
        if isinstance(source, LocalCacheSource):
            self.name = source.src
            self._identity = f"local {source.src} {source.digest or source.tag}"
        else:
            self._reference = Reference.parse(source.ref).with_default_tag()
            self.name = self._reference.familiar
            self._identity = f"registry {self._reference}"

    def bring(self, key: str, layers: Sequence[Layer]) -> str:
        """Puts a step into the store if the cache has it; the key that it has there, else "".

        `layers` are those below it, base first. Raises StoreFull, StoreFailed.
        """
        if self._failed:
            return ""
        try:
            if self._content is None:
                self._content = self._read()
            entry = self._content.steps.get(key)
            return self._put(entry, layers, self._content) if entry else ""
        except (StoreFull, StoreFailed):
            raise
        except CowlError as problem:
            self._failed = True
            self._emit(Warned(f"build cache {self.name} is not used: {problem.message}"))
            return ""

    def close(self) -> None:
        """Ends connections. Idempotent."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _put(self, entry: CacheEntry, layers: Sequence[Layer], content: CacheContent) -> str:
        """Records the step under a key that names the place too."""
        key = sha256(f"{self._identity}\n{entry.key}".encode()).hexdigest()
        if entry.layer is None:
            self._store.steps.add(key, None, entry.text)
            return key
        descriptor = content.blobs.get(entry.layer)
        if descriptor is None:
            raise InvalidCache(f"it names a layer that it does not have: {entry.layer}")
        with self._store.lease("pull") as lease:
            chain = chain_id([layer.diff_id for layer in layers]) if layers else ""
            job = LayerJob(len(layers), descriptor, entry.layer, chain)
            (found,) = Fetch(self._store, lease, self._open, self._emit, below=layers).run([job])
            self._store.steps.add(key, found, entry.text, created_at=entry.created_at)
        return key

    def _open(self, descriptor: Descriptor) -> Blob:
        if isinstance(self._source, LocalCacheSource):
            with open_layout(self._source.src) as files:
                return Layout(files).open(descriptor)
        return self._connected().open_blob(self._reference, descriptor)

    def _read(self) -> CacheContent:
        if isinstance(self._source, LocalCacheSource):
            return self._read_local(self._source)
        client = self._connected()
        resolved = client.resolve(self._reference, Platform.host())
        return content_of(resolved.manifest, lambda: client.fetch_config(resolved))

    def _read_local(self, source: LocalCacheSource) -> CacheContent:
        with open_layout(source.src) as files:
            layout = Layout(files)
            for entry in layout.index().manifests:
                named = dict(entry.annotations).get(REF_NAME, "")
                if entry.digest == source.digest or (not source.digest and named == source.tag):
                    break
            else:
                raise InvalidCache(f"there is no cache {source.digest or source.tag} in it")
            manifest = parse_manifest(layout.document(entry), entry.media_type)
            if not isinstance(manifest, Manifest):
                raise InvalidCache(f"{entry.digest} is an index, not a cache")
            return content_of(manifest, lambda: layout.document(manifest.config))

    def _connected(self) -> Client:
        if self._client is None:
            from cowl.registry.client import Client

            self._client = Client(self._config, emit=self._emit)
        return self._client


def content_of(manifest: Manifest, fetch_config: Callable[[], bytes]) -> CacheContent:
    """What a manifest offers: a cache of its own, or an image with an inline one. Raises InvalidCache."""
    raw = fetch_config()
    if manifest.config.media_type == MEDIA_TYPE:
        layers, entries = read_cache(raw)
    else:
        inline = read_inline(raw)
        if inline is None:
            raise InvalidCache("it is an image without a build cache in it")
        layers, entries = ImageConfig.parse(raw).diff_ids, inline
    if len(layers) != len(manifest.layers):
        raise InvalidCache(f"it names {len(layers)} layers, its manifest {len(manifest.layers)}")
    blobs = dict(zip(layers, manifest.layers, strict=True))
    return CacheContent({entry.key: entry for entry in entries}, blobs)
