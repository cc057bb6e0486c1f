"""Removal: what a user may remove and under which name, with Docker's rules and words.

One transaction looks, decides and deletes, so nothing can change in between.
"""

from __future__ import annotations

from cowl.errors import Conflict
from cowl.linux.process import ProcessId
from cowl.oci.reference import Reference
from cowl.store.garbage import delete
from cowl.store.images import by_name, drop_image
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.images import Images
    from cowl.store.transaction import Transaction


class ImageInUse(Conflict):
    """An image can't be removed as asked. Fields: image_id, container_id ("" if it is not about one)."""

    def __init__(self, message: str, image_id: str, container_id: str = "") -> None:
        super().__init__(message)
        self.image_id = image_id
        self.container_id = container_id


class Removal(Value):
    """What a removal did.

    untagged     familiar names that were taken away
    deleted      image ID, then the diff_ids of the layers that went with it, topmost first
    freed_bytes  blocks on disk of those layers
    """

    untagged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    freed_bytes: int = 0


def remove_image(database: Database, images: Images, text: str, force: bool = False) -> Removal:
    """`docker rmi`: a name is untagged, and the image goes with its last one; an ID goes with its names.

    Without `force` an image that a container uses stays, as does one with several names that is asked
    for by ID. One that a running container uses stays in any case, if need be nameless. Layers that other
    images, containers, build steps or leases need stay. Raises NoSuchImage, AmbiguousId, ImageInUse.
    """
    return delete(
        database,
        lambda deletion: _Request(deletion, images.resolve(deletion.transaction, text), text, force).run(),
        "removing an image",
    )


class _Request:
    """One removal under way, inside its transaction."""

    def __init__(self, deletion: Deletion, image: str, text: str, force: bool) -> None:
        self._deletion = deletion
        self._image = image
        self._text = text
        self._force = force
        self._by_name = by_name(deletion.transaction, text) is not None
        self._untagged: list[str] = []

    @property
    def _transaction(self) -> Transaction:
        return self._deletion.transaction

    def run(self) -> Removal:
        if self._by_name:
            self._check_last_name()
            self._untag(Reference.parse(self._text).with_default_tag())
            if self._names() or any(running for _, running in self._users()):
                return Removal(tuple(self._untagged))
        elif not self._force and not _is_single(self._names()):
            raise self._conflict("must be forced", "image is referenced in multiple repositories")
        self._check_containers()
        for name in self._names():
            self._untag(Reference.parse(name))
        drop_image(self._deletion, self._image)
        dropped = self._deletion.dropped
        return Removal(
            tuple(self._untagged),
            (self._image, *(layer.diff_id for layer in dropped)),
            sum(layer.allocated_bytes for layer in dropped),
        )

    def _names(self) -> list[str]:
        rows = self._transaction.rows(
            "SELECT reference FROM tags WHERE image = ?1 UNION ALL"
            " SELECT reference FROM repo_digests WHERE image = ?1 ORDER BY 1",
            (self._image,),
        )
        return [row[0] for row in rows]

    def _untag(self, reference: Reference) -> None:
        """Takes one name away; the digests of a repository go with its last tag."""
        if reference.digest:
            reference = reference.with_digest(reference.digest)
        for table in ("tags", "repo_digests"):
            self._untagged += [reference.familiar] * self._transaction.run(
                f"DELETE FROM {table} WHERE reference = ? AND image = ?", (str(reference), self._image)
            )
        left = [Reference.parse(name) for name in self._names()]
        same = [name for name in left if name.repository == reference.repository]
        if same and not any(name.tag for name in same):
            self._untag(same[0])

    def _check_last_name(self) -> None:
        """A container keeps the last name of its image from being taken away."""
        if self._force or not _is_single(self._names()):
            return
        for container, _ in self._users():
            raise ImageInUse(
                f'conflict: unable to remove repository reference "{self._text}" (must force) - container'
                f" {container[:12]} is using its referenced image {_short(self._image)}",
                self._image,
                container,
            )

    def _check_containers(self) -> None:
        users = self._users()
        for container, running in users:
            if running:
                raise self._conflict(
                    "cannot be forced",
                    f"image is being used by running container {container[:12]}",
                    container,
                )
        for container, _ in users if not self._force else ():
            raise self._conflict(
                "must be forced", f"image is being used by stopped container {container[:12]}", container
            )

    def _users(self) -> list[tuple[str, bool]]:
        """The containers of the image, and whether each is running."""
        rows = self._transaction.rows(
            "SELECT id, state, pid, start_time, boot_id FROM containers WHERE image = ?"
            " ORDER BY state = 'running' DESC, created_at",
            (self._image,),
        )
        return [(row[0], row[1] == "running" and ProcessId(*row[2:]).alive()) for row in rows]

    def _conflict(self, kind: str, why: str, container: str = "") -> ImageInUse:
        return ImageInUse(
            f"conflict: unable to delete {_short(self._image)} ({kind}) - {why}", self._image, container
        )


def _is_single(names: list[str]) -> bool:
    """At most one tag, and all in one repository: Docker's condition for an image to go with its name."""
    parsed = [Reference.parse(name) for name in names]
    return sum(bool(name.tag) for name in parsed) <= 1 and len({name.repository for name in parsed}) <= 1


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]
