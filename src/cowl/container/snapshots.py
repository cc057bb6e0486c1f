"""Snapshots in the caller's hand, and the forks that are made of them."""

from __future__ import annotations

import os

from cowl.container.bundle import find_user
from cowl.container.creation import fill_volumes, memberships
from cowl.container.handle.container import Container
from cowl.container.options import Settings
from cowl.container.words import InvalidOptions, as_words
from cowl.errors import CowlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cowl.container.lifecycle import Containers
    from cowl.container.publisher import CommittedImage
    from cowl.store.container_record import ContainerRecord
    from cowl.store.snapshot_record import SnapshotRecord
    from cowl.store.volume_record import Claim

MOST_FORKS = 10_000  # of one call: a slip of the finger should not take the file system's inodes


class Snapshot:
    """A container's files at one moment. A handle on what does not change, but may be removed.

    Made by `Container.snapshot`, `Engine.snapshot` and `Engine.snapshots`.
    """

    def __init__(self, service: Containers, record: SnapshotRecord) -> None:
        self._service = service
        self._record = record

    @property
    def id(self) -> str:
        """64 hex digits."""
        return self._record.id

    @property
    def name(self) -> str:
        """As given; "" if it has none."""
        return self._record.name

    @property
    def message(self) -> str:
        """What was said of it when it was taken."""
        return self._record.message

    @property
    def container_id(self) -> str:
        """Whose files it holds; that container may be gone."""
        return self._record.container_id

    @property
    def settings(self) -> Settings:
        """Those of that container: what its forks start with."""
        return Settings.from_json(self._record.settings)

    @property
    def image(self) -> str:
        """The name of that container's image, as it was given."""
        return self.settings.image

    @property
    def image_id(self) -> str:
        """ "sha256:..." of the config of that container's image, which may be gone."""
        return self._record.image_id

    @property
    def created_at(self) -> float:
        """Seconds since the epoch."""
        return self._record.created_at

    @property
    def last_used(self) -> float:
        """When something was last forked from it or restored to it, else when it was taken."""
        return self._record.last_used

    @property
    def size_bytes(self) -> int:
        """What it adds to its image: apparent bytes of the layers that were uppers once."""
        return sum(layer.size_bytes for layer in self._record.layers[self._record.image_layers :])

    @property
    def virtual_bytes(self) -> int:
        """The same with the image's layers."""
        return sum(layer.size_bytes for layer in self._record.layers)

    def fork(self, count: int = 1, *, name: str = "") -> list[Container]:
        """Containers on this snapshot, created and not started; each costs an empty upper.

        They have the settings of the container that it was taken of, with its named volumes and with
        anonymous ones of their own: what lies in volumes is in no snapshot. `name`: of the only one; of
        several NAME-1, NAME-2, ...; "" makes names up. All of them or none. Raises NameInUse, InvalidName,
        InvalidOptions for a count below 1, NotFound when the snapshot is gone.
        """
        return fork(self._service, self._record, count, name)

    def promote(
        self, reference: str = "", *, message: str = "", author: str = "", changes: Sequence[str] = ()
    ) -> CommittedImage:
        """Makes it an image: a cowl.Image. The layers are the same, and hashed now; nothing is copied.

        The config is that of the container's image and its settings; `changes` are Dockerfile
        instructions for it. Raises InvalidChange, InvalidReference, NotFound when the snapshot is gone.
        """
        return self._service.publisher().promote(
            self._record, reference, message=message, author=author, changes=as_words("changes", changes)
        )

    def remove(self, *, force: bool = False) -> None:
        """Deletes it, with its layer unless something stands on that.

        Raises SnapshotInUse, a Conflict, while containers that were forked from it or restored to it are
        there, unless `force`: they stay, with their files.
        """
        self._service.store.snapshots.remove(self.id, force)

    def attrs(self) -> dict[str, Any]:
        """The JSON value of `cowl snapshot inspect`."""
        from cowl.container.attrs import snapshot_attrs

        return snapshot_attrs(self._record, self.settings)

    def __repr__(self) -> str:
        return f"<Snapshot {self.id[:12]} {self.name or '<none>'}>"


def take(service: Containers, record: ContainerRecord, name: str, message: str) -> Snapshot:
    """See `Container.snapshot`."""
    record = service.find(record.id).record
    user = recorded_user(service, record)
    if record.state not in ("running", "paused"):
        return Snapshot(service, service.store.snapshots.freeze(record.id, name, message, user))
    with service.store.layers.stage() as stage:
        record = service.store.copy_upper(record.id, stage, user=user)
        return Snapshot(service, service.store.snapshots.publish(record, stage, name, message))


def fork(service: Containers, snapshot: SnapshotRecord, count: int, name: str) -> list[Container]:
    """See `Snapshot.fork`."""
    _check_count(count)
    numbers = range(1, count + 1)
    names = [f"{name}-{number}" if name and count > 1 else name for number in numbers]
    store = service.store.containers
    made: list[ContainerRecord] = []
    try:
        for each in names:
            settings, volumes = _claimed(snapshot.settings)
            about = (each, snapshot.image_id, snapshot.layer_keys, settings)
            networks = memberships(service.store, Settings.from_json(snapshot.settings))
            made.append(store.create(*about, snapshot=snapshot, volumes=volumes, networks=networks))
            if volumes:
                fill_volumes(service.store, made[-1])
    except BaseException:
        for record in made:
            store.remove(record.id, volumes=True)
        raise
    return [Container(service, record) for record in made]


def fork_now(service: Containers, record: ContainerRecord, count: int, name: str) -> list[Container]:
    """See `Container.fork`."""
    _check_count(count)
    snapshot = take(service, record, "", "")
    try:
        return snapshot.fork(count, name=name)
    except BaseException:
        snapshot.remove()
        raise


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_FORKS:
        raise InvalidOptions(f"can't make {count} forks", hint=f"it goes from 1 to {MOST_FORKS}")


def _claimed(settings: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Claim]]:
    """A fork has its parent's named volumes, and anonymous ones of its own."""
    if not settings.get("mounts"):
        return settings, ()
    from cowl.container.mounts import claims, with_names

    own = Settings.from_json(settings)
    own = own.replace(mounts=with_names(own.mounts))
    return own.to_json(), claims(own.mounts)


def restore(service: Containers, record: ContainerRecord, snapshot: Snapshot | str) -> ContainerRecord:
    """See `Container.restore`."""
    record = service.find(record.id).record
    wanted = snapshot.id if isinstance(snapshot, Snapshot) else service.store.snapshots.find(snapshot).id
    return service.store.snapshots.restore(record.id, wanted)


def recorded_user(service: Containers, record: ContainerRecord) -> tuple[int, int]:
    """uid and gid of whom the container's new files belong to, if the disk does not say; else zeros.

    With one id in the container the kernel gives every file to the caller.
    """
    settings = Settings.from_json(record.settings)
    if os.geteuid() == 0 or not settings.user:
        return 0, 0
    try:
        user = find_user(service.store, record, settings.user)
    except CowlError:  # then nothing has ever run as that user
        return 0, 0
    return user.uid, user.gid
