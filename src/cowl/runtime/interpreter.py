"""Executes a plan's operations in the child, with direct system calls.

Nothing may be imported, dlopened or looked up by name once the root is entered: the image's files
would run with the rights of the host. Everything that later steps need is imported here, at the top.
"""

from __future__ import annotations

import errno
import os
import sys

from cowl.linux import channel, credentials, mounts, namespaces, terminal
from cowl.linux.descriptors import arrange, open_device
from cowl.linux.files import open_beneath
from cowl.linux.loopback import raise_loopback
from cowl.linux.syscalls import call
from cowl.linux.window import set_size
from cowl.runtime import binding, shields, targets
from cowl.runtime import operations as op
from cowl.runtime.execution import READY, close_others, execute
from cowl.runtime.failures import (
    StepFailed,
    WorkingDirectoryRefused,
    source_failure,
)
from cowl.runtime.filters import install_filter
from cowl.runtime.step_failures import hint, not_mapped, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.runtime.plan import Plan

_PATH_DIR = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class Interpreter:
    """The child's state while it becomes the container. One use; ends in execve."""

    def __init__(self, plan: Plan, keeper: int, sources: tuple[int, ...]) -> None:
        """`keeper` is the channel; `sources` are given on the root rung, else they are opened here."""
        self._plan = plan
        self._keeper = keeper
        self._sources = sources
        self._root = -1
        self._scratch = -1
        self._null = -1
        self._slave = -1
        self._init = -1  # the program that process 1 becomes
        self._closed = False  # all but the channel and what the payload gets

    def run(self) -> None:
        """Executes the plan; returns never. Raises CowlError."""
        if any(isinstance(operation, op.StartInit) for operation in self._plan.operations):
            self._prepare_init()
        forbid_imports()
        if not self._sources:
            self._sources = tuple(_open_source(source) for source in self._plan.sources)
        if not self._plan.namespaces:
            self._root = os.open("/", _PATH_DIR)
        for operation in self._plan.operations:
            self._step(operation)

    def _prepare_init(self) -> None:
        import cowl.runtime.init_process
        from cowl.runtime.init_program import open_init

        self._init = open_init(os.uname().machine)
        self._fork_payload = cowl.runtime.init_process.fork_payload

    def _step(self, operation: op.Operation) -> None:
        try:
            _METHODS[type(operation)](self, operation)
        except OSError as error:
            raise StepFailed(
                f"the container can't be made: {shown(operation)}: {error.strerror or error}",
                hint=hint(operation, error),
            ) from error

    # -- mounts -------------------------------------------------------------------------------------

    def become_mapped(self, step: op.BecomeMapped) -> None:
        if step.clear_groups:
            os.setgroups([])
        os.setresgid(step.gid, step.gid, step.gid)
        os.setresuid(step.uid, step.uid, step.uid)
        credentials.die_with_parent()

    def isolate_mounts(self, _step: op.IsolateMounts) -> None:
        mounts.make_private()

    def mount_scratch(self, _step: op.MountScratch) -> None:
        # Over "/": that hides nothing, since a path from "/" still starts below it.
        self._scratch = mounts.new_filesystem("tmpfs", (("mode", "0700"),))
        host_root = os.open("/", _PATH_DIR)
        mounts.attach(self._scratch, host_root)
        os.close(host_root)
        os.fchdir(self._scratch)

    def collect_layer(self, step: op.CollectLayer) -> None:
        os.mkdir(step.name, 0o700)
        mounts.attach(self._sources[step.source], self._scratch, step.name)

    def mount_root(self, step: op.MountRoot) -> None:
        self._root = binding.mount_overlay(self._scratch, "root", step.lowers, step.upper, step.work)
        if step.attributes:
            mounts.set_attributes(self._root, _attributes(step.attributes))

    def mount_filesystem(self, step: op.MountFilesystem) -> None:
        target = targets.directory(self._root, step.target, make=step.make, follow=step.follow)
        tree = mounts.new_filesystem(step.kind, step.options, _attributes(step.attributes))
        targets.attach(tree, target)

    def join_cgroup(self, step: op.JoinCgroup) -> None:
        _, doors = channel.receive(self._keeper)
        namespaces.enter_cgroups(doors)
        if step.namespace:
            namespaces.leave_cgroups()

    def mount_cgroup(self, step: op.MountCgroup) -> None:
        target = targets.existing(self._root, step.target)
        if target < 0:
            return  # a kernel without cgroups
        attributes = mounts.NO_SUID | mounts.NO_DEV | mounts.NO_EXEC
        attributes |= mounts.READ_ONLY if step.read_only else 0
        kind = "cgroup2" if _is_unified(step.target) else "tmpfs"
        targets.attach(mounts.new_filesystem(kind, (), attributes), target)

    def bind_system(self, step: op.BindSystem) -> None:
        target = targets.directory(self._root, step.target)
        tree = mounts.clone_tree(step.path, recursive=True)
        mounts.set_attributes(tree, _attributes(step.attributes), recursive=True)
        targets.attach(tree, target)

    def bind_source(self, step: op.BindSource) -> None:
        path = self._plan.sources[step.source].path
        binding.bind(self._root, self._sources[step.source], step.target, _attributes(step.attributes), path)

    def bind_overlay(self, step: op.BindOverlay) -> None:
        tree = binding.overlay_tree(self._scratch, step)
        binding.bind(self._root, tree, step.target, _attributes(step.attributes), step.subpath)

    def bind_memory(self, step: op.BindMemory) -> None:
        binding.bind(self._root, binding.memory_file(self._scratch, step), step.target, 0, "a file")

    def make_link(self, step: op.MakeLink) -> None:
        parent = targets.directory(self._root, os.path.dirname(step.path))
        os.symlink(step.points_to, os.path.basename(step.path), dir_fd=parent)
        os.close(parent)

    def bind_device(self, step: op.BindDevice) -> None:
        device = open_device(f"/dev/{step.name}", step.major, step.minor)
        tree = mounts.clone_fd(device)
        if step.name == "null":
            self._null = device
        else:
            os.close(device)
        mounts.set_attributes(tree, mounts.NO_SUID | mounts.NO_EXEC)
        targets.attach(tree, targets.new_file(self._root, f"/dev/{step.name}"))

    def open_terminal(self, step: op.OpenTerminal) -> None:
        master, self._slave = terminal.open_pair(self._root)
        if step.rows and step.columns:
            set_size(master, step.rows, step.columns)
        try:
            os.fchown(self._slave, step.uid, -1)
        except OSError:
            pass  # the terminal works all the same; only a reopening by path does not
        if step.console:
            targets.attach(mounts.clone_fd(self._slave), targets.new_file(self._root, "/dev/console"))
        channel.send(self._keeper, b"T", (master,))
        os.close(master)

    def write_sysctl(self, step: op.WriteSysctl) -> None:
        shields.write_sysctl(self._root, step.name, step.value)

    def mask_path(self, step: op.MaskPath) -> None:
        shields.mask_path(self._root, self._null, step.path)

    def protect_path(self, step: op.ProtectPath) -> None:
        shields.protect_path(self._root, step.path)

    def protect_root(self, _step: op.ProtectRoot) -> None:
        mounts.set_attributes(self._root, mounts.READ_ONLY)

    # -- the rest of the world ------------------------------------------------------------------------

    def set_domainname(self, step: op.SetDomainname) -> None:
        name = step.name.encode("utf-8", "surrogateescape")
        call("setdomainname", name, len(name))

    def set_hostname(self, step: op.SetHostname) -> None:
        name = step.name.encode()
        call("sethostname", name, len(name))

    def raise_loopback(self, _step: op.RaiseLoopback) -> None:
        raise_loopback()

    def enter_root(self, _step: op.EnterRoot) -> None:
        os.fchdir(self._root)
        mounts.pivot_here()
        mounts.detach_here()  # the scratch, which lies on the old root
        mounts.detach_here()  # the old root
        os.chdir("/")

    def enter_directory(self, step: op.EnterDirectory) -> None:
        try:
            try:
                fd = open_beneath(self._root, step.path, _PATH_DIR)
            except FileNotFoundError:
                if not step.make:
                    raise
                fd = targets.make_path(self._root, step.path, directory=True)
            os.fchdir(fd)
            inside = os.getcwd().startswith("/")
        except OSError as error:
            reason = "a link leads out" if error.errno == errno.ELOOP else os.strerror(error.errno or 0)
            raise WorkingDirectoryRefused(
                f"can't enter the working directory {step.path}: {reason}"
            ) from None
        if not inside:
            raise WorkingDirectoryRefused(f"the working directory {step.path} is outside the container")

    def start_session(self, _step: op.StartSession) -> None:
        os.setsid()
        if self._slave >= 0:
            terminal.make_controlling(self._slave)
            for number in range(3):
                os.dup2(self._slave, number, inheritable=True)

    def drop_bounding(self, step: op.DropBounding) -> None:
        credentials.drop_bounding(credentials.mask(step.keep))

    def forbid_new_privileges(self, _step: op.ForbidNewPrivileges) -> None:
        credentials.forbid_new_privileges()

    def keep_capabilities(self, _step: op.KeepCapabilities) -> None:
        credentials.keep_capabilities()

    def become_user(self, step: op.BecomeUser) -> None:
        os.umask(step.umask)
        try:
            if step.groups:
                os.setgroups(step.groups)
            os.setresgid(step.gid, step.gid, step.gid)
            os.setresuid(step.uid, step.uid, step.uid)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise not_mapped(step, self._plan.rung) from None

    def set_capabilities(self, step: op.SetCapabilities) -> None:
        credentials.set_capabilities(credentials.mask(step.names))

    def die_with_parent(self, _step: op.DieWithParent) -> None:
        credentials.die_with_parent()

    def install_filter(self, step: op.InstallFilter) -> None:
        program, _ = channel.receive(self._keeper)
        self._close_others()  # a caller's own filter may not know close_range
        listener = install_filter(program, step.supervised)
        if listener >= 0:
            channel.send(self._keeper, b"L", (listener,))
            os.close(listener)

    def visit(self, step: op.Visit) -> None:
        module, _, name = step.function.partition(":")
        channel.send(self._keeper, READY)
        arrange((0, 1, 2, self._root))  # the keeper sees its channel end
        getattr(sys.modules[module], name)(3)
        os._exit(0)

    def start_init(self, step: op.StartInit) -> None:
        self._close_others()
        self._fork_payload(self._init, terminal=step.terminal)

    def execute(self, step: op.Execute) -> None:
        self._close_others()
        execute(step.args, step.env)

    def _close_others(self) -> None:
        if not self._closed:
            self._keeper, self._init = close_others(self._keeper, self._init)
            self._closed = True


def _method(kind: type[op.Operation]) -> Callable[[Interpreter, Any], None]:
    """MountScratch -> Interpreter.mount_scratch."""
    name = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")
    method: Callable[[Interpreter, Any], None] = getattr(Interpreter, name)
    return method


_METHODS = {kind: _method(kind) for kind in op.Operation.__subclasses__()}


def forbid_imports() -> None:
    """Any import from here on fails instead of running a file of the image."""
    sys.path.clear()
    sys.path_hooks.clear()
    sys.meta_path.clear()


def _open_source(source: op.Source) -> int:
    try:
        return binding.open_source(source)
    except OSError as error:
        raise source_failure(source, error) from None


def _attributes(words: tuple[str, ...]) -> int:
    total = 0
    for word in words:
        total |= mounts.ATTRIBUTES[word]
    return total


def _is_unified(path: str) -> bool:
    """Whether the host's cgroups are those of version 2 alone."""
    fd = os.open(path, _PATH_DIR)
    try:
        return mounts.filesystem_magic(fd) == mounts.CGROUP2_MAGIC
    finally:
        os.close(fd)
