"""The recipe of a layer that was made elsewhere: all of its tar but the files' data.

With it the tar, and so its diff_id, is given back bit for bit, without being stored. A recipe is a
compressed sequence of records; integers are little endian:

    cowl recipe 1\\n
    L  size:u32  bytes            literal: headers, padding, whatever is not in diff/
    F  name:u16  size:u64  name   the file diff/<name>; its first `size` bytes come next in the tar
    R  offset:u64  size:u64       more of the file named last (sparse files)
    E  sha256:32 bytes  size:u64  end: what the tar must hash to, and its length

A file that the same tar overwrites later is kept in `shadowed/<hash of name>.<n>`, n counting from 0:
the n-th F of that name means it. F of size 0 stands for links and copies, which overwriting counts too.
"""

from __future__ import annotations

import os
from hashlib import sha256
from stat import S_ISREG
from struct import Struct

from cowl.errors import Corrupt
from cowl.layer.compression import CompressedWriter, best_compression, open_decompressed
from cowl.layer.limits import LayerTooBig
from cowl.layer.packed import Packed
from cowl.layer.paths import open_inside, open_tree
from cowl.oci.digest import DiffId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.layer.owners import Owners
    from cowl.layer.streams import Readable, Writable

_MAGIC = b"cowl recipe 1\n"
_LITERAL, _FILE, _RANGE, _END = Struct("<cI"), Struct("<cHQ"), Struct("<cQQ"), Struct("<c32sQ")
_CHUNK = 1 << 20
_BATCH = 1 << 16


class BadRecipe(Corrupt):
    """The tar of the layer in `layer_dir` can't be given back: its recipe or its files are damaged."""

    def __init__(self, layer_dir: str, why: str) -> None:
        self.layer_dir, self.why = layer_dir, why
        super().__init__(f"can't give back the tar of the layer in {layer_dir}: {why}")


class RecipeWriter:
    """Writes a recipe while its layer is unpacked."""

    def __init__(self, stream: Writable) -> None:
        self._stream = CompressedWriter(stream.write, best_compression())
        self._held: list[bytes] = [_MAGIC]
        self._size = 0

    def literal(self, data: bytes) -> None:
        """Bytes of the tar that are nowhere else."""
        self._put(_LITERAL.pack(b"L", len(data)) + data)

    def file(self, path: bytes, size: int) -> None:
        """A regular file was made at `path` of diff/, its first `size` bytes being next in the tar."""
        self._put(_FILE.pack(b"F", len(path), size) + path)

    def range(self, offset: int, size: int) -> None:
        """Another run of bytes of the same file."""
        self._put(_RANGE.pack(b"R", offset, size))

    def close(self, diff_id: DiffId, tar_bytes: int) -> None:
        """Ends the recipe; does not close the stream."""
        self._put(_END.pack(b"E", bytes.fromhex(diff_id.hex), tar_bytes))
        self._stream.write(b"".join(self._held))
        self._stream.close()

    def _put(self, record: bytes) -> None:
        self._held.append(record)
        self._size += len(record)
        if self._size > _BATCH:
            self._stream.write(b"".join(self._held))
            self._held.clear()
            self._size = 0


class Shadows:
    """Where files go that a tar made and then overwrote: `shadowed/`, beside diff/."""

    def __init__(self, layer_dir: str, limit: int) -> None:
        self._path = os.path.join(layer_dir, "shadowed")
        self._limit = limit
        self._counts: dict[str, int] = {}
        self._kept = 0

    def keep(self, dir_fd: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        """Takes the file out of its directory if it has data, else leaves it. Raises LayerTooBig."""
        if not S_ISREG(status.st_mode) or not status.st_size:
            return
        if self._kept >= self._limit:
            raise LayerTooBig("files that it overwrites itself", self._limit)
        if not self._kept:
            os.mkdir(self._path, 0o700)
        self._kept += 1
        stem = _shadow_stem(path)
        count = self._counts.get(stem, 0)
        self._counts[stem] = count + 1
        target = f"{self._path}/{stem}.{count}"
        if status.st_nlink == 1:
            os.rename(name, target, src_dir_fd=dir_fd)
        else:  # its other names must not count this one as a link
            _copy(dir_fd, name, target)
            os.unlink(name, dir_fd=dir_fd)


def _copy(dir_fd: int, name: bytes, target: str) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(target, flags, 0o600), "wb", buffering=0) as sink:
            while os.sendfile(sink.fileno(), source, None, 1 << 30):
                pass
    finally:
        os.close(source)


def _shadow_stem(path: bytes) -> str:
    return sha256(path).hexdigest()[:32]


def assemble(layer_dir: str, write: Callable[[bytes], object] | None, owners: Owners) -> Packed:
    """Gives the uncompressed tar of a layer: by its recipe bit for bit, else by packing diff/.

    `write` (None: only hash) is called with consecutive parts. Raises BadRecipe if the result is not
    what was unpacked; by then `write` has got the wrong bytes, and its caller must drop them. OSError.
    """
    try:
        recipe = open(f"{layer_dir}/recipe", "rb", buffering=0)  # noqa: SIM115
    except FileNotFoundError:
        from cowl.layer.pack import pack

        return pack(f"{layer_dir}/diff", write, owners=owners, clean=False)
    with recipe:
        tree_fd = open_tree(f"{layer_dir}/diff")
        try:
            return _Assembly(layer_dir, open_decompressed(recipe), tree_fd, write).run()
        finally:
            os.close(tree_fd)


class _Assembly:
    """One rebuilding of a tar."""

    def __init__(
        self,
        layer_dir: str,
        recipe: Readable,
        tree_fd: int,
        write: Callable[[bytes], object] | None,
    ) -> None:
        self._layer_dir = layer_dir
        self._recipe = recipe
        self._tree_fd = tree_fd
        self._write = write
        self._hash = sha256()
        self._chunk = b""
        self._at = 0
        self._held: list[bytes] = []
        self._held_size = 0
        self._total = 0
        self._shadowed = _names(f"{layer_dir}/shadowed")
        self._counts: dict[str, int] = {}
        self._file = -1
        self._path = b""
        self._shadow = ""

    def run(self) -> Packed:
        if self._take(len(_MAGIC)) != _MAGIC:
            raise self._bad("its recipe is of another format")
        try:
            while self._record():
                pass
        finally:
            self._close_file()
        return self._end()

    def _record(self) -> bool:
        kind = self._take(1)
        if kind == b"L":
            self._put(self._take(int.from_bytes(self._take(4), "little")))
        elif kind == b"F":
            _, length, size = _FILE.unpack(kind + self._take(_FILE.size - 1))
            self._select(self._take(length), size)
        elif kind == b"R":
            _, offset, size = _RANGE.unpack(kind + self._take(_RANGE.size - 1))
            self._range(offset, size)
        elif kind != b"E":
            raise self._bad("its recipe has an unknown record")
        return kind != b"E"

    def _select(self, path: bytes, size: int) -> None:
        self._close_file()
        self._path = path
        self._shadow = self._shadow_of(path) if self._shadowed else ""
        self._range(0, size)

    def _open(self) -> int:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            if self._shadow:
                return os.open(f"{self._layer_dir}/shadowed/{self._shadow}", flags)
            return open_inside(self._tree_fd, self._path, flags)
        except OSError as error:
            raise self._bad(f"{os.fsdecode(self._path)!r}: {error.strerror}") from error

    def _shadow_of(self, path: bytes) -> str:
        stem = _shadow_stem(path)
        count = self._counts.get(stem, 0)
        self._counts[stem] = count + 1
        name = f"{stem}.{count}"
        return name if name in self._shadowed else ""

    def _range(self, offset: int, size: int) -> None:
        if size and self._file < 0:
            self._file = self._open()
        while size:
            data = os.pread(self._file, min(size, _CHUNK), offset)
            if not data:
                raise self._bad(f"{os.fsdecode(self._path)!r} is too short")
            self._put(data)
            offset += len(data)
            size -= len(data)

    def _put(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size >= _CHUNK:
            self._flush()

    def _flush(self) -> None:
        data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
        self._held.clear()
        self._held_size = 0
        self._hash.update(data)
        self._total += len(data)
        if self._write and data:
            self._write(data)

    def _end(self) -> Packed:
        digest, size = self._take(32), int.from_bytes(self._take(8), "little")
        self._flush()
        if self._hash.digest() != digest or self._total != size:
            raise self._bad("its files are not what was unpacked")
        return Packed(DiffId(f"sha256:{digest.hex()}"), size)

    def _take(self, size: int) -> bytes:
        end = self._at + size
        while end > len(self._chunk):
            more = self._recipe.read(_CHUNK)
            if not more:
                raise self._bad("its recipe is cut off")
            self._chunk = self._chunk[self._at :] + more
            self._at, end = 0, size
        data = self._chunk[self._at : end]
        self._at = end
        return data

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _bad(self, why: str) -> BadRecipe:
        return BadRecipe(self._layer_dir, why)


def _names(directory: str) -> frozenset[str]:
    try:
        return frozenset(os.listdir(directory))
    except FileNotFoundError:
        return frozenset()
