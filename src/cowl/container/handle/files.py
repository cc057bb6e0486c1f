"""A container's handle: files in and out, as `docker cp`."""

from __future__ import annotations

import os

from cowl.container.handle.facts import ContainerFacts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.container.copier import Copied

READ_LIMIT = 256 << 20  # bytes


class ContainerFiles(ContainerFacts):
    """See Container.

    All of these work whether the container runs or not, on its volumes and binds too. Paths in it are
    absolute there, "a" is "/a"; links in them are followed, but never out of it, and nothing in it is
    executed. They raise NotFound, Invalid, Conflict, Denied and Unavailable kinds; after a failure what was
    copied so far stays.
    """

    def copy_in(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        path: str,
        *,
        archive: bool = False,
        follow_links: bool = False,
    ) -> Copied:
        """Copies a file or directory of the host into it, by the rules of `docker cp`; each file atomically.

        source        a path, or a binary stream: a tar, perhaps compressed, that is made into files in the
                      directory `path`, with the owners that it says
        path          a directory, where the copy has the source's name; or what it is to be called. Of a
                      source that ends in "/." the content goes there
        archive       the numbers of the files' owners are kept; otherwise they belong to root, and a file of
                      another owner loses set-id bits and capabilities
        follow_links  a source that is a symlink is what it leads to
        """
        from cowl.container.visit import visit

        if not isinstance(source, (str, os.PathLike)):
            stream = source
            return visit(self._service, self._record, lambda copy: copy.extract_in(stream, path), writes=True)
        place = _absolute(source)
        return visit(
            self._service,
            self._record,
            lambda copy: copy.copy_in(place, path, archive=archive, follow=follow_links),
            writes=True,
        )

    def copy_out(
        self,
        path: str,
        dest: str | os.PathLike[str] | BinaryIO,
        *,
        archive: bool = False,
        follow_links: bool = False,
    ) -> Copied:
        """Copies a file or directory of it to the host, by the rules of `docker cp`.

        dest     a path as `copy_in` has them, or a binary stream that is given a tar
        archive  for root: the numbers of the owners are kept, with set-id bits and capabilities. Otherwise
                 the files are the caller's, and have none
        No link that was in `dest` before, or comes with the copy, is followed below it. Only root makes
        device nodes.
        """
        from cowl.container.visit import visit

        if not isinstance(dest, (str, os.PathLike)):
            stream = dest
            return visit(
                self._service,
                self._record,
                lambda copy: copy.extract_out(path, stream, follow=follow_links),
                writes=False,
            )
        place = _absolute(dest)
        return visit(
            self._service,
            self._record,
            lambda copy: copy.copy_out(path, place, archive=archive, follow=follow_links),
            writes=False,
        )

    def read_file(self, path: str, *, limit: int = READ_LIMIT) -> bytes:
        """The bytes of a regular file; Invalid if they are more than `limit`."""
        from cowl.container.visit import visit

        return visit(self._service, self._record, lambda copy: copy.read_file(path, limit), writes=False)

    def write_file(
        self, path: str, data: bytes, *, mode: int | None = None, owner: tuple[int, int] | str | None = None
    ) -> None:
        """Makes `data` a file, or the new content of one: whoever reads it sees the old or the new, whole.

        mode   permission bits; None: those of the file that was there, else 0o644
        owner  (uid, gid), or "name[:group]" by the container's account files; None: as it was, else root
        Its directory must be there.
        """
        from cowl.container.visit import visit

        if isinstance(data, str):
            from cowl.container.words import InvalidOptions

            raise InvalidOptions("the data is text, where bytes belong", hint="encode it: text.encode()")
        ids = self._ids(owner) if isinstance(owner, str) else owner
        visit(
            self._service,
            self._record,
            lambda copy: copy.write_file(path, data, mode=mode, owner=ids),
            writes=True,
        )

    def _ids(self, owner: str) -> tuple[int, int]:
        from cowl.container.bundle import find_user

        user = find_user(self._service.store, self._record, owner)
        return user.uid, user.gid


def _absolute(path: str | os.PathLike[str]) -> str:
    """With the "/" or "/." at its end, which says something."""
    text = os.fspath(path)
    whole = os.path.abspath(text)
    if text.rpartition("/")[2] == ".":
        return whole.rstrip("/") + "/."
    return whole + "/" if text.endswith("/") and whole != "/" else whole
