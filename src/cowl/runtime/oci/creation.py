"""The parent's side of a process by a config.json: namespaces, ids, limits and trees, until it waits."""

from __future__ import annotations

import errno
import os

from cowl.errors import Denied, NotFound
from cowl.linux import channel, credentials, mounts, namespaces
from cowl.linux.process import send_signal
from cowl.runtime.execution import READY
from cowl.runtime.failures import BindSourceNotFound, ChildLost, StepFailed, decode, encode
from cowl.runtime.filters import compile_filter
from cowl.runtime.oci.child import Start, become
from cowl.runtime.oci.rootfs import open_source
from cowl.runtime.process_limits import apply_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from cowl.runtime.oci.config import OciConfig, OciProcess, Ranges

_KILL = 9
_FILES = {"mount": "mnt", "network": "net"}


class NamespaceNotFound(NotFound):
    """There is no namespace to join. Field: path."""

    def __init__(self, kind: str, path: str, reason: str) -> None:
        self.path = path
        super().__init__(f"the {kind} namespace {path} can't be joined: {reason}")


class Birth:
    """A process in the making; pid and pidfd are it then. `console`: the master of its terminal or -1."""

    def __init__(self, process: OciProcess, seccomp: dict[str, object] | None) -> None:
        self.pid = self.pidfd = self.console = -1
        self._process = process
        self._program = compile_filter(seccomp, False) if seccomp else b""
        self._control = -1
        self._guards_devices = False

    def keep_from_devices(self) -> None:
        """Where no control group enforces their rules: it makes no node, and none on its root is opened."""
        self._guards_devices = True

    def make(
        self,
        config: OciConfig,
        fifo: int,
        preserve: int,
        state: Callable[[int], dict[str, object]],
        born: Callable[[int], None],
    ) -> None:
        """A container's first process, until it waits at `fifo`. Raises; then nothing is left.

        state  what hooks are told of the pid
        born   is called with it once its namespaces are there
        """
        told: dict[str, object] = {}
        flags = 0
        for kind in config.new:
            flags |= namespaces.FLAGS[kind]
        start = Start(
            self._process,
            fifo=fifo,
            preserve=preserve,
            program=self._program,
            mapped="user" in config.new or any(kind == "user" for kind, _ in config.joined),
            state=told,
            config=config,
            guards_devices=self._guards_devices,
        )
        try:
            joined = [(kind, _open(kind, path)) for kind, path in config.joined]
            self._clone(flags, joined, start, told, state)
            if config.uids:
                _map_ids(self.pid, config.uids, config.gids)
            self._apply()
            born(self.pid)
            self._go(_trees(config, self.pid) if _is_privileged() else ())
            self._converse()
        except BaseException:
            self.kill()
            raise

    def enter(self, init: int, mapped: bool, preserve: int, group: Callable[[int], None]) -> None:
        """One more process in the container of `init`, a pidfd's pid; it does not wait."""
        start = Start(self._process, preserve=preserve, program=self._program, mapped=mapped)
        target = os.pidfd_open(init)
        try:
            self._clone(0, [("pidfd", target)], start, {}, None, kinds=_foreign(init))
            self._apply()
            group(self.pid)
            self._go(())
            self._converse()
        except BaseException:
            self.kill()
            raise

    def _clone(
        self,
        flags: int,
        joined: list[tuple[str, int]],
        start: Start,
        told: dict[str, object],
        state: Callable[[int], dict[str, object]] | None,
        kinds: int = 0,
    ) -> None:
        """The child; by a helper that joins namespaces first, and leaves us its child."""
        self._control, theirs = channel.pair()
        if not joined:
            self.pid, self.pidfd = namespaces.clone(flags)
            if self.pid == 0:
                _be_born(self._control, theirs, start, told, state)
        else:
            helper, helper_fd = namespaces.clone()
            if helper == 0:
                _help(self._control, theirs, flags, joined, start, told, state, kinds)
            data, fds = channel.receive(self._control)
            os.waitpid(helper, 0)
            os.close(helper_fd)
            for _, fd in joined:
                os.close(fd)
            if data[:1] != b"P":
                raise decode(data[1:]) if data else ChildLost("a helper died while it joined namespaces")
            self.pid, self.pidfd = int(data[1:]), fds[0]
        os.close(theirs)
        credentials.ignore_broken_pipes()

    def _apply(self) -> None:
        for limit in self._process.limits:
            apply_limit(self.pid, limit)
        if self._process.oom_score is not None:
            _write(f"/proc/{self.pid}/oom_score_adj", str(self._process.oom_score))

    def _go(self, trees: tuple[int, ...]) -> None:
        try:
            channel.send(self._control, b"G%d" % len(trees), trees)
        except BrokenPipeError:
            pass  # it has given up: what it said is still to be read
        for tree in trees:
            os.close(tree)

    def _converse(self) -> None:
        while True:
            data, fds = channel.receive(self._control)
            if data == b"T":
                self.console = fds[0]
            elif data == READY:
                break
            else:
                raise decode(data[1:]) if data else ChildLost("the process was killed while it was set up")
        os.close(self._control)
        self._control = -1

    def kill(self) -> None:
        """Leaves nothing of it."""
        if self.pidfd >= 0:
            try:
                send_signal(self.pidfd, _KILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def _be_born(
    ours: int,
    theirs: int,
    start: Start,
    told: dict[str, object],
    state: Callable[[int], dict[str, object]] | None,
) -> NoReturn:
    os.close(ours)
    credentials.default_signals()
    if state is not None:
        told.update(state(0))
    become(start, theirs)


def _help(
    ours: int,
    theirs: int,
    flags: int,
    joined: list[tuple[str, int]],
    start: Start,
    told: dict[str, object],
    state: Callable[[int], dict[str, object]] | None,
    kinds: int,
) -> NoReturn:
    try:
        credentials.die_with_parent()
        credentials.hide()
        # The user namespace last: what of the host is joined before takes the rights that we have there.
        # Who has none gets them by it, so first.
        ordered = sorted(joined, key=lambda item: (item[0] == "user") == _is_privileged())
        for kind, fd in ordered:
            namespaces.enter(fd, kinds if kind == "pidfd" else namespaces.FLAGS[kind])
        pid, pidfd = namespaces.clone(flags, sibling=True)
        if pid == 0:
            _be_born(ours, theirs, start, told, state)
        channel.send(theirs, b"P%d" % pid, (pidfd,))
    except BaseException as error:  # noqa: BLE001  # whatever it is, our parent tells it
        channel.send(theirs, b"F" + encode(error))
    finally:
        os._exit(0)


def _open(kind: str, path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise NamespaceNotFound(kind, path, error.strerror or "") from None


def _foreign(pid: int) -> int:
    """The kinds of a process's namespaces that are not ours already."""
    flags = 0
    for kind, flag in namespaces.FLAGS.items():
        name = _FILES.get(kind, kind)
        if os.stat(f"/proc/{pid}/ns/{name}").st_ino != os.stat(f"/proc/self/ns/{name}").st_ino:
            flags |= flag
    return flags


def _is_privileged() -> bool:
    """Whether the host's namespaces are ours to join, and its trees to open."""
    from cowl.linux.credentials import effective, mask

    needed = mask(("CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID"))
    return os.geteuid() == 0 and effective() & needed == needed and not _in_user_namespace()


def _in_user_namespace() -> bool:
    with open("/proc/self/uid_map", "rb", buffering=0) as file:
        return file.read(4096).split() != [b"0", b"0", b"4294967295"]


def _map_ids(pid: int, uids: Ranges, gids: Ranges) -> None:
    """As far as we may by ourselves, else by newuidmap and newgidmap."""
    alone = not _is_privileged()
    try:
        namespaces.map_ids(pid, uids, gids, deny_setgroups=alone and len(gids) == 1 and gids[0][2] == 1)
    except PermissionError:
        _map_by_program("newuidmap", pid, uids)
        _map_by_program("newgidmap", pid, gids)


def _map_by_program(name: str, pid: int, ranges: Ranges) -> None:
    for folder in ("/usr/bin", "/bin", "/usr/local/bin"):
        if os.access(f"{folder}/{name}", os.X_OK):
            break
    else:
        raise Denied(
            f"these ids are not ours to map, and {name} is missing", hint="install the package uidmap"
        )
    words = [str(number) for each in ranges for number in each]
    child = os.posix_spawn(f"{folder}/{name}", [name, str(pid), *words], {})
    if os.waitpid(child, 0)[1] != 0:
        raise Denied(f"{name} refused the ids {' '.join(words)}", hint="see /etc/subuid and /etc/subgid")


def _trees(config: OciConfig, pid: int) -> tuple[int, ...]:
    """The root and the sources of binds, which the container's own root may not reach by their paths."""
    opened = []
    try:
        opened.append(mounts.clone_tree(config.rootfs, recursive=True))
    except OSError as error:
        raise StepFailed(f"root.path {config.rootfs} can't be opened: {error.strerror}") from error
    users = namespaces.open_user_namespace(pid)
    for words in config.mounts:
        if not words.bind:
            continue
        try:
            opened.append(open_source(words))
            if words.idmap:
                mounts.set_idmap(opened[-1], users, recursive=words.recursive)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                raise BindSourceNotFound(f"bind source path does not exist: {words.source}") from None
            raise StepFailed(f"can't bind {words.source} at {words.target}: {error.strerror}") from error
    os.close(users)
    return tuple(opened)


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise Denied(f"{path} can't be set to {text}: {error.strerror}") from error
