"""Names: what users call the objects of a removal, and their rows by ID. Pure."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, IMAGE, SNAPSHOT, STEP, VOLUME
from cowl.oci.reference import familiar_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.ledger import Object
    from cowl.accounting.selection import Selection


class RemovalNames:
    """Rows by ID, and the names that users know them by."""

    def __init__(self, selection: Selection) -> None:
        rows = selection.rows
        self._containers = selection.containers
        self.images = {row.id: row for row in rows.images}
        self.snapshots = {row.id: row for row in rows.snapshots}
        self.steps = {row.key: row for row in rows.steps}
        self.caches = {row.id: row for row in rows.cache_mounts}
        self.volumes = {row.name: row for row in rows.volumes}
        self._described: dict[Object, str] = {}
        self._known: dict[Object, tuple[str, ...]] = {}

    def image_names(self, identity: str) -> tuple[str, ...]:
        """All names of an image, canonical and sorted."""
        row = self.images[identity]
        return tuple(sorted((*row.references, *row.repo_digests)))

    def of(self, thing: Object) -> tuple[str, ...]:
        """The names of an object."""
        found = self._known.get(thing)
        if found is None:
            found = self._known[thing] = self._of(*thing)
        return found

    def _of(self, kind: str, identity: str) -> tuple[str, ...]:
        if kind == IMAGE:
            return tuple(map(familiar_name, self.image_names(identity)))
        if kind == CONTAINER:
            return (self._containers[identity].name,)
        if kind == SNAPSHOT:
            name = self.snapshots[identity].name
            return (name,) if name else ()
        if kind == STEP:
            return (self.steps[identity].description,)
        if kind == CACHE:
            return (self.caches[identity].name,)
        return (identity,) if kind == VOLUME else ()

    def short(self, thing: Object) -> str:
        """One name, or the beginning of the ID."""
        if thing[0] == STEP:
            return thing[1][:12]
        return next(iter(self.of(thing)), thing[1].removeprefix("sha256:")[:12])

    def user(self, thing: Object) -> str:
        """Who stands on a layer, in few words."""
        return f"step {thing[1][:12]}" if thing[0] == STEP else self.short(thing)

    def described(self, thing: Object) -> str:
        """The kind and the name: "container web"."""
        if thing not in self._described:
            self._described[thing] = f"{thing[0]} {self.short(thing)}"
        return self._described[thing]
