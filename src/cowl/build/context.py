"""The build context: a directory seen through its .dockerignore, read lazily and never left by a link."""

from __future__ import annotations

import errno
import os
import stat

from cowl.build.tree import DIRECTORY, SYMLINK, Entry, Unreadable, entry_of
from cowl.build.umask import USUAL, umask_of
from cowl.errors import Denied, Invalid, NotFound
from cowl.linux.files import open_beneath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from cowl.build.umask import Umask
    from cowl.dockerfile.ignore import Matcher


NANO = 1_000_000_000
TEXT_LIMIT = 64 << 20  # bytes of a Dockerfile or .dockerignore


class NoContext(NotFound):
    """The context is no directory that can be read. Field: path."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"unable to prepare context: {path}: {why}",
            hint="the last argument of `cowl build` is the directory with the files to copy, often `.`",
        )
        self.path = path


class NoDockerfile(NotFound):
    """The Dockerfile is missing. Field: path."""

    def __init__(self, path: str, hint: str = "") -> None:
        super().__init__(f"failed to read dockerfile: open {path}: no such file", hint=hint)
        self.path = path


class LinkLeavesContext(Denied):
    """The Dockerfile or .dockerignore is a symbolic link that leads out of the context. Field: path."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} is a symbolic link that leads out of its directory: it is not read",
            hint="put the file itself there, or name the real one with -f",
        )
        self.path = path


class Context:
    """A directory that COPY reads. It is a `cowl.build.tree.Tree`; everything in it belongs to root.

    Paths are resolved as if the directory were "/" (openat2(2), RESOLVE_IN_ROOT). What `ignore`
    excludes is not there. Files bear the time `epoch` (seconds), if there is one, and the modes that they
    would have without the umask of who checked them out, see `cowl.build.umask`.

    shown  what messages call a context that was fetched, "" for a directory of this machine
    text   the Dockerfile that came instead of a context, else None
    """

    def __init__(self, directory: str, check: Callable[[], object] = bool) -> None:
        self.directory = directory
        self.ignore: Matcher | None = None
        self.epoch: int | None = None
        self.shown = ""
        self.text: bytes | None = None
        self._kept = ("/", -1)
        self._check = check
        self._umask: Umask | None = None
        try:
            self._fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as problem:
            raise NoContext(directory, problem.strerror or str(problem)) from problem
        self._real = os.readlink(f"/proc/self/fd/{self._fd}")

    def again(self, check: Callable[[], object]) -> Context:
        """The same context, for another thread: neither is safe with two.

        `check` is called before a file is read, and may raise to give up.
        """
        again = Context(f"/proc/self/fd/{self._fd}", check)
        again.directory = self.directory
        again.shown, again.text = self.shown, self.text
        again.ignore = self.ignore
        again.epoch = self.epoch
        again._umask = self._umask
        return again

    def keep_modes(self) -> None:
        """Files keep the modes that they have: no umask of somebody's made them."""
        self._umask = USUAL

    def close(self) -> None:
        """Idempotent."""
        self._let_go()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    # The Tree

    def find(self, path: str) -> Entry | None:
        """The entry at `path`, links followed, unless .dockerignore hides it."""
        entry = self.find_hidden(path)
        return entry if entry is not None and self._visible(entry) else None

    def find_hidden(self, path: str) -> Entry | None:
        """The same, whether .dockerignore hides it or not."""
        try:
            fd = open_beneath(self._fd, path or ".", os.O_PATH)
        except OSError as problem:
            if problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                return None
            raise Unreadable(path, problem) from problem
        try:
            real = os.readlink(f"/proc/self/fd/{fd}")
            status = os.fstat(fd)
        finally:
            os.close(fd)
        return self._seen(self._relative(real), status, "")

    def exists_hidden(self, path: str) -> bool:
        """Whether there is such a file, .dockerignore aside."""
        return self.find_hidden(path) is not None

    def names(self, path: str) -> list[str]:
        """The visible names in a real directory, sorted."""
        prefix = f"{path}/" if path else ""
        return [name for name in self._listed(path) if self._shows(prefix + name)]

    def walk(self, path: str) -> Iterator[Entry]:
        """`path` and everything visible below it, parents first, in the order of the names."""
        pending: list[tuple[str, tuple[Entry, ...]]] = [(path, ())]
        shown: set[str] = set()
        while pending:
            current, parents = pending.pop()
            entry = self._entry(current)
            if current != path and self._excluded(current):
                if entry.kind != DIRECTORY or not self._descend(current):
                    continue
            else:
                for each in (*parents, entry):
                    if each.path not in shown:
                        yield each
                        if each.kind == DIRECTORY:
                            shown.add(each.path)
                parents = ()
            if entry.kind == DIRECTORY:
                below = (*parents, entry) if current not in shown else ()
                prefix = f"{current}/" if current else ""
                pending += [(prefix + name, below) for name in reversed(self._listed(current))]

    def open(self, entry: Entry) -> int:
        """A file descriptor to read a regular file; anything else in its place is refused."""
        self._check()
        folder, _, name = entry.path.rpartition("/")
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(name, flags, dir_fd=self._directory(folder))
        except OSError as problem:
            raise Unreadable(entry.path, problem) from problem
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise Unreadable(entry.path, OSError(errno.EAGAIN, "it was replaced while it was read"))
        return fd

    # What is visible

    def _visible(self, entry: Entry) -> bool:
        if not entry.path or not self._excluded(entry.path):
            return True
        return entry.kind == DIRECTORY and len(list(self.walk(entry.path))) > 1

    def _shows(self, path: str) -> bool:
        if not self._excluded(path):
            return True
        return self._descend(path) and self._visible(self._entry(path))

    def _excluded(self, path: str) -> bool:
        return self.ignore is not None and self.ignore.excluded(path)

    def _descend(self, path: str) -> bool:
        return self.ignore is not None and not self.ignore.prunable(path)

    # The files

    def _entry(self, path: str) -> Entry:
        folder, _, name = path.rpartition("/")
        try:
            directory = self._directory(folder)
            status = os.stat(name or ".", dir_fd=directory, follow_symlinks=False)
            target = os.readlink(name, dir_fd=directory) if stat.S_ISLNK(status.st_mode) else ""
        except OSError as problem:
            raise Unreadable(path, problem) from problem
        return self._seen(path, status, target)

    def _seen(self, path: str, status: os.stat_result, target: str) -> Entry:
        """The entry with the mode and time that it is to be copied with."""
        entry = entry_of(path, status, target, 0, 0)
        if self._umask is None:
            self._umask = umask_of(self._modes())
        if self._umask != USUAL and entry.kind != SYMLINK:
            entry = entry.replace(mode=self._umask.undone(entry.mode))
        return entry if self.epoch is None else entry.replace(mtime_ns=self.epoch * NANO)

    def _modes(self) -> Iterator[int]:
        """Those of all that is visible, links aside."""
        pending = [""]
        while pending:
            current = pending.pop()
            folder, _, name = current.rpartition("/")
            try:
                status = os.stat(name or ".", dir_fd=self._directory(folder), follow_symlinks=False)
            except OSError:
                continue  # who copies it will say so
            if not stat.S_ISLNK(status.st_mode) and not (current and self._excluded(current)):
                yield stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode) and not (current and self._hides_all(current)):
                prefix = f"{current}/" if current else ""
                pending += [prefix + each for each in self._listed(current)]

    def _hides_all(self, path: str) -> bool:
        return self._excluded(path) and not self._descend(path)

    def _listed(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(self._directory(path)))
        except NotADirectoryError:
            return []
        except OSError as problem:
            raise Unreadable(path, problem) from problem

    def _directory(self, path: str) -> int:
        """A descriptor of a real directory. The last one is kept: files come directory by directory."""
        if path != self._kept[0]:
            fd = open_beneath(self._fd, path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            self._let_go()
            self._kept = (path, fd)
        return self._kept[1]

    def _let_go(self) -> None:
        if self._kept[1] >= 0:
            os.close(self._kept[1])
        self._kept = ("/", -1)

    def _relative(self, real: str) -> str:
        return real[len(self._real.rstrip("/")) + 1 :]


def read_dockerfile(context: Context, name: str) -> bytes:
    """The Dockerfile `name`: absolute or relative to the context, "" for its Dockerfile.

    Raises NoDockerfile, LinkLeavesContext, Invalid.
    """
    directory, base = _place(context, name)
    found = _read_inside(directory, base)
    if found is None:
        hint = "name another file with -f" if not name else ""
        inside = context.shown and directory == context.directory
        raise NoDockerfile(f"{base} in {context.shown}" if inside else os.path.join(directory, base), hint)
    return found


def read_ignore(context: Context, name: str) -> tuple[str, bytes] | None:
    """(path as shown, content) of <Dockerfile>.dockerignore, else of the context's .dockerignore."""
    directory, base = _place(context, name)
    for root, file in ((directory, f"{base}.dockerignore"), (context.directory, ".dockerignore")):
        found = _read_inside(root, file)
        if found is not None:
            return file, found
    return None


def read_own_ignore(context: Context) -> tuple[str, bytes] | None:
    """The same of a named context, which has no Dockerfile: its own .dockerignore alone."""
    found = _read_inside(context.directory, ".dockerignore")
    return None if found is None else (".dockerignore", found)


def shown_name(context: Context, name: str) -> str:
    """How messages call the Dockerfile: relative to the context if it is in there."""
    directory, base = _place(context, name)
    return base if directory == context.directory else os.path.join(directory, base)


def _place(context: Context, name: str) -> tuple[str, str]:
    """The directory that the Dockerfile's links may not leave, and the path in it."""
    path = os.path.normpath(os.path.join(context.directory, name or "Dockerfile"))
    inside = os.path.relpath(path, context.directory)
    if inside.startswith("../") or inside == "..":
        return os.path.dirname(path), os.path.basename(path)
    return context.directory, inside


def _read_inside(directory: str, name: str) -> bytes | None:
    """A regular file of at most TEXT_LIMIT bytes, or None where there is none."""
    try:
        root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fd = open_beneath(root, name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(os.path.join(directory, name)):
            raise LinkLeavesContext(os.path.join(directory, name)) from None
        return None
    except OSError as problem:
        raise Unreadable(name, problem) from problem
    finally:
        os.close(root)
    try:
        return _read_text(fd, os.path.join(directory, name))
    finally:
        os.close(fd)


def _read_text(fd: int, path: str) -> bytes:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise Invalid(
            f"{path} is {kind}", hint="name the Dockerfile with -f, a file in the context as a rule"
        )
    if status.st_size > TEXT_LIMIT:
        raise Invalid(f"{path} has {status.st_size} bytes: more than {TEXT_LIMIT} are not read")
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)
