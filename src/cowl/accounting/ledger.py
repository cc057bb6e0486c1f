"""The ledger: who refers to which layer, who owns its bytes, and what a removal would free. Pure.

A layer's bytes belong to the images that stand on it, else to the containers, else to the build
cache, else to failed steps, else to the staging of a running pull or build. Nothing is owned
twice.
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from cowl.store.layers import Layer
    from cowl.store.rows import Rows

# ("image" | "container" | "step" | "failed" | "cache", its ID or key)
Object: TypeAlias = "tuple[str, str]"

IMAGE, CONTAINER, STEP, FAILED = "image", "container", "step", "failed"
CACHE, STAGING = "cache", "staging"


class Bytes(Value):
    """An amount of disk: `size_bytes` apparent (file lengths), `allocated_bytes` blocks on disk."""

    size_bytes: int = 0
    allocated_bytes: int = 0

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.size_bytes + other.size_bytes, self.allocated_bytes + other.allocated_bytes)


class Ledger:
    """The references of a store at one moment.

    uppers  bytes of each container's directory, by ID
    caches  bytes of each cache mount's, by ID; `used`: those that a build uses
    """

    def __init__(
        self,
        rows: Rows,
        uppers: Mapping[str, Bytes],
        caches: Mapping[str, Bytes] | None = None,
        used: frozenset[str] = frozenset(),
    ) -> None:
        self.rows = rows
        self.uppers = uppers
        self.caches = caches or {}
        self.used = used
        self.layers: dict[str, Layer] = {layer.key: layer for layer in rows.layers}
        self._users: dict[str, dict[str, list[str]]] = {IMAGE: {}, CONTAINER: {}, STEP: {}, FAILED: {}}
        self._needs: dict[Object, frozenset[str]] = {}
        for image in rows.images:
            self._refer(IMAGE, image.id, image.layer_keys)
        for container in rows.containers:
            self._refer(CONTAINER, container.id, container.layer_keys)
        for step in rows.steps:
            self._refer(STEP, step.key, (step.layer_key,) if step.layer_key else ())
        for shown in rows.failed_steps:
            self._refer(FAILED, shown.id, shown.layer_keys)

    def _refer(self, kind: str, identity: str, keys: Iterable[str]) -> None:
        needs = self._needs[kind, identity] = frozenset(keys)
        users = self._users[kind]
        for key in needs:
            users.setdefault(key, []).append(identity)

    def users(self, key: str, kind: str) -> Sequence[str]:
        """The IDs of the images, containers, steps or failed steps that refer to a layer."""
        return self._users[kind].get(key, ())

    def owner(self, key: str) -> str:
        """The kind of the one owner of a layer's bytes: IMAGE, CONTAINER, STEP, FAILED or STAGING."""
        return next((kind for kind, users in self._users.items() if key in users), STAGING)

    def bytes_of(self, keys: Iterable[str]) -> Bytes:
        """What these layers take, each one once however often it is named."""
        found = [self.layers[key] for key in set(keys)]
        return Bytes(
            sum([layer.size_bytes for layer in found]), sum([layer.allocated_bytes for layer in found])
        )

    def owned(self, kind: str) -> Bytes:
        """What all layers of one owner take."""
        return self.bytes_of(key for key in self.layers if self.owner(key) == kind)

    def frees(self, objects: frozenset[Object]) -> Bytes:
        """What removing exactly these objects frees: a function of the set, never a sum over it.

        A layer goes when all that refer to it (images, containers, steps, failed ones) are in the set, and no
        running pull or build pins it. A cache mount goes when no build uses it. Objects that do not
        exist free nothing.
        """
        touched: set[str] = set().union(*(self._needs.get(found, frozenset()) for found in objects))
        layers = self.bytes_of(key for key in touched if self._goes_with(key, objects))
        gone = (identity for kind, identity in objects if kind == CONTAINER)
        unused = (identity for kind, identity in objects if kind == CACHE and identity not in self.used)
        own = [self.uppers.get(identity, Bytes()) for identity in gone]
        own += [self.caches.get(identity, Bytes()) for identity in unused]
        return sum(own, layers)

    def _goes_with(self, key: str, objects: frozenset[Object]) -> bool:
        return key not in self.rows.pinned and all(
            (kind, identity) in objects
            for kind, users in self._users.items()
            for identity in users.get(key, ())
        )
