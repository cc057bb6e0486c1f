"""Selection: what is to go, one request after the other, by Docker's rules. Pure.

Every request is judged by what the earlier ones leave: once its container is to go, an image is free.
"""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, FAILED, IMAGE, SNAPSHOT, STEP, VOLUME
from cowl.accounting.removal import Stay
from cowl.errors import Conflict
from cowl.oci.reference import Reference, familiar_name
from cowl.store.cache_mounts import CacheMountInUse
from cowl.store.container_record import ContainerRunning
from cowl.store.snapshot_record import SnapshotInUse
from cowl.store.volume_record import VolumeInUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.accounting.ledger import Object
    from cowl.store.rows import CacheMountRow, ContainerRow, Rows


_ORDER = (CONTAINER, VOLUME, SNAPSHOT, IMAGE, FAILED, STEP, CACHE)


class ImageInUse(Conflict):
    """An image can't be removed as asked. Fields: image_id, user_id ("" if it is not about one)."""

    def __init__(self, message: str, image_id: str, user_id: str = "") -> None:
        super().__init__(message)
        self.image_id = image_id
        self.user_id = user_id


class Selection:
    """What goes so far.

    rows    of the store; alive: the IDs of the containers whose process lives
    going   the objects, in the order in which they were asked for
    untags  per image the names that it loses, in the order in which that is reported
    """

    def __init__(self, rows: Rows, alive: frozenset[str]) -> None:
        self.rows = rows
        self.alive = alive
        self.going: dict[Object, None] = {}
        self.untags: dict[str, list[str]] = {}
        self.stays: list[Stay] = []
        self.refusals: list[Conflict] = []
        self.names = {
            image.id: tuple(sorted((*image.references, *image.repo_digests))) for image in rows.images
        }
        self.names.update({image.id: () for image in rows.failed_steps})
        self.containers = {row.id: row for row in rows.containers}
        self._snapshots = {row.id: row for row in rows.snapshots}
        self._volumes = {row.name: row for row in rows.volumes}
        self._users: dict[str, list[ContainerRow]] = {}
        for row in rows.containers:
            self._users.setdefault(row.image_id, []).append(row)

    def add(self, kind: str, identity: str) -> None:
        """Selects an object whatever the rules say; what they say of images has been asked before."""
        self.going[kind, identity] = None

    def ordered(self) -> list[Object]:
        """The objects in the order of removal: containers first, since they use images and volumes."""
        return sorted(self.going, key=lambda thing: _ORDER.index(thing[0]))

    def refuse(self, kind: str, name: str, refusal: Conflict, needed_by: Iterable[str] = ()) -> None:
        """What was asked for by name stays."""
        self.refusals.append(refusal)
        self.stays.append(Stay(kind, (name,), refusal.message, tuple(needed_by)))

    def add_container(self, identity: str, *, force: bool = False) -> None:
        """`docker rm`: one that runs goes only with `force`."""
        row = self.containers[identity]
        if identity in self.alive and not force:
            self.refuse(CONTAINER, row.name, ContainerRunning(row.name, identity))
        else:
            self.add(CONTAINER, identity)

    def add_snapshot(self, identity: str, *, force: bool = False) -> None:
        """`cowl snapshot rm`: one that containers were forked from or restored to goes only with `force`."""
        row = self._snapshots[identity]
        users = [
            each.name
            for each in self.rows.containers
            if each.snapshot_id == row.id and (CONTAINER, each.id) not in self.going
        ]
        if users and not force:
            refusal = SnapshotInUse(row.name, row.id, users)
            self.refuse(SNAPSHOT, row.name or row.id[:12], refusal, [f"container {name}" for name in users])
        else:
            self.add(SNAPSHOT, row.id)

    def add_cache(self, row: CacheMountRow, *, in_use: bool) -> None:
        """A cache mount that a build uses stays."""
        if in_use:
            self.refuse(CACHE, row.name, CacheMountInUse(row), ("a running build",))
        else:
            self.add(CACHE, row.id)

    def add_volume(self, name: str) -> None:
        """`docker volume rm`: one that a container has, running or not, stays."""
        users = self.volume_users(name)
        if users:
            refusal = VolumeInUse(name, [row.id for row in users])
            self.refuse(VOLUME, name, refusal, [f"container {row.name}" for row in users])
        else:
            self.add(VOLUME, name)

    def volume_users(self, name: str) -> list[ContainerRow]:
        """The containers that have a volume and stay."""
        row = self._volumes[name]
        return [self.containers[each] for each in row.containers if (CONTAINER, each) not in self.going]

    def add_anonymous_volumes(self) -> None:
        """`docker rm -v`: the anonymous volumes of the containers that go, but what others have too."""
        for row in self.rows.volumes:
            if row.anonymous and row.containers and not self.volume_users(row.name):
                self.add(VOLUME, row.name)

    def users(self, image: str) -> list[ContainerRow]:
        """The containers of an image that stay, those that run first, then the oldest first."""
        left = [row for row in self._users.get(image, ()) if (CONTAINER, row.id) not in self.going]
        return sorted(left, key=lambda row: (row.id not in self.alive, row.created_at))

    def add_image(self, identity: str, text: str, *, by_name: bool, force: bool = False) -> None:
        """`docker rmi`: a name is untagged, and the image goes with its last one; an ID goes with its names.

        Without `force` an image that a container uses stays, as does one with several names that is asked
        for by ID. One that a running container uses stays in any case, if need be nameless.
        """
        names = self.names.get(identity, ())
        try:
            left = self._left(identity, text, by_name, force)
        except ImageInUse as refusal:
            needed_by = [f"container {row.name}" for row in self.users(identity)]
            self.refuse(IMAGE, _known_as(identity, names), refusal, needed_by)
            return
        gone = [name for name in names if name not in left]
        if by_name and (left or any(row.id in self.alive for row in self.users(identity))):
            self._keep(identity, left)
        else:
            self.add(FAILED if self._is_failed(identity) else IMAGE, identity)
            left, gone = (), [*gone, *_in_order(left)]
        self.names[identity] = left
        self.untags.setdefault(identity, []).extend(gone)

    def add_whole_image(self, identity: str) -> None:
        """An image with all its names, whatever the rules say: what prunes do with those that are free."""
        self.untags.setdefault(identity, []).extend(_in_order(self.names.get(identity, ())))
        self.names[identity] = ()
        self.add(IMAGE, identity)

    def drop(self, thing: Object) -> None:
        """Takes back that it goes, with all that an image would have lost."""
        del self.going[thing]
        if thing[0] == IMAGE:
            self.names[thing[1]] = tuple(sorted(self.untags.pop(thing[1], ())))

    def note(self, kind: str, identity: str, why: str, needed_by: Iterable[str]) -> None:
        """That something stays that might have gone."""
        name = _known_as(identity, self.names.get(identity, ())) if kind == IMAGE else identity
        self.stays.append(Stay(kind, (name,), why, tuple(needed_by)))

    def _is_failed(self, identity: str) -> bool:
        return any(image.id == identity for image in self.rows.failed_steps)

    def _keep(self, identity: str, left: tuple[str, ...]) -> None:
        users = self.users(identity)
        why = "it has other names" if left else "a running container uses it"
        needed = [f"name {familiar_name(name)}" for name in left] or [
            f"container {row.name}" for row in users
        ]
        self.stays.append(Stay(IMAGE, (_known_as(identity, left),), why, tuple(needed)))

    def _left(self, identity: str, text: str, by_name: bool, force: bool) -> tuple[str, ...]:
        """The names that the image keeps for now. Raises ImageInUse."""
        names = self.names.get(identity, ())
        users = self.users(identity)
        if by_name:
            if users and not force and _is_single(names):
                raise ImageInUse(
                    f'conflict: unable to remove repository reference "{text}" (must force) - container'
                    f" {users[0].id[:12]} is using its referenced image {_short(identity)}",
                    identity,
                    users[0].id,
                )
            names = _without(names, Reference.parse(text).with_default_tag())
            if names or any(row.id in self.alive for row in users):
                return names
        elif not force and not _is_single(names):
            raise _conflict(identity, "must be forced", "image is referenced in multiple repositories")
        self._check_users(identity, users, force)
        return names

    def _check_users(self, identity: str, users: list[ContainerRow], force: bool) -> None:
        for row in users:
            if row.id in self.alive:
                why = f"image is being used by running container {row.id[:12]}"
                raise _conflict(identity, "cannot be forced", why, row.id)
        for row in users if not force else ():
            why = f"image is being used by stopped container {row.id[:12]}"
            raise _conflict(identity, "must be forced", why, row.id)


def _without(names: tuple[str, ...], reference: Reference) -> tuple[str, ...]:
    """The names without this one; the digests of a repository go with its last tag."""
    gone = str(reference.with_digest(reference.digest) if reference.digest else reference)
    left = tuple(name for name in names if name != gone)
    parsed = [Reference.parse(name) for name in left]
    same = [name for name in parsed if name.repository == reference.repository]
    if same and not any(name.tag for name in same):
        left = tuple(str(name) for name in parsed if name.repository != reference.repository)
    return left


def _in_order(names: tuple[str, ...]) -> list[str]:
    """As they are reported when they all go: each repository's tags, and its digests after the last."""
    if len(names) < 2:
        return list(names)
    told: list[str] = []
    left = tuple(sorted(names))
    while left:
        fewer = _without(left, Reference.parse(left[0]))
        told += [name for name in left if name not in fewer]
        left = fewer
    return told


def _is_single(names: Iterable[str]) -> bool:
    """At most one tag, and all in one repository: Docker's condition for an image to go with its name."""
    parsed = [Reference.parse(name) for name in names]
    return sum(bool(name.tag) for name in parsed) <= 1 and len({name.repository for name in parsed}) <= 1


def _conflict(image: str, kind: str, why: str, user: str = "") -> ImageInUse:
    return ImageInUse(f"conflict: unable to delete {_short(image)} ({kind}) - {why}", image, user)


def _known_as(image: str, names: Iterable[str]) -> str:
    return next(map(familiar_name, names), _short(image))


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]
