"""Filling: an empty volume begins with what an image has at its target. Decision 0024.

It happens at most once, while the volume is empty: a copy is made in staging/, renamed to
`volumes/<name>/fill`, and moved from there to `data` entry by entry. Whoever finds a `fill` goes on with
it, so a crash leaves no volume half filled. `data` itself is never replaced, since a running container may
have it mounted.
"""

from __future__ import annotations

import errno
import fcntl
import os

from cowl.linux.files import remove_tree, syncfs
from cowl.linux.syscalls import call
from cowl.store.faults import from_os
from cowl.store.volume_record import VolumeDamaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.view import MergedView
    from cowl.store.layers import Layers
    from cowl.store.root_directory import RootDirectory

_NO_REPLACE = 1  # RENAME_NOREPLACE, renameat2(2)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Filling:
    """The filling of one volume; see `Volumes.fill`."""

    def __init__(self, root: RootDirectory, name: str, layers: Layers) -> None:
        self._root = root.path
        self._name = name
        self._layers = layers
        self._directory = root.volume(name)
        self._data = root.volume_data(name)

    def fill(self, view: MergedView, path: str, durable: bool) -> None:
        """Raises what `Volumes.fill` raises, and OSError."""
        if os.path.lexists(f"{self._directory}/fill"):
            with _Lock(self._directory):
                _move_all(self._directory)
        if self._is_empty() and view.lookup(path) is not None:
            self._fill(view, path, durable)

    def _fill(self, view: MergedView, path: str, durable: bool) -> None:
        from cowl.layer.copy_out import copy_out

        with self._layers.stage() as stage:
            try:
                copy_out(view, path, stage.diff)
                if durable:
                    _sync(stage.diff)
                with _Lock(self._directory):
                    if self._is_empty():
                        self._take(stage.diff)
            except OSError as problem:  # before the stage takes it for a layer's
                raise from_os(self._root, f"filling the volume {self._name}", problem) from problem

    def _take(self, tree: str) -> None:
        """Ctrl-C comes after the few renames that are left: no recovery follows it that would do them."""
        try:
            os.rename(tree, f"{self._directory}/fill")
            _move_all(self._directory)
        except KeyboardInterrupt:
            _move_all(self._directory)
            raise

    def _is_empty(self) -> bool:
        try:
            with os.scandir(self._data) as entries:
                return next(entries, None) is None
        except FileNotFoundError:
            raise VolumeDamaged(self._name, self._data) from None
        except PermissionError:  # a container has closed it to its owner, an ordinary user
            return False


class _Lock:
    """A `with` block in which nobody else moves anything into a volume."""

    def __init__(self, directory: str, flags: int = fcntl.LOCK_EX) -> None:
        self._directory = directory
        self._flags = flags

    def __enter__(self) -> None:
        self._fd = os.open(self._directory, _DIRECTORY)
        try:
            fcntl.flock(self._fd, self._flags)
        except BaseException:
            os.close(self._fd)
            raise

    def __exit__(self, *_failure: object) -> None:
        os.close(self._fd)


def finish_filling(directory: str) -> None:
    """Goes on where a crash ended the filling of a volume, unless a live process is at it. Raises OSError."""
    try:
        with _Lock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _move_all(directory)
    except BlockingIOError:
        pass


def _move_all(directory: str) -> None:
    """Moves what lies in a volume's `fill` to its `data`, whose owner and mode become those of `fill`.

    What is in `data` is never replaced: a container may be writing there already. Raises OSError; then
    another call goes on.
    """
    from cowl.layer.copy_out import dress

    try:
        source = os.open(f"{directory}/fill", _DIRECTORY)
    except FileNotFoundError:
        return  # another was first
    try:
        target = os.open(f"{directory}/data", _DIRECTORY)
        try:
            for name in os.listdir(source):
                _move(source, target, name)
            dress(source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
    remove_tree(f"{directory}/fill")


def _move(source: int, target: int, name: str) -> None:
    word = os.fsencode(name)
    try:
        call("renameat2", source, word, target, word, _NO_REPLACE)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


def _sync(path: str) -> None:
    fd = os.open(path, _DIRECTORY)
    try:
        syncfs(fd)
    finally:
        os.close(fd)
