"""A container's process from its birth to execve, by a config.json. It waits before the last step.

Nothing may be imported or looked up by name once the root is entered: all is imported here, at the top.
"""

from __future__ import annotations

import errno
import os

from cowl.linux import channel, credentials, mounts, terminal
from cowl.linux.descriptors import seal_from
from cowl.linux.files import open_beneath
from cowl.linux.loopback import raise_loopback
from cowl.linux.syscalls import call
from cowl.linux.window import set_size
from cowl.runtime import shields, targets
from cowl.runtime.execution import READY, candidates, search
from cowl.runtime.failures import (
    CommandNotExecutable,
    CommandNotFound,
    StepFailed,
    WorkingDirectoryRefused,
    encode,
)
from cowl.runtime.filters import install_filter
from cowl.runtime.interpreter import forbid_imports
from cowl.runtime.oci.hooks import run_hooks
from cowl.runtime.oci.mount_words import PRIVATE, PROPAGATION, SLAVE
from cowl.runtime.oci.rootfs import Rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from cowl.runtime.oci.config import OciConfig, OciProcess

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_STDERR = 2
_MKNOD = credentials.mask(("CAP_MKNOD",))


class Start:
    """What the child is given by its parent.

    fifo      read before the last step, for one byte; -1: it does not wait
    preserve  descriptors from 3 on that the payload gets
    program   the compiled system call filter, b"" for none
    mapped    it is in a user namespace of the container's
    state     what its hooks are told
    guards_devices  it gets no CAP_MKNOD, and its root is nodev
    """

    def __init__(
        self,
        process: OciProcess,
        *,
        fifo: int = -1,
        preserve: int = 0,
        program: bytes = b"",
        mapped: bool = False,
        state: dict[str, Any] | None = None,
        config: OciConfig | None = None,
        guards_devices: bool = False,
    ) -> None:
        self.process = process
        self.fifo = fifo
        self.preserve = preserve
        self.program = program
        self.mapped = mapped
        self.state = {} if state is None else state
        self.config = config
        self.guards_devices = guards_devices


def become(start: Start, control: int) -> NoReturn:
    """The cloned process. `control` is the channel to its parent, which hears why it failed."""
    child = _Child(start, control)
    try:
        credentials.die_with_parent()
        child.run()
    except BaseException as error:  # noqa: BLE001  # whatever it is, somebody has to hear it
        child.complain(error)
    finally:
        os._exit(127 if child.not_found else 126 if child.told else 1)


class _Child:
    def __init__(self, start: Start, control: int) -> None:
        self._start = start
        self._process = start.process
        self._control = control
        self._slave = -1
        self._root = -1
        self._may_set_groups = True
        self.told = False  # the parent knows that all is ready, and hears no more
        self.not_found = False

    def run(self) -> None:
        """Raises what went wrong; returns never."""
        sources = _receive(self._control)
        self._may_set_groups = _may_set_groups()
        forbid_imports()
        credentials.hide()
        self._take_ids()
        if self._start.config is not None:
            self._make_container(self._start.config, sources)
        else:
            self._root = os.open("/", _DIRECTORY)
            if self._process.terminal:
                self._open_terminal()
        self._enter_directory()
        self._start_session()
        _check_command(self._process)
        seal_from(3 + self._start.preserve)
        credentials.die_with_parent(0)
        channel.send(self._control, READY)
        self.told = True
        self._wait()
        self._become_payload()

    def complain(self, error: BaseException) -> None:
        """To the parent or, once that has gone, to whoever reads the payload's errors."""
        self.not_found = isinstance(error, CommandNotFound)
        try:
            if not self.told:
                channel.send(self._control, b"F" + encode(error))
            else:
                os.write(_STDERR, f"{error}\n".encode())
        except OSError:
            pass

    def _take_ids(self) -> None:
        """Root of the container's user namespace, until the payload's own ids are taken."""
        if not self._start.mapped:
            return
        if self._may_set_groups:
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        credentials.die_with_parent()

    # -- the container ------------------------------------------------------------------------------

    def _make_container(self, config: OciConfig, sources: tuple[int, ...]) -> None:
        mounts.set_root_propagation(_before(config.propagation), recursive=True)
        scratch = mounts.new_filesystem("tmpfs", (("mode", "0755"),))
        host = os.open("/", _DIRECTORY)
        mounts.attach(scratch, host)  # it hides nothing: a path from "/" still starts below it
        numbers = [number for number, words in enumerate(config.mounts) if words.bind]
        root = sources[0] if sources else mounts.clone_tree(config.rootfs, recursive=True)
        nodes = mounts.NO_DEV if self._start.guards_devices else 0
        mounts.change(root, nodes, 0, PRIVATE, recursive=True)
        os.mkdir("root", 0o755, dir_fd=scratch)
        mounts.attach(root, scratch, "root")
        binds = dict(zip(numbers, sources[1:], strict=True)) if sources else {}
        self._fill(config, Rootfs(config, root, binds))
        self._enter(config, scratch, root)

    def _fill(self, config: OciConfig, rootfs: Rootfs) -> None:
        self._root = rootfs.root
        rootfs.mount_all()
        if self._process.terminal:
            self._open_terminal()
            rootfs.put_console(self._slave)
        run_hooks("createContainer", config.hooks["createContainer"], self._start.state)
        try:
            for name, value in config.sysctls:
                shields.write_sysctl(rootfs.root, name, value)
            for path in config.masked:
                shields.mask_path(rootfs.root, rootfs.null, path)
            for path in config.protected:
                shields.protect_path(rootfs.root, path)
            if config.read_only:
                mounts.set_attributes(rootfs.root, mounts.READ_ONLY)
            self._name(config)
        except OSError as error:
            raise StepFailed(f"the container can't be made: {error.strerror}") from error

    def _name(self, config: OciConfig) -> None:
        for function, name in (("sethostname", config.hostname), ("setdomainname", config.domainname)):
            if name:
                call(function, name.encode(), len(name.encode()))
        if "network" in config.new:
            raise_loopback()

    def _enter(self, config: OciConfig, scratch: int, root: int) -> None:
        os.fchdir(root)
        mounts.pivot_here()
        mounts.detach_here()  # the scratch, which lies on the old root
        mounts.detach_here()  # the old root
        os.chdir("/")
        os.close(scratch)
        if config.propagation:
            word = config.propagation
            plain = word if word in PROPAGATION else word[1:]
            mounts.set_root_propagation(PROPAGATION[plain], recursive=plain != word)

    def _open_terminal(self) -> None:
        master, self._slave = terminal.open_pair(self._root)
        try:
            os.fchown(self._slave, self._process.uid, -1)
        except OSError:
            pass  # the terminal works all the same
        rows, columns = self._process.size
        if rows and columns:
            set_size(master, rows, columns)
        channel.send(self._control, b"T", (master,))
        os.close(master)

    # -- the process --------------------------------------------------------------------------------

    def _enter_directory(self) -> None:
        cwd = self._process.cwd
        try:
            try:
                fd = open_beneath(self._root, cwd, _DIRECTORY)
            except FileNotFoundError:
                fd = targets.make_path(self._root, cwd, directory=True)
            os.fchdir(fd)
            inside = os.getcwd().startswith("/")
        except OSError as error:
            reason = "a link leads out" if error.errno == errno.ELOOP else os.strerror(error.errno or 0)
            raise WorkingDirectoryRefused(f"can't enter the working directory {cwd}: {reason}") from None
        if not inside:
            raise WorkingDirectoryRefused(f"the working directory {cwd} is outside the container")

    def _start_session(self) -> None:
        os.setsid()
        if self._slave >= 0:
            terminal.make_controlling(self._slave)
            for number in range(3):
                os.dup2(self._slave, number, inheritable=True)

    def _wait(self) -> None:
        """For `start`; then its hooks are run here, in the container."""
        if self._start.fifo >= 0:
            os.read(self._start.fifo, 1)
        config = self._start.config
        if config is not None:
            run_hooks("startContainer", config.hooks["startContainer"], self._start.state)

    def _become_payload(self) -> None:
        process, program = self._process, self._start.program
        if process.capabilities is not None:
            bounding = credentials.mask(process.capabilities[0])
            credentials.drop_bounding(bounding & ~(_MKNOD if self._start.guards_devices else 0))
        if process.no_new_privileges:
            credentials.forbid_new_privileges()
            self._take_user()
            self._take_capabilities()
            if program:
                install_filter(program, False)
        else:
            # The kernel takes a filter from who has CAP_SYS_ADMIN, so that goes after it.
            if program:
                install_filter(program, False)
            self._take_user()
            self._take_capabilities()
        search(process.args, process.env)

    def _take_user(self) -> None:
        process = self._process
        credentials.keep_capabilities()
        os.umask(0o022 if process.umask is None else process.umask)
        try:
            if self._may_set_groups:
                os.setgroups(process.groups)
            elif process.groups:
                raise StepFailed("process.user.additionalGids: setgroups(2) is denied in this user namespace")
            os.setresgid(process.gid, process.gid, process.gid)
            os.setresuid(process.uid, process.uid, process.uid)
        except OSError as error:
            raise StepFailed(f"can't become {process.uid}:{process.gid}: {error.strerror}") from None

    def _take_capabilities(self) -> None:
        if self._process.capabilities is None:
            if self._start.guards_devices:
                without = credentials.permitted() & ~_MKNOD
                credentials.set_all(without, without, 0, 0)
            return
        _, effective, permitted, inheritable, ambient = map(credentials.mask, self._process.capabilities)
        # In a namespace without more nobody gets more: as runc, what is not to be had is left out.
        held = credentials.permitted() & ~(_MKNOD if self._start.guards_devices else 0)
        wanted = permitted & held
        credentials.set_all(effective & wanted, wanted, inheritable & held, ambient)


def _check_command(process: OciProcess) -> None:
    """So that `create` fails where `start` could tell nobody."""
    paths = dict(word.split("=", 1) for word in process.env if "=" in word)
    found = None
    for candidate in candidates(process.args[0].encode(), paths.get("PATH", "").encode()):
        if os.path.isdir(candidate) or not os.access(candidate, os.X_OK):
            found = found or (candidate if os.path.exists(candidate) else None)
            continue
        return
    name = process.args[0]
    if found:
        raise CommandNotExecutable(f"exec: {name!r}: permission denied")
    where = "no such file or directory" if "/" in name else "executable file not found in $PATH"
    raise CommandNotFound(f"exec: {name!r}: {where}")


def _may_set_groups() -> bool:
    """user_namespaces(7): who maps ids without privilege has to give it up."""
    try:
        with open("/proc/self/setgroups", "rb", buffering=0) as file:
            return file.read(16).strip() == b"allow"
    except OSError:
        return True


def _before(word: str) -> int:
    """Until the root is entered nothing goes out; what goes in is the configuration's to say."""
    return PRIVATE if word in ("private", "rprivate") else SLAVE


def _receive(control: int) -> tuple[int, ...]:
    """Waits for the parent's go; the trees that it opened may come in several messages."""
    fds: tuple[int, ...] = ()
    while True:
        data, more = channel.receive(control)
        if not data:
            os._exit(1)
        fds += more
        if len(fds) >= int(data[1:]):
            return fds
