"""The files of a git repository as ADD reads them: checked out when somebody wants them, known before."""

from __future__ import annotations

from hashlib import sha256

from cowl.build.tree import DIRECTORY, Content, Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cowl.build.context import Context
    from cowl.build.remote.git_url import GitUrl
    from cowl.build.remote.repository import Found

_ROOT = Entry("", DIRECTORY, 0o755, 0, 0, 0, "", (0, 0, 0, 0))


def identity(url: GitUrl, found: Found, keep_git_dir: bool) -> str:
    """What decides over the files: the commit, and what of it. The `.git` also tells where it came from."""
    words = ["git", found.commit, f"subdir={url.subdir}"] if url.subdir else ["git", found.commit]
    if not url.submodules:
        words.append("submodules=false")
    if keep_git_dir:
        words += ["keep-git-dir", found.ref, sha256(url.shown.encode()).hexdigest()]
    return " ".join(words)


class GitTree:
    """A `cowl.build.tree.Tree` of a commit's files; everything in it belongs to root.

    content  names the commit and what else decides over the files: it takes the place of their hashes
    fetch    gets them; called once at most, when they are read first
    """

    def __init__(self, url: GitUrl, commit: str, identity: str, fetch: Callable[[], Context]) -> None:
        self.url = url
        self.commit = commit
        self.content = Content(identity, None)
        self._fetch = fetch
        self._context: Context | None = None

    @property
    def directory(self) -> str:
        """The host's path of the files, which are fetched for it."""
        return self._here().directory

    @property
    def root(self) -> Entry:
        return _ROOT

    def find(self, path: str) -> Entry | None:
        """The entry at `path`, links followed inside the repository."""
        return self._here().find(path)

    def names(self, path: str) -> list[str]:
        """The names in a real directory, sorted."""
        return self._here().names(path)

    def walk(self, path: str) -> Iterator[Entry]:
        """`path` and everything below it."""
        return self._here().walk(path)

    def open(self, entry: Entry) -> int:
        """A file descriptor to read a regular file."""
        return self._here().open(entry)

    def _here(self) -> Context:
        if self._context is None:
            self._context = self._fetch()
        return self._context
