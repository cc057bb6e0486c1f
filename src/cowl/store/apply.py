"""Apply: exactly what a plan says goes, in one transaction, or nothing at all.

A plan says of every object how it saw it, and which layers go with them. The transaction looks again,
deletes, and compares what went with what was planned: on any difference it is rolled back.
"""

from __future__ import annotations

import fcntl
import os

from cowl.errors import Conflict
from cowl.linux.files import Tally, remove_tree
from cowl.oci.reference import Reference
from cowl.store.cache_mounts import CacheMounts
from cowl.store.container_hold import is_held
from cowl.store.garbage import delete, trashed
from cowl.store.image_events import image_event
from cowl.store.images import drop_image
from cowl.store.sight import CACHE, CONTAINER, FAILED, IMAGE, SNAPSHOT, STEP, VOLUME, difference, see
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.owner import Owner
    from cowl.store.root_directory import RootDirectory
    from cowl.store.sight import Seen

UNTAGGED, DELETED = "untagged", "deleted"
_SHOWN = 3  # differences that the message spells out


class StoreChanged(Conflict):
    """What a plan says of the store does not hold any more. Field: differences, in words."""

    def __init__(self, differences: Sequence[str]) -> None:
        said = "; ".join(differences[:_SHOWN])
        more = f"; and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        super().__init__(
            f"the store changed since the plan was made: {said}{more}; plan again",
            hint="Nothing was removed.",
        )
        self.differences = tuple(differences)


class Target(Value):
    """An object that a plan is about.

    kind, id  as the ledger has them: ("image", ID), ("container", ID), ...
    name      for messages
    seen      what `see` must still give; None for a container that is killed first, and for its volumes
    untag     references that an image loses, in the order in which that is reported
    goes      False for an image that only loses names
    """

    kind: str
    id: str
    name: str
    seen: Seen | None
    untag: tuple[str, ...] = ()
    goes: bool = True


class Targets(Value):
    """All that a plan pins down.

    layers       keys of the layers that go with the objects
    layer_bytes  blocks on disk that this gives back
    shared       some of their inodes belong to other layers too
    """

    objects: tuple[Target, ...]
    layers: frozenset[str] = frozenset()
    layer_bytes: int = 0
    shared: bool = False

    def of(self, kind: str) -> tuple[Target, ...]:
        """Those of one kind."""
        return tuple(target for target in self.objects if target.kind == kind)


class Receipt(Value):
    """What an applied plan did.

    told         ("untagged", familiar name) and ("deleted", ID), as `docker rmi` tells them: of each image
                 its names, its ID, and the diff_ids of the layers that went with it, topmost first
    removed      (kind, ID) of every object that is gone, in the order of removal
    freed        (kind, ID or key, bytes) of every directory that was unlinked
    freed_bytes  blocks on disk of every inode whose last name went, measured while unlinking
    """

    told: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    freed: tuple[tuple[str, str, int], ...] = ()
    freed_bytes: int = 0

    @property
    def untagged(self) -> tuple[str, ...]:
        """The familiar names that were taken away."""
        return tuple(text for what, text in self.told if what == UNTAGGED)

    @property
    def deleted(self) -> tuple[str, ...]:
        """Image IDs, each followed by the diff_ids of its layers that went."""
        return tuple(text for what, text in self.told if what == DELETED)

    def of(self, kind: str) -> tuple[str, ...]:
        """The IDs of the objects of a kind that are gone."""
        return tuple(identity for each, identity in self.removed if each == kind)

    def as_dict(self) -> dict[str, Any]:
        """The receipt as values that JSON knows."""
        return {
            "removed": [{"kind": kind, "id": identity} for kind, identity in self.removed],
            "untagged": self.untagged,
            "deleted": self.deleted,
            "freed": [{"kind": kind, "id": name, "bytes": size} for kind, name, size in self.freed],
            "freed_bytes": self.freed_bytes,
        }


def apply(database: Database, owner: Owner, caches: CacheMounts, targets: Targets) -> Receipt:
    """Removes exactly these objects, with exactly these layers. All of it, or nothing.

    Raises StoreChanged when anything is not as it was seen. An interrupt while files are being unlinked
    leaves them in the trash, which the next open empties.
    """
    freed: list[tuple[str, str, int]] = []

    def unlink(path: str) -> None:
        tally = Tally()
        remove_tree(path, tally)
        kind, name = trashed(path)
        freed.append((kind, name, tally.freed_bytes))

    with _Held(database, caches, targets):
        work = delete(
            database,
            lambda deletion: _Removal(deletion, database.root, targets, owner).run(),
            "removing",
            unlink,
        )
    return work.replace(freed=tuple(freed), freed_bytes=sum(each[2] for each in freed))


def left_after_stopping(database: Database, targets: Targets) -> Targets:
    """The targets without what went when a container was stopped that was to be removed at its end.

    Such a container takes its anonymous volumes along, and the layers that only it still had.
    """
    queries = {
        CONTAINER: "SELECT 1 FROM containers WHERE id = ?",
        VOLUME: "SELECT 1 FROM volumes WHERE name = ?",
    }
    with database.snapshot():
        objects = tuple(
            target
            for target in targets.objects
            if target.seen is not None or database.row(queries[target.kind], (target.id,))
        )
        layers = {key for (key,) in database.rows("SELECT key FROM layers")}
    return targets.replace(objects=objects, layers=targets.layers & layers)


class _Held:
    """Locks that are taken before the store's own and held until all is unlinked.

    Cache mounts, so that no build begins to use one; the trash, if inodes are shared between layers, since
    two processes that unlink the last two names of an inode can't tell whose was the last.
    """

    def __init__(self, database: Database, caches: CacheMounts, targets: Targets) -> None:
        self._trash = database.root.trash
        self._caches = caches
        self._targets = targets
        self._fds: list[int] = []

    def __enter__(self) -> None:
        try:
            if self._targets.shared:
                self._fds.append(os.open(self._trash, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                fcntl.flock(self._fds[-1], fcntl.LOCK_EX)
            for target in self._targets.of(CACHE):
                fd = self._caches.hold(target.id)
                if fd < 0:
                    raise StoreChanged([f"the cache mount {target.name} is in use by a build or gone"])
                self._fds.append(fd)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_failure: object) -> None:
        while self._fds:
            os.close(self._fds.pop())


class _Removal:
    """One try, inside its transaction."""

    def __init__(
        self, deletion: Deletion, directories: RootDirectory, targets: Targets, owner: Owner
    ) -> None:
        self._directories = directories
        self._deletion = deletion
        self._transaction = deletion.transaction
        self._targets = targets
        self._owner = owner
        self._told: list[tuple[str, str]] = []

    def run(self) -> Receipt:
        self._check(self._differences())
        before = self._layer_bytes()
        self._deletion.sync_first = any(target.kind in (CACHE, VOLUME) for target in self._targets.objects)
        for target in self._targets.objects:
            self._remove(target)
        self._check(self._surprises(before))
        self._owner.leave(self._transaction)
        gone = tuple((target.kind, target.id) for target in self._targets.objects if target.goes)
        return Receipt(tuple(self._told), gone)

    def _check(self, differences: Iterator[str]) -> None:
        found = list(differences)
        if found:
            raise StoreChanged(found)

    def _differences(self) -> Iterator[str]:
        going = frozenset(target.id for target in self._targets.of(CONTAINER))
        for target in self._targets.objects:
            found = see(self._transaction, target.kind, target.id, going)
            if found != target.seen:
                said = difference(target.kind, target.name, target.seen, found)
                if said:
                    yield said

    def _layer_bytes(self) -> int:
        """What the planned layers give back, by the rows as they are now."""
        return self._deletion.layer_bytes(self._targets.layers)

    def _surprises(self, layer_bytes: int) -> Iterator[str]:
        """Layers that stay or go against the plan, or give back another number of bytes."""
        went = {layer.key for layer in self._deletion.dropped}
        for key in sorted(self._targets.layers - went):
            yield f"the layer {key[:12]} is needed by something new"
        for key in sorted(went - self._targets.layers):
            yield f"nothing else needs the layer {key[:12]} any more"
        if went == self._targets.layers and layer_bytes != self._targets.layer_bytes:
            yield f"its layers give back {layer_bytes} bytes, not {self._targets.layer_bytes}"

    def _remove(self, target: Target) -> None:
        if target.kind == CONTAINER:
            self._remove_container(target)
        elif target.kind in (IMAGE, FAILED):
            self._remove_image(target)
        elif target.kind == SNAPSHOT:
            self._deletion.drop_snapshot(target.id)
        elif target.kind == STEP:
            self._deletion.drop_step(target.id)
        elif target.kind == CACHE:
            self._deletion.drop_cache(target.id)
        elif target.kind == VOLUME:
            self._deletion.drop_volume(target.id)
        else:
            raise ValueError(f"nothing of the kind {target.kind!r} can be removed")

    def _remove_container(self, target: Target) -> None:
        """Without its volumes: they are targets of their own."""
        if is_held(self._directories.container(target.id)):
            raise StoreChanged([f"container {target.name} is being started, copied, snapshot or restored"])
        self._deletion.drop_container(target.id, volumes=False)

    def _remove_image(self, target: Target) -> None:
        for reference in target.untag:
            for table in ("tags", "repo_digests"):
                taken = self._transaction.run(
                    f"DELETE FROM {table} WHERE reference = ? AND image = ?", (reference, target.id)
                )
                self._told += [(UNTAGGED, Reference.parse(reference).familiar)] * taken
                if taken:
                    image_event(self._transaction, target.id, "untag", Reference.parse(reference).familiar)
        if not target.goes:
            return
        before = len(self._deletion.dropped)
        drop_image(self._deletion, target.id)
        if target.kind == IMAGE:
            gone = self._deletion.dropped[before:]
            ids = (target.id, *(layer.diff_id or layer.key for layer in gone))
            self._told += [(DELETED, each) for each in ids]
