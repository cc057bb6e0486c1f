"""A container's handle: its files as they are, kept and multiplied."""

from __future__ import annotations

from cowl.container.handle.facts import ContainerFacts
from cowl.container.words import as_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from cowl.container.handle.container import Container
    from cowl.container.publisher import CommittedImage
    from cowl.container.snapshots import Snapshot
    from cowl.store.trees import Change


class ContainerCopies(ContainerFacts):
    """See Container."""

    def diff(self) -> tuple[Change, ...]:
        """What the container changed against its image, by path: A(dded), C(hanged), D(eleted)."""
        return self._service.store.changes(self._service.store.containers.get(self.id))

    def snapshot(self, name: str = "", *, message: str = "") -> Snapshot:
        """Keeps its files as they are now. `name` "" gives a snapshot without a name.

        Of a stopped container nothing is copied and nothing hashed: its upper is renamed to a layer, and
        it goes on with a fresh one on top of that. Of a running one all processes are held still while its
        upper is copied, by reflink where the file system can, and it goes on as if nothing had happened.
        Raises SnapshotNameInUse, InvalidSnapshotName, ContainerBusy, NotFound.
        """
        from cowl.container.snapshots import take

        found = take(self._service, self._record, name, message)
        self._record = self._service.store.containers.get(self.id)
        return found

    def commit(
        self,
        reference: str = "",
        *,
        message: str = "",
        author: str = "",
        changes: Sequence[str] = (),
        pause: bool = True,
    ) -> CommittedImage:
        """An image of its files as they are now, as `docker commit`: a cowl.Image. It goes on unchanged.

        changes  Dockerfile instructions for the image's config ("CMD top", "ENV A=b"), applied in order
        pause    holds its processes still while the files are copied, if it runs
        Files that it did not touch are its image's layers; without a file of its own there is no layer.
        Raises InvalidChange, InvalidReference, ContainerBusy, NotFound.
        """
        from cowl.container.snapshots import recorded_user

        self.refresh()
        made = self._service.publisher().commit(
            self._record,
            reference,
            message=message,
            author=author,
            changes=as_words("changes", changes),
            pause=pause,
            user=recorded_user(self._service, self._record),
        )
        told = {"comment": message, "imageID": made.id, "imageRef": reference}
        self._service.store.events.note_container(self._record, "commit", told)
        return made

    def fork(self, count: int = 1, *, name: str = "") -> list[Container]:
        """Containers that begin as this one is now, created and not started; each costs an empty upper.

        A nameless snapshot is taken first, and they are forks of it: see `snapshot` and `Snapshot.fork`.
        Without forks it does not stay.
        """
        from cowl.container.snapshots import fork_now

        made = fork_now(self._service, self._record, count, name)
        self._record = self._service.store.containers.get(self.id)
        return made

    def restore(self, snapshot: Snapshot | str) -> Self:
        """Throws away what it wrote, and puts it on a snapshot (also by name or ID). Gives itself.

        Name and settings stay. All or nothing; no file is copied. Raises NotFound, ContainerNotStopped,
        ContainerBusy.
        """
        from cowl.container.snapshots import restore

        self._record = restore(self._service, self._record, snapshot)
        return self
