"""The git program, run so that a hostile repository, server or address gains nothing by it (threat 19).

It sees no configuration, hooks, templates, attributes or credentials of this machine, and asks nobody. It
speaks https, http, git and ssh only, submodules included: no `ext::`, no path of this machine. It ends
when the build does, when it takes too long, and when what it fetches grows too big.
"""

from __future__ import annotations

import os
import select
import signal
import stat

from cowl.errors import Invalid, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from subprocess import Popen

    from cowl.config import Config

MAX_SECONDS = 6 * 3600.0
MAX_BYTES = 64 << 30  # of the repository and its files, on disk
MAX_FILES = 8_000_000
MAX_OUTPUT = 64 << 20  # of what git prints: a server may have very many refs
_POLL_MILLISECONDS = 200
_MEASURE_SECONDS = 5.0
_STDERR_TAIL = 16 << 10
_PROTOCOLS = "https:http:git:ssh"
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.symlinks": "true",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "init.defaultBranch": "main",
    "protocol.ext.allow": "never",
    "protocol.file.allow": "never",
    "submodule.recurse": "false",
}


class GitMissing(Unavailable):
    """There is no git program here."""

    def __init__(self) -> None:
        super().__init__(
            "a git repository is read with the program git, which is not installed here",
            hint="install it (the package is called git), or fetch the files before the build",
        )


class GitFailed(Unavailable):
    """git could not do it. Fields: doing, why (its own words)."""

    def __init__(self, doing: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"{doing} failed: {why}", hint=hint)
        self.doing = doing
        self.why = why


class RepositoryTooBig(Invalid):
    """A repository grows beyond a bound. Fields: doing, what, limit."""

    def __init__(self, doing: str, what: str, limit: int) -> None:
        super().__init__(f"{doing} was stopped: it has more than {limit} {what}")
        self.doing = doing
        self.what = what
        self.limit = limit


class GitProgram:
    """Runs git in the directory `top`, below which everything lies that it makes.

    secret     text that is never to be shown, "" for none
    ssh        socket of the agent, or files of keys, that ssh may use; () for none at all
    check      asked now and then whether to go on: raises to give up
    """

    def __init__(
        self,
        top: str,
        config: Config,
        *,
        secret: str,
        ssh: tuple[str, ...],
        clock: Callable[[], float],
        check: Callable[[], object],
    ) -> None:
        self._top = top
        self._secret = secret
        self._clock = clock
        self._check = check
        self._program = find_git(config)
        sockets = [path for path in ssh if _is_socket(path)]
        keys = [path for path in ssh if path not in sockets]
        self._environment = environment(top, config, sockets[0] if sockets else "none", keys)

    def run(self, doing: str, args: Sequence[str], directory: str = "") -> bytes:
        """What `git ARGS` prints. Raises GitFailed, RepositoryTooBig, and what `check` raises."""
        from subprocess import DEVNULL, PIPE, Popen

        process = Popen(
            [self._program, *args],
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=directory or self._top,
            env=self._environment,
            start_new_session=True,
            umask=0o022,
        )
        try:
            printed, said = self._watch(process, doing)
        except BaseException:
            _kill(process)
            raise
        if process.wait():
            raise GitFailed(doing, self._words(said), hint=_hint(said))
        return printed

    def _watch(self, process: Popen[bytes], doing: str) -> tuple[bytes, bytes]:
        """All that it prints until it ends, on standard output and (the end of it) on standard error."""
        assert process.stdout is not None
        assert process.stderr is not None
        printed, said = bytearray(), bytearray()
        sinks = {process.stdout.fileno(): printed, process.stderr.fileno(): said}
        poller = select.poll()
        for fd in sinks:
            poller.register(fd, select.POLLIN)
        begun = measured = self._clock()
        while sinks:
            for fd, _ in poller.poll(_POLL_MILLISECONDS):
                data = os.read(fd, 1 << 16)
                sinks[fd] += data
                if not data:
                    poller.unregister(fd)
                    del sinks[fd]
            del said[:-_STDERR_TAIL]
            if len(printed) > MAX_OUTPUT:
                raise RepositoryTooBig(doing, "bytes of answer", MAX_OUTPUT)
            self._check()
            now = self._clock()
            if now - begun > MAX_SECONDS:
                raise GitFailed(doing, f"it takes longer than {MAX_SECONDS:.0f} seconds")
            if now - measured > _MEASURE_SECONDS:
                self.measure(doing)
                measured = self._clock()
        process.stdout.close()
        process.stderr.close()
        return bytes(printed), bytes(said)

    def measure(self, doing: str) -> None:
        """Raises RepositoryTooBig when what lies in the directory is beyond the bounds."""
        files, allocated = 0, 0
        for folder, folders, names in os.walk(self._top):
            for name in (*folders, *names):
                files += 1
                try:
                    allocated += os.lstat(f"{folder}/{name}").st_blocks * 512
                except FileNotFoundError:
                    continue
        if files > MAX_FILES:
            raise RepositoryTooBig(doing, "files", MAX_FILES)
        if allocated > MAX_BYTES:
            raise RepositoryTooBig(doing, "bytes", MAX_BYTES)

    def _words(self, said: bytes) -> str:
        """git's own words, without what is secret, without progress."""
        text = said.decode("utf-8", "replace")
        if self._secret:
            text = text.replace(self._secret, "***")
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ssh:"))]
        return "; ".join((fatal or lines)[-4:])[:800] or "it says nothing"


def find_git(config: Config) -> str:
    """The path of git. Raises GitMissing."""
    for folder in config.path.split(":"):
        path = f"{folder}/git"
        if folder.startswith("/") and os.access(path, os.X_OK) and stat.S_ISREG(os.stat(path).st_mode):
            return path
    raise GitMissing()


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def environment(top: str, config: Config, agent: str, keys: Sequence[str] = ()) -> Mapping[str, str]:
    """All that git and its helpers know of this machine; `agent` is a socket or "none". Pure."""
    identities = " ".join(f"-o IdentityFile={_quoted(key)}" for key in keys or ("none",))
    known = f"{top}/known_hosts"
    # Keys of hosts that the user knows must fit; those of others are taken as they come, as BuildKit does.
    ssh = (
        f"ssh -F /dev/null -o BatchMode=yes {identities} -o IdentityAgent={_quoted(agent)}"
        f" -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={_quoted(f'{known} ~/.ssh/known_hosts')}"
    )
    found = {
        "PATH": config.path,
        "HOME": "/dev/null",
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": _PROTOCOLS,
        "GIT_ASKPASS": "",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_SSH_COMMAND": ssh,
        "GIT_SSH_VARIANT": "ssh",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    }
    for index, (name, value) in enumerate(_SETTINGS.items()):
        found[f"GIT_CONFIG_KEY_{index}"] = name
        found[f"GIT_CONFIG_VALUE_{index}"] = value
    for kind, value in config.proxies:
        found[f"{kind}_proxy"] = value
    return found


def _quoted(text: str) -> str:
    """For the shell that git hands the ssh command to."""
    return "'" + text.replace("'", "'\\''") + "'"


def _hint(said: bytes) -> str:
    if b"transport 'file' not allowed" in said or b"not allowed" in said:
        return (
            "repositories and their submodules are fetched over https, http, git and ssh only;"
            " a query of submodules=false leaves submodules out"
        )
    if b"could not read Username" in said or b"Authentication failed" in said:
        return "it is private, or there is no such repository: no credentials of this machine are used"
    if b"Permission denied (publickey" in said:
        return "hand an agent with the key to the build: --ssh default"
    return ""


def _kill(process: Popen[bytes]) -> None:
    """Ends git and all that it started: they are a session of their own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
