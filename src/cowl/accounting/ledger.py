"""The ledger: who refers to which layer, who owns its bytes, and what a removal would free. Pure.

A layer's bytes belong to the images that stand on it, else to snapshots, else to containers, else to
the build cache (steps, then failed ones), else to the staging of a running pull or build. An inode that
several layers share belongs to the oldest of them. Nothing is owned twice.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self, TypeAlias

    from cowl.store.layers import Layer
    from cowl.store.rows import Rows, SharedInodes

# (kind, its ID, key or name): what can be removed
Object: TypeAlias = "tuple[str, str]"

IMAGE, SNAPSHOT, CONTAINER, STEP, FAILED = "image", "snapshot", "container", "step", "failed"
CACHE, VOLUME = "cache", "volume"
HOLDERS = (IMAGE, SNAPSHOT, CONTAINER, STEP, FAILED)  # of layers; the first that holds one owns it

# The owners of bytes on disk: each byte has exactly one.
LAYER_OWNER, CONTAINER_OWNER, SNAPSHOT_OWNER, VOLUME_OWNER = "layer", "container", "snapshot", "volume"
BUILD_CACHE_OWNER, CACHE_MOUNT_OWNER, BLOB_OWNER = "build cache", "cache mount", "blob"
LOG_OWNER, STAGING_OWNER, METADATA_OWNER = "log", "staging", "metadata"
OWNERS = (
    LAYER_OWNER,
    CONTAINER_OWNER,
    SNAPSHOT_OWNER,
    VOLUME_OWNER,
    BUILD_CACHE_OWNER,
    CACHE_MOUNT_OWNER,
    BLOB_OWNER,
    LOG_OWNER,
    STAGING_OWNER,
    METADATA_OWNER,
)
OWNER_OF_LAYERS = {  # by the kind of the holder
    IMAGE: LAYER_OWNER,
    SNAPSHOT: SNAPSHOT_OWNER,
    CONTAINER: CONTAINER_OWNER,
    STEP: BUILD_CACHE_OWNER,
    FAILED: BUILD_CACHE_OWNER,
    "": STAGING_OWNER,
}


class Bytes(Value):
    """An amount of disk: `size_bytes` apparent (file lengths), `allocated_bytes` blocks on disk."""

    size_bytes: int = 0
    allocated_bytes: int = 0

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.size_bytes + other.size_bytes, self.allocated_bytes + other.allocated_bytes)

    def __sub__(self, other: Bytes) -> Bytes:
        return Bytes(self.size_bytes - other.size_bytes, self.allocated_bytes - other.allocated_bytes)


NOTHING = Bytes()


def total(sizes: Sequence[Bytes]) -> Bytes:
    """The sum."""
    return Bytes(sum([each.size_bytes for each in sizes]), sum([each.allocated_bytes for each in sizes]))


class Ledger:
    """The references of a store at one moment.

    own   bytes of the directories of containers (log included), cache mounts and volumes, by object
    used  those of the cache mounts that a running build uses
    """

    def __init__(
        self, rows: Rows, own: Mapping[Object, Bytes], used: frozenset[Object] = frozenset()
    ) -> None:
        self.rows = rows
        self.own = own
        self.used = used
        self.layers: dict[str, Layer] = {layer.key: layer for layer in rows.layers}
        self._users: dict[str, dict[str, list[str]]] = {}
        self._needs: dict[Object, frozenset[str]] = {}
        self._holders: dict[str, str] = {}
        self._referred: dict[str, int] = {}  # how many objects refer to a layer
        self._shared: dict[str, list[SharedInodes]] = {}
        for kind, holders in self._kinds().items():
            self._refer(kind, holders)
        self._bound = {volume.name: frozenset(volume.containers) for volume in rows.volumes}
        for shared in rows.shared_inodes:
            for key in shared.layer_keys:
                self._shared.setdefault(key, []).append(shared)
        self._held = self._sums()

    def with_own(self, own: Mapping[Object, Bytes]) -> Self:
        """The same references with these bytes of directories, which were measured later."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.own = own
        return other

    def _sums(self) -> dict[str, Bytes]:
        """What the layers of each kind of holder take."""
        sizes: dict[str, list[int]] = {}
        for key in self.layers:
            found = self.attributed(key) if key in self._shared else self.layers[key]
            sums = sizes.setdefault(self._holders.get(key, ""), [0, 0])
            sums[0] += found.size_bytes
            sums[1] += found.allocated_bytes
        return {kind: Bytes(*sums) for kind, sums in sizes.items()}

    def _kinds(self) -> dict[str, Sequence[tuple[str, tuple[str, ...]]]]:
        """(ID or key, keys of its layers) of all that refer to layers, by kind, in the order of HOLDERS."""
        rows = self.rows
        steps = [(row.key, (row.layer_key,) if row.layer_key else ()) for row in rows.steps]
        return {
            IMAGE: [(row.id, row.layer_keys) for row in rows.images],
            SNAPSHOT: [(row.id, row.layer_keys) for row in rows.snapshots],
            CONTAINER: [(row.id, row.layer_keys) for row in rows.containers],
            STEP: steps,
            FAILED: [(row.id, row.layer_keys) for row in rows.failed_steps],
        }

    def _refer(self, kind: str, holders: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """Counts by stack: many containers stand on one."""
        stacks: dict[tuple[str, ...], frozenset[str]] = {}
        counts: dict[tuple[str, ...], int] = {}
        for identity, keys in holders:
            if keys not in stacks:
                stacks[keys] = frozenset(keys)
                counts[keys] = 0
            counts[keys] += 1
            self._needs[kind, identity] = stacks[keys]
        for keys, needs in stacks.items():
            for key in needs:
                self._referred[key] = self._referred.get(key, 0) + counts[keys]
                self._holders.setdefault(key, kind)

    def users(self, key: str, kind: str) -> Sequence[str]:
        """The IDs of the images, snapshots, containers, steps or failed steps that refer to a layer."""
        if not self._users:
            self._users = {kind: {} for kind in HOLDERS}
            for (one, identity), needs in self._needs.items():
                for each in needs:
                    self._users[one].setdefault(each, []).append(identity)
        return self._users[kind].get(key, ())

    def needs(self, thing: Object) -> frozenset[str]:
        """The keys of the layers that an object refers to."""
        return self._needs.get(thing, frozenset())

    def holder(self, key: str) -> str:
        """The first kind of object, in the order of HOLDERS, that refers to a layer; "" if none does."""
        return self._holders.get(key, "")

    def owner(self, key: str) -> str:
        """The one owner of a layer's bytes, of OWNERS."""
        return OWNER_OF_LAYERS[self.holder(key)]

    def shared_inodes(self, key: str) -> Sequence[SharedInodes]:
        """What a layer shares inodes of with which other layers."""
        return self._shared.get(key, ())

    def bytes_of(self, keys: Iterable[str]) -> Bytes:
        """What these layers take together: each one, and each inode that they share, counts once."""
        wanted = set(keys)
        layers = [self.layers[key] for key in wanted]
        size = sum([layer.size_bytes for layer in layers])
        allocated = sum([layer.allocated_bytes for layer in layers])
        for shared in self._touched(wanted):
            twice = sum([key in wanted for key in shared.layer_keys]) - 1
            size -= twice * shared.size_bytes
            allocated -= twice * shared.allocated_bytes
        return Bytes(size, allocated)

    def apparent_bytes(self, keys: Iterable[str]) -> int:
        """The file lengths of a stack, as `images` and `history` show them: each layer as often as it comes,
        whichever of its inodes it shares."""
        return sum([self.layers[key].size_bytes for key in keys])

    def _touched(self, keys: set[str]) -> Iterable[SharedInodes]:
        """The sets of shared inodes that any of the layers is in, each once."""
        if not self._shared:
            return ()
        return {id(shared): shared for key in keys for shared in self._shared.get(key, ())}.values()

    def attributed(self, key: str) -> Bytes:
        """What a layer takes without the inodes that it shares with an older one: these sum to the whole."""
        layer = self.layers[key]
        size, allocated = layer.size_bytes, layer.allocated_bytes
        for shared in self._shared.get(key, ()):
            if self.oldest(shared) != key:
                size -= shared.size_bytes
                allocated -= shared.allocated_bytes
        return Bytes(size, allocated)

    def oldest(self, shared: SharedInodes) -> str:
        """The key of the layer that shared inodes belong to: the one made first, then by key."""
        return min(shared.layer_keys, key=lambda key: (self.layers[key].created_at, key))

    def held(self, kind: str) -> Bytes:
        """What the layers take of which `kind` (of HOLDERS, or "" for none) is the holder."""
        return self._held.get(kind, NOTHING)

    def frees(self, objects: frozenset[Object]) -> Bytes:
        """What removing exactly these objects frees: a function of the set, never a sum over it.

        A layer goes when all that refer to it are in the set, and no running pull or build pins it; a
        shared inode goes with the last of its layers. A cache mount goes when no build uses it, a volume
        when all containers that use it are in the set. Objects that do not exist free nothing.
        """
        own = [self.own[thing] for thing in objects if thing in self.own and self._goes(thing, objects)]
        return total(own) + self.gives(self.dropped(objects))

    def dropped(self, objects: frozenset[Object]) -> frozenset[str]:
        """The keys of the layers that go when exactly these objects are removed."""
        leaving: dict[str, int] = {}
        for thing in objects:
            for key in self._needs.get(thing, ()):
                leaving[key] = leaving.get(key, 0) + 1
        referred, pinned = self._referred, self.rows.pinned
        return frozenset(
            [key for key, count in leaving.items() if count == referred[key] and key not in pinned]
        )

    def gives(self, dropped: frozenset[str], kind: str | None = None) -> Bytes:
        """What comes free when these layers go: of all, or of those that `kind` is the holder of."""
        size = allocated = 0
        for key in dropped:
            if kind is not None and self.holder(key) != kind:
                continue
            layer = self.layers[key]
            size += layer.size_bytes
            allocated += layer.allocated_bytes
            for shared in self._shared.get(key, ()):
                if self.oldest(shared) != key or not dropped.issuperset(shared.layer_keys):
                    size -= shared.size_bytes
                    allocated -= shared.allocated_bytes
        return Bytes(size, allocated)

    def _goes(self, thing: Object, objects: frozenset[Object]) -> bool:
        """Whether an object with a directory of its own can go with this set."""
        kind, name = thing
        if kind == VOLUME:
            return all((CONTAINER, identity) in objects for identity in self._bound.get(name, ()))
        return thing not in self.used
