"""Reading layouts: an image of an OCI image layout put into the store, every byte verified on the way.

OCI image-spec 1.1, image-layout.md. Only what a descriptor of the layout names is read, and no link leads
out of its directory.
"""

from __future__ import annotations

from hashlib import sha256

from cowl.errors import Corrupt, NotFound
from cowl.oci.digest import Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.manifest import MAX_MANIFEST_BYTES, Index, Manifest, parse_manifest
from cowl.oci.platform import Platform
from cowl.transfer.image_files import DirectoryFiles, read_file
from cowl.transfer.layout_sink import REF_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from cowl.events import Emit
    from cowl.oci.descriptor import Descriptor
    from cowl.oci.reference import Reference
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store
    from cowl.transfer.fetch import Blob
    from cowl.transfer.image_files import ImageFiles, Part

_DEPTH = 4  # indexes in indexes


class NoLayout(NotFound):
    """There is no layout at a place, or no such image in it. Fields: directory, within."""

    def __init__(self, directory: str, within: str, why: str, hint: str = "") -> None:
        name = f"{directory}:{within}" if within else directory
        super().__init__(f"OCI layout {name}: {why}", hint=hint)
        self.directory = directory
        self.within = within


class LayoutDamaged(Corrupt):
    """A blob of a layout is not what its descriptor says. Fields: directory, digest."""

    def __init__(self, directory: str, digest: str, why: str) -> None:
        super().__init__(f"OCI layout {directory}: blob {digest} {why}")
        self.directory = directory
        self.digest = digest


def read_layout(
    directory: str, within: str, platform: Platform | None, *, store: Store, emit: Emit
) -> ImageRecord:
    """The image `within` (a tag or digest, "" for the only one or `latest`) of a layout, without a name.

    `platform` None means this machine's. Layers that the store has are not read. Raises NoLayout,
    LayoutDamaged, PlatformNotFound, and as `pull` does.
    """
    with open_layout(directory) as files:
        layout = Layout(files)
        wanted = platform or Platform.host()
        manifest = layout.manifest(_entry(layout, within, wanted), wanted)
        name = f"{directory}:{within}" if within else directory
        config = layout.document(manifest.config)
        return bring(name, manifest, config, layout.open, platform, store=store, emit=emit)


def bring(
    name: str,
    manifest: Manifest,
    config_bytes: bytes,
    open_blob: Callable[[Descriptor], Blob],
    platform: Platform | None,
    *,
    references: Sequence[Reference] = (),
    action: str = "",
    store: Store,
    emit: Emit,
) -> ImageRecord:
    """An image whose documents were read already, put into the store. See `read_layout`."""
    from cowl.transfer.fetch import Fetch
    from cowl.transfer.pull import check_config, check_types, jobs_of

    check_types(name, manifest)
    image = ImageConfig.parse(config_bytes)
    check_config(name, image, manifest, platform, emit)
    with store.lease("pull") as lease:
        keys = Fetch(store, lease, open_blob, emit).run(jobs_of(image, manifest))
        return store.images.add(config_bytes, keys, references=references, action=action)


def _entry(layout: Layout, within: str, platform: Platform) -> Descriptor:
    """The descriptor of what `within` names."""
    index = layout.index()
    named = {dict(entry.annotations).get(REF_NAME, ""): entry for entry in index.manifests}
    for entry in index.manifests:
        if within and within == entry.digest:
            return entry
    if within in named and within:
        return named[within]
    if not within and "latest" in named:
        return named["latest"]
    if within:
        known = ", ".join(sorted(filter(None, named)))
        hint = f"It has: {known}" if known else "Its images have no names."
        raise NoLayout(layout.directory, within, "there is no such image in it", hint)
    return index.manifests[0] if len(index.manifests) == 1 else index.select(platform)


class Layout:
    """A layout among some files, which stay the caller's. `directory` is what the user knows it by."""

    def __init__(self, files: ImageFiles) -> None:
        self.directory = files.name
        self._files = files

    def index(self) -> Index:
        """Its index.json."""
        try:
            raw = self._read("index.json", MAX_MANIFEST_BYTES)
        except OSError as problem:
            why = f"index.json: {problem.strerror}"
            raise NoLayout(self.directory, "", why, "An OCI layout has an index.json.") from problem
        found = parse_manifest(raw, "application/vnd.oci.image.index.v1+json")
        if not isinstance(found, Index) or not found.manifests:
            raise NoLayout(self.directory, "", "its index.json names no images")
        return found

    def manifest(self, entry: Descriptor, platform: Platform) -> Manifest:
        """The manifest that a descriptor leads to, through indexes. Raises PlatformNotFound."""
        for _ in range(_DEPTH):
            found = parse_manifest(self.document(entry), entry.media_type)
            if isinstance(found, Manifest):
                return found
            entry = found.select(platform)
        raise LayoutDamaged(self.directory, entry.digest, "is an index in too many others")

    def document(self, descriptor: Descriptor) -> bytes:
        """The verified bytes of a manifest or config."""
        try:
            raw = self._read(_place(descriptor), min(descriptor.size, MAX_MANIFEST_BYTES))
        except OSError as problem:
            why = f"can't be read: {problem.strerror}"
            raise LayoutDamaged(self.directory, descriptor.digest, why) from problem
        if Digest.of(raw) != descriptor.digest:
            raise LayoutDamaged(self.directory, descriptor.digest, "is not what its digest says")
        return raw

    def open(self, descriptor: Descriptor) -> LayoutBlob:
        """A verified stream of a layer."""
        try:
            return LayoutBlob(self.directory, descriptor, self._files.open(_place(descriptor)))
        except OSError as problem:
            why = f"can't be read: {problem.strerror}"
            raise LayoutDamaged(self.directory, descriptor.digest, why) from problem

    def _read(self, path: str, limit: int) -> bytes:
        return read_file(self._files, path, limit + 1)


def open_layout(directory: str) -> DirectoryFiles:
    """The files of the layout in a directory. Raises NoLayout."""
    try:
        return DirectoryFiles(directory)
    except (FileNotFoundError, NotADirectoryError):
        raise NoLayout(directory, "", "there is no such directory") from None


class LayoutBlob:
    """A layer's bytes: the read that gives the end has verified size and digest. See fetch.Blob."""

    def __init__(self, directory: str, descriptor: Descriptor, file: Part) -> None:
        self.descriptor = descriptor
        self.done = 0
        self._directory = directory
        self._file = file
        self._hash = sha256()
        self._aborted = False

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end. Raises LayoutDamaged."""
        if self._aborted:
            raise LayoutDamaged(self._directory, self.descriptor.digest, "was given up")
        chunk = self._file.read(size)
        self._hash.update(chunk)
        self.done += len(chunk)
        if self.done > self.descriptor.size or (not chunk and self.done < self.descriptor.size):
            raise LayoutDamaged(
                self._directory, self.descriptor.digest, "has not the size that it should have"
            )
        if not chunk and f"sha256:{self._hash.hexdigest()}" != self.descriptor.digest:
            raise LayoutDamaged(self._directory, self.descriptor.digest, "is not what its digest says")
        return chunk

    def abort(self) -> None:
        """Makes the next read fail."""
        self._aborted = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._file.close()


def _place(descriptor: Descriptor) -> str:
    algorithm, _, encoded = str(descriptor.digest).partition(":")
    return f"blobs/{algorithm}/{encoded}"
