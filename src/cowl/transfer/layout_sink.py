"""Where a layout is written: a tar in one pass, or a directory. OCI image-spec 1.1, image-layout.md."""

from __future__ import annotations

import os

from cowl.errors import Conflict, Corrupt
from cowl.layer import tar_writer
from cowl.oci import media_types
from cowl.oci.digest import Digest
from cowl.oci.json_object import dumps
from cowl.oci.manifest import MAX_MANIFEST_BYTES, Index, InvalidManifest, parse_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from cowl.oci.descriptor import Descriptor
    from cowl.transfer.layer_blob import Write

    class LayoutSink(Protocol):
        """Takes the blobs of a layout, then its index."""

        def has(self, digest: Digest) -> bool:
            """Whether the blob is there already."""
            ...

        def blob(self, digest: Digest, size: int, fill: Callable[[Write], object]) -> None:
            """A blob of `size` bytes, which `fill` writes. Raises BlobChanged when they are others."""
            ...

        def close(self, entries: Sequence[Descriptor], files: Sequence[tuple[str, bytes]]) -> None:
            """Ends the layout: the index's entries, and further files at its top."""
            ...


REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"  # the whole name; OCI's ref.name is only the tag
_MARK = "oci-layout"
_VERSION = dumps({"imageLayoutVersion": "1.0.0"}).encode()
_INDEX = "index.json"


class LayoutExists(Conflict):
    """There is something else at the place where a layout is to be made. Field: directory."""

    def __init__(self, directory: str) -> None:
        super().__init__(
            f"{directory} is not empty and no OCI layout", hint="name a new directory, or that of a layout"
        )
        self.directory = directory


class BlobChanged(Corrupt):
    """A blob came out with another size than was announced. Fields: digest, expected, actual."""

    def __init__(self, digest: Digest, expected: int, actual: int) -> None:
        super().__init__(f"blob {digest} has {actual} bytes, not {expected}: it changed while it was written")
        self.digest = digest
        self.expected = expected
        self.actual = actual


def blob_path(digest: Digest) -> str:
    """Where a layout has a blob."""
    return f"blobs/sha256/{digest.hex}"


class LayoutArchive:
    """A layout as a tar. Deterministic: no times, no owners."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._blobs: set[Digest] = set()
        for name in (b"blobs/", b"blobs/sha256/"):
            write(tar_writer.header(name, tar_writer.DIRECTORY, 0o755, 0, 0, 0, 0))

    def has(self, digest: Digest) -> bool:
        """Whether the blob was written."""
        return digest in self._blobs

    def blob(self, digest: Digest, size: int, fill: Callable[[Write], object]) -> None:
        """See LayoutSink."""
        done = 0

        def count(data: bytes) -> None:
            nonlocal done
            done += len(data)
            self._write(data)

        self._head(blob_path(digest), size)
        fill(count)
        if done != size:
            raise BlobChanged(digest, size, done)
        self._write(bytes(-size % tar_writer.BLOCK))
        self._blobs.add(digest)

    def close(self, entries: Sequence[Descriptor], files: Sequence[tuple[str, bytes]]) -> None:
        """See LayoutSink."""
        for name, data in ((_INDEX, Index.make(entries).raw), *files, (_MARK, _VERSION)):
            self._head(name, len(data))
            self._write(data + bytes(-len(data) % tar_writer.BLOCK))
        self._write(tar_writer.END)

    def _head(self, name: str, size: int) -> None:
        self._write(tar_writer.header(name.encode(), tar_writer.REGULAR, 0o644, 0, 0, size, 0))


class LayoutDirectory:
    """A layout in a directory that is missing, empty or a layout: then blobs and names are added.

    Each file appears whole or not at all. Raises LayoutExists, InvalidManifest of the index that is there.
    """

    def __init__(self, directory: str) -> None:
        os.makedirs(directory, exist_ok=True)
        self._directory = directory
        self._entries: tuple[Descriptor, ...] = ()
        if os.listdir(directory):
            self._entries = self._standing()
        os.makedirs(os.path.join(directory, "blobs", "sha256"), exist_ok=True)

    def _standing(self) -> tuple[Descriptor, ...]:
        if not os.path.isfile(self._path(_MARK)) or not os.path.isfile(self._path(_INDEX)):
            raise LayoutExists(self._directory)
        with open(self._path(_INDEX), "rb") as file:
            found = parse_manifest(file.read(MAX_MANIFEST_BYTES + 1), media_types.OCI_INDEX)
        if not isinstance(found, Index):
            raise InvalidManifest(f"{self._path(_INDEX)} is no index")
        return found.manifests

    def has(self, digest: Digest) -> bool:
        """Whether the blob is there."""
        return os.path.isfile(self._path(blob_path(digest)))

    def blob(self, digest: Digest, size: int, fill: Callable[[Write], object]) -> None:
        """See LayoutSink."""
        part = self._path(f"blobs/.{digest.hex}.{os.urandom(4).hex()}")
        try:
            with open(part, "xb") as file:
                fill(file.write)
                if file.tell() != size:
                    raise BlobChanged(digest, size, file.tell())
            os.rename(part, self._path(blob_path(digest)))
        except BaseException:
            _forget(part)
            raise

    def close(self, entries: Sequence[Descriptor], files: Sequence[tuple[str, bytes]]) -> None:
        """See LayoutSink. A name that an entry of the old index had is the new one's."""
        taken = {dict(entry.annotations).get(REF_NAME, "") for entry in entries}
        digests = {entry.digest for entry in entries}
        kept = [
            entry
            for entry in self._entries
            if (name := dict(entry.annotations).get(REF_NAME, "")) not in taken
            or (not name and entry.digest not in digests)
        ]
        for name, data in (*files, (_INDEX, Index.make([*kept, *entries]).raw), (_MARK, _VERSION)):
            part = self._path(f".{name}.{os.urandom(4).hex()}")
            with open(part, "xb") as file:
                file.write(data)
            os.rename(part, self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
