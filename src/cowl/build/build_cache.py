"""What RUN --mount=type=cache keeps, as users manage it: listed, exported, imported."""

from __future__ import annotations

import json
import os

from cowl.errors import Conflict, Invalid
from cowl.layer.ownership import apply_path, for_euid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from cowl.layer.streams import Readable
    from cowl.store.cache_mounts import CacheMount
    from cowl.store.rows import CacheMountRow
    from cowl.store.store import Store

_BASE = "COWL.cache.base"  # in a global PAX header: what the cache started as
_BLOCK = 512
_HEADER_LIMIT = 64 << 10
_ID_LIMIT = 1 << 31


class AmbiguousCacheMount(Conflict):
    """Several cache mounts have the name. Fields: name, ids."""

    def __init__(self, name: str, ids: tuple[str, ...]) -> None:
        listed = ", ".join(each[:12] for each in ids)
        super().__init__(f"{len(ids)} cache mounts are called {name}", hint=f"Say which by its ID: {listed}.")
        self.name = name
        self.ids = ids


class BadCacheArchive(Invalid):
    """The archive is none of a cache mount's."""


class BuildCache:
    """The cache mounts of a store. A name is the id= of the Dockerfile, which is its target by default."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mounts = store.cache_mounts

    def mounts(self) -> tuple[CacheMount, ...]:
        """All, oldest first, with their sizes now."""
        return self._mounts.list()

    def export_mount(self, name: str, out: BinaryIO) -> None:
        """Writes the files of one, by name, ID or prefix of that, as an uncompressed tar.

        Not while a RUN has it for itself alone. Raises NoSuchCacheMount, AmbiguousCacheMount,
        CacheMountInUse, TreeChanged when a RUN that shares it writes meanwhile.
        """
        from tarfile import TarInfo

        from cowl.layer.pack import pack

        row = self._one(name)
        with self._mounts.reading(row) as use:
            if row.base:
                out.write(TarInfo.create_pax_global_header({_BASE: row.base}))
            pack(use.path, out.write, owners=for_euid(os.geteuid()), clean=False)

    def _one(self, name: str) -> CacheMountRow:
        found = self._mounts.find(name)
        if len(found) > 1:
            raise AmbiguousCacheMount(name, tuple(row.id for row in found))
        return found[0]

    def import_mount(self, name: str, source: BinaryIO) -> CacheMount:
        """Makes a cache mount of a tar (also compressed), in place of those of that name that began alike.

        All of it, or nothing. Raises CacheMountInUse, BadCacheArchive, BadLayer, LayerTooBig.
        """
        from cowl.layer.compression import open_decompressed
        from cowl.layer.unpack import unpack

        if not name:
            raise Invalid("a cache mount needs a name", hint="It is the id= of RUN --mount=type=cache.")
        start, stream = _started(open_decompressed(source))
        base = _base(start)
        owners = for_euid(os.geteuid())
        with self._store.layers.stage() as stage:
            unpack(stream, stage.diff, owners=owners)
            about = json.loads(base) if base else {}
            apply_path(owners, stage.diff, about.get("uid", 0), about.get("gid", 0), about.get("mode", 0o755))
            row = self._mounts.put(name, base, stage.diff)
        return next(mount for mount in self._mounts.list() if mount.id == row.id)


class _Again:
    """A stream with what was read of it put back."""

    def __init__(self, start: bytes, rest: Readable) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        if not self._start:
            return self._rest.read(size)
        count = len(self._start) if size < 0 else size
        data, self._start = self._start[:count], self._start[count:]
        return data


def _started(stream: Readable) -> tuple[bytes, Readable]:
    """The global header that a tar begins with, else b"", and the whole stream."""
    head = _read(stream, _BLOCK)
    if head[156:157] != b"g":
        return b"", _Again(head, stream)
    try:
        size = int(head[124:136].strip(b"\0 "), 8)
    except ValueError:
        size = _HEADER_LIMIT + 1
    if size > _HEADER_LIMIT:
        raise BadCacheArchive("the archive begins with a header that makes no sense")
    body = _read(stream, -size % _BLOCK + size)
    return body[:size], _Again(head + body, stream)


def _read(stream: Readable, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _base(records: bytes) -> str:
    """What the cache started as, from the records of a global header, checked and written anew."""
    mark = f" {_BASE}=".encode()
    at = records.find(mark)
    if at < 0:
        return ""
    text = records[at + len(mark) :].partition(b"\n")[0]
    try:
        found: Any = json.loads(text)
        limits = {"mode": 0o10000, "uid": _ID_LIMIT, "gid": _ID_LIMIT}
        valid = isinstance(found, dict) and all(
            (name in limits and type(value) is int and 0 <= value < limits[name])
            or (name == "content" and isinstance(value, str) and len(value) < 100)
            for name, value in found.items()
        )
    except ValueError:
        valid = False
    if not valid:
        raise BadCacheArchive("the archive says nothing sensible about what the cache started as")
    return json.dumps(found, sort_keys=True)
