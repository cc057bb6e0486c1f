"""Layers: staged, published once, found by what they are."""

from __future__ import annotations

import os

from cowl.linux.files import fsync_dir, remove_tree, syncfs
from cowl.oci.digest import DiffId
from cowl.store.faults import StoreFull, from_os, means_full
from cowl.store.garbage import trash_name
from cowl.store.leases import NoSuchLayer
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from cowl.store.database import Database
    from cowl.store.leases import Leases
    from cowl.store.owner import Owner
    from cowl.store.transaction import Row, Transaction

_BY_CONTENT = "FROM layers WHERE diff_id = ? AND parent_chain = ? ORDER BY created_at, key"
COLUMNS = "key, diff_id, parent_chain, size_bytes, allocated_bytes, files, whiteouts, tar_bytes, created_at"


class Layer(Value):
    """A published layer. Immutable; its directory is `layers/<key>`.

    key              64 hex digits; they say nothing of what is in it
    diff_id          "" of what was a container's upper and was never hashed: see `Layers.hashed`
    parent_chain     what it depends on below (a ChainID), "" if on nothing
    size_bytes       apparent: file lengths of diff/, each inode once; Docker's SIZE
    allocated_bytes  blocks on disk of the whole layer directory, the recipe included
    tar_bytes        length of its uncompressed tar
    created_at       seconds since the epoch
    """

    key: str
    diff_id: DiffId
    parent_chain: str
    size_bytes: int
    allocated_bytes: int
    files: int
    whiteouts: int
    tar_bytes: int
    created_at: float


class Stage:
    """A layer in the making, in `staging/`; gone when the `with` block ends, unless committed.

    path    the directory that will be published
    diff    its tree in overlayfs form (exists, empty, 0755)
    work    overlayfs's work directory, should diff serve as an upper (exists; not published)
    recipe  where the recipe may be written (does not exist yet)
    """

    def __init__(self, root: str, path: str) -> None:
        self._root = root
        self._pid = os.getpid()
        self.path = path
        self.diff = f"{path}/diff"
        self.work = f"{path}/work"
        self.recipe = f"{path}/recipe"

    @property
    def upper(self) -> str:
        """`diff`, under the name that it has in a mount."""
        return self.diff

    def drop(self) -> None:
        """Removes what is there. Idempotent; does nothing to a committed layer, or in a forked child."""
        if self._pid == os.getpid():
            remove_tree(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        self.drop()
        if means_full(failure):
            raise StoreFull(self._root, "writing a layer") from failure


class Layers:
    """The published layers of a store."""

    def __init__(self, database: Database, owner: Owner, leases: Leases, clock: Callable[[], float]) -> None:
        self._database = database
        self._root = database.root
        self._owner = owner
        self._leases = leases
        self._clock = clock

    def stage(self) -> Stage:
        """A fresh place to make a layer in. Raises StoreFull."""
        self._database.after_fork()
        if not self._leases.session:
            with self._database.write(doing="preparing a layer") as transaction:
                self._leases.ensure_session(transaction)
        stage = Stage(self._root.path, f"{self._root.staging}/{self._owner.id}/{os.urandom(6).hex()}")
        try:
            os.makedirs(stage.path, 0o700)
            for place, mode in ((stage.diff, 0o755), (stage.work, 0o700)):
                os.mkdir(place)
                os.chmod(place, mode)
        except OSError as problem:
            stage.drop()
            raise from_os(self._root.path, "preparing a layer", problem) from problem
        return stage

    def commit(self, stage: Stage, diff_id: str, tar_bytes: int, parent: str | None = None) -> Layer:
        """Publishes what was staged and gives its Layer; if the store has it already, that one.

        `parent` is the ChainID of the layers below, for a layer that depends on them (`needs_parent`);
        else None. When it returns, the layer is on disk whatever happens to the machine, and is kept
        until an image, a step or a lease of this process refers to it, or the store is closed.
        Raises StoreFull, StoreFailed (a failed fsync is never tried again).
        """
        key = layer_key(diff_id, parent)
        known = self._hold_known(diff_id, parent)
        if known:
            stage.drop()
            return known
        try:
            fresh = self.measured(stage, key, DiffId(diff_id), parent or "", tar_bytes)
            with self._database.write(durable=True, doing="publishing a layer") as transaction:
                published = self._hold(transaction, diff_id, parent)
                if published is None:
                    published = self.publish(transaction, stage, fresh)
                    self._leases.hold(transaction, key)
        except OSError as problem:
            raise from_os(self._root.path, "publishing a layer", problem) from problem
        stage.drop()
        return published

    def _hold_known(self, diff_id: str, parent: str | None) -> Layer | None:
        """The layer, if it is there, pinned before anybody can remove it."""
        if not self._database.row(f"SELECT 1 {_BY_CONTENT}", (diff_id, parent or "")):
            return None
        with self._database.write(doing="publishing a layer") as transaction:
            return self._hold(transaction, diff_id, parent)

    def _hold(self, transaction: Transaction, diff_id: str, parent: str | None) -> Layer | None:
        row = transaction.row(f"SELECT {COLUMNS} {_BY_CONTENT}", (diff_id, parent or ""))
        if row is None:
            return None
        self._leases.hold(transaction, row[0])
        return layer_of(row)

    def measured(
        self, stage: Stage, key: str, diff_id: DiffId, parent_chain: str = "", tar_bytes: int = 0
    ) -> Layer:
        """Brings the staged files to disk, then measures them: before that, blocks are not allocated."""
        from cowl.layer.measure import measure_layer

        remove_tree(stage.work)
        fd = os.open(stage.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(fd)
        finally:
            os.close(fd)
        found = measure_layer(stage.path)
        return Layer(
            key,
            diff_id,
            parent_chain,
            found.size_bytes,
            found.allocated_bytes,
            found.files,
            found.whiteouts,
            tar_bytes,
            self._clock(),
        )

    def publish(self, transaction: Transaction, stage: Stage, layer: Layer) -> Layer:
        """Under the lock: the rename and the row of a measured layer, which nothing refers to yet."""
        target = self._root.layer(layer.key)
        if os.path.lexists(target):  # left by a crash, and not yet seen by an open
            os.rename(target, f"{self._root.trash}/{trash_name('layer', layer.key)}")
        transaction.undo(lambda: _rename_back(target, stage.path))
        os.rename(stage.path, target)
        fsync_dir(self._root.layers)
        insert_layer(transaction, layer)
        return layer

    def hashed(self, key: str, check: Callable[[], object] = bool) -> Layer:
        """The layer with its diff_id, which it gets now if it never had one: all of it is read then.

        One process does that, others wait; `check` is called now and then and may raise to give up.
        Raises NoSuchLayer, ReservedName of `layer.pack`, OSError.
        """
        layer = self.get(key)
        return layer if layer.diff_id else self._hash(key, check)

    def _hash(self, key: str, check: Callable[[], object]) -> Layer:
        from cowl.layer.ownership import for_euid
        from cowl.layer.pack import pack
        from cowl.store.turn import Turn

        with self._leases.start("hash") as lease, Turn(self._root.locks, "hash", key, check):
            lease.pin(key)
            layer = self.get(key)
            if layer.diff_id:
                return layer
            owners = for_euid(os.geteuid())
            packed = pack(self._root.diff(key), lambda _part: check(), owners=owners, clean=False)
            with self._database.write(durable=True, doing="hashing a layer") as transaction:
                transaction.run(
                    "UPDATE layers SET diff_id = ?, tar_bytes = ? WHERE key = ?",
                    (packed.diff_id, packed.tar_bytes, key),
                )
            return layer.replace(diff_id=packed.diff_id, tar_bytes=packed.tar_bytes)

    def find(self, diff_id: str, parent: str | None = None) -> Layer | None:
        """The layer with this diff_id that fits on the chain `parent` (a ChainID), or None.

        One that depends on nothing below fits on every chain.
        """
        row = self._database.row(
            f"SELECT {COLUMNS} FROM layers WHERE diff_id = ? AND parent_chain IN ('', ?)"
            " ORDER BY parent_chain, created_at, key",
            (diff_id, parent or ""),
        )
        return layer_of(row) if row else None

    def get(self, key: str) -> Layer:
        """The layer of a key. Raises NoSuchLayer."""
        row = self._database.row(f"SELECT {COLUMNS} FROM layers WHERE key = ?", (key,))
        if row is None:
            raise NoSuchLayer(key)
        return layer_of(row)

    def resolve(self, text: str) -> Layer:
        """The layer of a diff_id, a key, or the beginning of either. Raises NoSuchLayer, AmbiguousId."""
        from cowl.store.images import AmbiguousId

        start = text.removeprefix("sha256:")
        if not start or start.strip("0123456789abcdef"):
            raise NoSuchLayer(text)
        found = self._database.rows(
            f"SELECT {COLUMNS} FROM layers WHERE key >= ?1 AND key < ?2 OR diff_id >= ?3 AND diff_id < ?4"
            " ORDER BY key LIMIT 3",
            (start, f"{start}g", f"sha256:{start}", f"sha256:{start}g"),
        )
        if len({row[1] or row[0] for row in found}) > 1:  # of one diff_id there may be several, all alike
            raise AmbiguousId(text, len(found))
        if not found:
            raise NoSuchLayer(text)
        return layer_of(found[0])

    def list(self) -> tuple[Layer, ...]:
        """All layers, in the order of their keys."""
        return tuple(map(layer_of, self._database.rows(f"SELECT {COLUMNS} FROM layers ORDER BY key")))

    def directory(self, key: str) -> str:
        """The absolute path of a layer's directory: `diff/` and perhaps `recipe`."""
        return self._root.layer(key)


def insert_layer(transaction: Transaction, layer: Layer) -> None:
    """Writes a new layer's row."""
    row = tuple(layer.as_dict().values())
    transaction.run(f"INSERT INTO layers ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def layer_key(diff_id: str, parent: str | None) -> str:
    """A key for a layer that is hashed before it is published: its diff_id's hex, or a hash of that and the
    chain that it depends on. Two processes that make the same layer meet in it; nobody may ask for a layer
    by it, since one with that diff_id may have another (see `Layers.find`)."""
    if not parent:
        return DiffId.parse(diff_id).hex
    from hashlib import sha256  # loads OpenSSL, and few layers need it

    return sha256(f"{diff_id} {parent}".encode()).hexdigest()


def layer_of(row: Row) -> Layer:
    """The value of a row of `layers` in the order of COLUMNS."""
    return Layer(row[0], DiffId(row[1]), *row[2:])


def _rename_back(target: str, path: str) -> None:
    try:
        os.rename(target, path)
    except FileNotFoundError:
        return
