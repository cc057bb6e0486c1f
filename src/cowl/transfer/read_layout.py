"""Reading layouts: an image of an OCI image layout put into the store, every byte verified on the way.

OCI image-spec 1.1, image-layout.md. Only what a descriptor of the layout names is read, and no link leads
out of its directory.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256

from cowl.errors import Corrupt, NotFound
from cowl.linux.files import open_beneath
from cowl.oci.digest import Digest
from cowl.oci.image_config import ImageConfig
from cowl.oci.manifest import MAX_MANIFEST_BYTES, Index, Manifest, parse_manifest
from cowl.oci.platform import Platform
from cowl.transfer.layout_sink import REF_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from cowl.events import Emit
    from cowl.oci.descriptor import Descriptor
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store

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
    from cowl.transfer.fetch import Fetch
    from cowl.transfer.pull import check_config, check_types, jobs_of

    with Layout(directory) as layout:
        wanted = platform or Platform.host()
        manifest = _manifest(layout, _entry(layout, within, wanted), wanted)
        name = f"{directory}:{within}" if within else directory
        check_types(name, manifest)
        config_bytes = layout.document(manifest.config)
        image = ImageConfig.parse(config_bytes)
        check_config(name, image, manifest, platform, emit)
        with store.lease("pull") as lease:
            keys = Fetch(store, lease, layout.open, emit).run(jobs_of(image, manifest))
            return store.images.add(config_bytes, keys, references=())


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


def _manifest(layout: Layout, entry: Descriptor, platform: Platform) -> Manifest:
    """The manifest that a descriptor leads to."""
    for _ in range(_DEPTH):
        found = parse_manifest(layout.document(entry), entry.media_type)
        if isinstance(found, Manifest):
            return found
        entry = found.select(platform)
    raise LayoutDamaged(layout.directory, entry.digest, "is an index in too many others")


class Layout:
    """The files of a layout, open while the `with` block lasts. Raises NoLayout."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        try:
            self._fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise NoLayout(directory, "", "there is no such directory") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        os.close(self._fd)

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
            return LayoutBlob(self.directory, descriptor, _regular(self._fd, _place(descriptor)))
        except OSError as problem:
            why = f"can't be read: {problem.strerror}"
            raise LayoutDamaged(self.directory, descriptor.digest, why) from problem

    def _read(self, path: str, limit: int) -> bytes:
        with open(_regular(self._fd, path), "rb") as file:
            return file.read(limit + 1)


class LayoutBlob:
    """A layer's bytes: the read that gives the end has verified size and digest. See fetch.Blob."""

    def __init__(self, directory: str, descriptor: Descriptor, fd: int) -> None:
        self.descriptor = descriptor
        self.done = 0
        self._directory = directory
        self._file = open(fd, "rb", buffering=0)  # noqa: SIM115  # closed at the end of the `with` block
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


def _regular(root: int, path: str) -> int:
    """A regular file below `root`, open for reading."""
    fd = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(0, "it is no regular file")
