"""Remotes: where a build gets what is not on this machine. What it fetches is gone when the build ends.

Fetched bytes lie in the store's staging area, so what a crash leaves is found by the next open.
"""

from __future__ import annotations

from _thread import RLock

from cowl.errors import Corrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, Self

    from cowl.build.context import Context
    from cowl.build.remote.contexts import Staged
    from cowl.build.remote.download import Downloaded
    from cowl.build.remote.git_program import GitProgram
    from cowl.build.remote.git_tree import GitTree
    from cowl.build.remote.git_url import GitUrl
    from cowl.build.remote.repository import Found
    from cowl.build.remote.url_file import UrlFile
    from cowl.config import Config
    from cowl.http.transport import Transport
    from cowl.oci.digest import Digest
    from cowl.store.layers import Stage
    from cowl.store.store import Store


class ChecksumMismatch(Corrupt):
    """What came is not what --checksum says. Fields: source, expected, found."""

    def __init__(self, source: str, expected: str, found: str) -> None:
        super().__init__(
            f"{source} has the checksum {found}, not {expected}",
            hint="it was changed, or --checksum is of something else: find out which before you adopt it",
        )
        self.source = source
        self.expected = expected
        self.found = found


class Remotes:
    """Fetches for one build. A `with` block: at its end connections and files are gone. Safe with threads.

    Costs nothing until something is asked for. `clock` gives seconds since the epoch, `sleep` waits;
    `ssh` is the socket of the agent, or the files of keys, that git over ssh may use.
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        ssh: tuple[str, ...] = (),
    ) -> None:
        self._store = store
        self._ssh = ssh
        self._config = config
        self._clock = clock
        self._sleep = sleep
        self._lock = RLock()
        self._stages: list[Stage] = []
        self._contexts: list[Context] = []
        self._transport: Transport | None = None
        self._commits: dict[GitUrl, Found] = {}
        self._staged: dict[str | int | None, Staged] = {}
        self._checkouts: dict[tuple[str, str, bool, bool], str] = {}
        self._files: dict[tuple[str, str], UrlFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes what was fetched. Idempotent."""
        with self._lock:
            stages, self._stages = self._stages, []
            contexts, self._contexts = self._contexts, []
            transport, self._transport = self._transport, None
            self._files.clear()
            self._commits.clear()
            self._checkouts.clear()
            self._staged.clear()
        if transport is not None:
            transport.close()
        for context in contexts:
            context.close()
        for stage in stages:
            stage.drop()

    def url(self, url: str, checksum: Digest | None = None) -> UrlFile:
        """The file that a URL gives, the same one for a whole build.

        With a `checksum` nothing is asked for until its bytes are read; reading raises ChecksumMismatch when
        they are others. Without, the server is asked, and not for the bytes if it can say that they are
        those of last time. Raises what `download` raises.
        """
        with self._lock:
            key = (url, str(checksum or ""))
            if key not in self._files:
                self._files[key] = self._pinned(url, checksum) if checksum else self._current(url)
            return self._files[key]

    def _pinned(self, url: str, checksum: Digest) -> UrlFile:
        from cowl.build.remote.download import check_url
        from cowl.build.remote.url import file_name, shown
        from cowl.build.remote.url_file import UrlFile

        check_url(url)

        def fetch() -> Downloaded:
            found = self._download(url)
            if found.digest != checksum:
                raise ChecksumMismatch(shown(url), str(checksum), str(found.digest))
            return found

        return UrlFile(file_name(url), checksum, fetch)

    def _current(self, url: str) -> UrlFile:
        from cowl.build.remote.url import file_name
        from cowl.build.remote.url_file import UrlFile
        from cowl.store.downloads import Download

        known = self._store.downloads.find(url)
        found = self._download_unless(url, known.etag if known else "")
        if found is None:
            assert known is not None
            return UrlFile(file_name(url), known.digest, lambda: self._download(url))
        if found.etag:
            self._store.downloads.add(url, Download(found.etag, found.digest, found.size_bytes))
        return UrlFile(file_name(url), found.digest, lambda: found)

    def _download(self, url: str) -> Downloaded:
        found = self._download_unless(url, "")
        assert found is not None
        return found

    def _download_unless(self, url: str, etag: str) -> Downloaded | None:
        from cowl.build.remote.download import download

        with self._lock:
            path = f"{self.stage().path}/body"
            return download(self._connected(), url, path, etag=etag, clock=self._clock)

    def git(self, url: GitUrl, *, keep_git_dir: bool, check: Callable[[], object]) -> GitTree:
        """The files of a repository; one for each caller, the commit the same for a whole build.

        Only which commit it is is asked for now, and not even that for an address that says it. `check`
        is asked now and then whether to go on. Raises NoSuchRef, WrongCommit, GitMissing, GitFailed.
        """
        from cowl.build.remote.git_tree import GitTree, identity
        from cowl.build.remote.repository import resolve

        with self._lock:
            if url not in self._commits:
                self._commits[url] = resolve(self._git(url, self.stage().path, check), url)
            found = self._commits[url]
        name = identity(url, found, keep_git_dir)
        return GitTree(url, found.commit, name, lambda: self._context(url, found, keep_git_dir, check))

    def context(
        self, source: str | BinaryIO | None, *, keep_git_dir: bool = False, check: Callable[[], object] = bool
    ) -> Context:
        """The context that an address or a stream gives, a new one over the same files for each caller.

        source  a URL of an archive or a Dockerfile, a git repository, a stream of an archive or a
                Dockerfile (which is read once), or None for a context without files
        Its files are gone when the build ends. Raises what fetching and unpacking raise, NoContext.
        """
        from cowl.build.context import Context

        with self._lock:
            key = source if isinstance(source, str) or source is None else id(source)
            staged = self._staged.get(key)
            if staged is None:
                staged = self._staged[key] = self._stage(source, keep_git_dir, check)
            context = Context(staged.directory, check)
            context.shown, context.text = staged.shown, staged.text
            context.keep_modes()
            self._contexts.append(context)
        return context

    def _stage(
        self, source: str | BinaryIO | None, keep_git_dir: bool, check: Callable[[], object]
    ) -> Staged:
        from cowl.build.remote.contexts import Staged, stage_file, stage_stream

        if source is None:
            return Staged(self.stage().diff, "the empty context")
        if not isinstance(source, str):
            return stage_stream(source, self.stage().diff, "the stream with the context")
        from cowl.build.remote.git_url import parse_git_url
        from cowl.build.remote.url import shown

        url = parse_git_url(source, context=True)
        if url is None:
            found = self._download(source)
            return stage_file(found.path, self.stage().diff, shown(source))
        tree = self.git(url, keep_git_dir=bool(keep_git_dir or url.keep_git_dir), check=check)
        return Staged(tree.directory, url.shown)

    def _context(self, url: GitUrl, found: Found, keep_git_dir: bool, check: Callable[[], object]) -> Context:
        from cowl.build.context import Context
        from cowl.build.remote.repository import check_out, subdirectory

        key = (url.remote, found.commit, keep_git_dir, url.submodules)
        with self._lock:
            if key not in self._checkouts:
                stage = self.stage()
                check_out(
                    self._git(url, stage.path, check), url, found, stage.diff, keep_git_dir=keep_git_dir
                )
                self._checkouts[key] = stage.diff
            context = Context(subdirectory(url, self._checkouts[key]))
            self._contexts.append(context)
        return context

    def _git(self, url: GitUrl, top: str, check: Callable[[], object]) -> GitProgram:
        from cowl.build.remote.git_program import GitProgram

        return GitProgram(
            top,
            self._config,
            secret=url.secret,
            ssh=self._ssh,
            clock=self._clock,
            check=check,
        )

    def stage(self) -> Stage:
        """A place in the store for what is fetched; gone when the build ends."""
        stage = self._store.layers.stage()
        with self._lock:
            self._stages.append(stage)
        return stage

    def _connected(self) -> Transport:
        if self._transport is None:
            from cowl.http.transport import Transport

            self._transport = Transport(proxies=self._config.proxies, sleep=self._sleep, clock=self._clock)
        return self._transport
