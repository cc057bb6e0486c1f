"""Owners where the container has one id: calls that the kernel must refuse are recorded and succeed.

An ordinary user without subuid ranges gets a user namespace with one id in it, and there chown(2) to any
other id fails with EINVAL. The filter hands such calls to a Supervisor, which records the new owner in
`user.containers.override_stat`, through the container's own overlay.

What this gives and what not:
- stat(2) goes on showing the one id; the recorded owner is what a layer made from the container holds.
- Owners of symlinks, fifos, sockets and devices can't be recorded (user.* attributes need a file or a
  directory), nor those on other mounts (binds, tmpfs): the call succeeds and changes nothing.
- setuid, setgid, setgroups and their kin to ids that are not there succeed in name only: the process and
  its children are told those ids when they ask (`identities`), so apt, su and friends go on, but files
  and rights stay those of the one id. It is no way to give up rights: there is nothing to be separated.
- A process without CAP_CHOWN, CAP_SETUID or CAP_SETGID gets the kernel's own answer, always.
- Set-id bits and file capabilities stay through a recorded chown; the kernel would clear them.

The paths come from a hostile process that may change them at any moment: the worst that it gains is a
record on another file of its own container, which it may write to anyway.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct

from cowl.linux.credentials import CAPABILITIES, die_with_parent, hide
from cowl.linux.descriptors import arrange
from cowl.linux.notification import GONE, KERNEL, SUCCEEDS, Decision, Listener
from cowl.linux.override_stat import XATTR, BadOverrideStat, OverrideStat
from cowl.linux.syscall_numbers import numbers
from cowl.linux.syscalls import call
from cowl.runtime.caller_memory import CallerMemory
from cowl.runtime.caller_path import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, CallerPath
from cowl.runtime.id_calls import ASKING_CALLS, GID_CALLS, UID_CALLS, IdCalls, contains
from cowl.runtime.identities import KEEP
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.linux.notification import Request

_CHOWN_CALLS = ("chown", "lchown", "fchown", "fchownat")
_NEEDED = {  # the capability without which the kernel answers
    **dict.fromkeys(_CHOWN_CALLS, "CAP_CHOWN"),
    **dict.fromkeys(UID_CALLS, "CAP_SETUID"),
    **dict.fromkeys((*GID_CALLS, "setgroups"), "CAP_SETGID"),
}

NOTIFIED = frozenset((*_NEEDED, *ASKING_CALLS))
"""The system calls that the filter must hand to the Supervisor."""

_VERSION_3 = 0x2008_0522
_STATX_WANTED = 0x7FF | 0x1000  # STATX_BASIC_STATS | STATX_MNT_ID
_STATX_SIZE, _STATX_OWNER, _STATX_MOUNT = 256, struct.Struct("=20xIIH"), struct.Struct("=144xQ")


class Supervisor:
    """Answers the calls in NOTIFIED of one container. Owns `listener`.

    It must run in the container's user namespace with all capabilities there (to write the attributes of
    read-only files), and where /proc shows the container's processes; `serve` does all that. When it dies
    or closes, the calls fail with ENOSYS.
    """

    def __init__(self, listener: int) -> None:
        self._listener = Listener(listener)
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        table = numbers(os.uname().machine)
        self._names = {table[name]: name for name in NOTIFIED if name in table}
        self._uids, self._gids = _mapped_ids("/proc/self/uid_map"), _mapped_ids("/proc/self/gid_map")
        self._ids = IdCalls(self._proc, self._listener, self._uids, self._gids)

    def fileno(self) -> int:
        """To poll: readable when a call waits, hung up when no process has the filter any more."""
        return self._listener.fileno()

    def close(self) -> None:
        """Idempotent."""
        self._listener.close()
        if self._proc >= 0:
            os.close(self._proc)
            self._proc = -1

    def handle_one(self) -> None:
        """Answers one waiting call; blocks while there is none. Never raises for what a caller does."""
        request = self._listener.receive()
        if request is None:
            return
        try:
            decision = self._decide(request)
        except OSError as error:
            decision = Decision(error=error.errno or errno.EIO)
        self._listener.answer(request, decision)

    def _decide(self, request: Request) -> Decision:
        name = self._names.get(request.number)
        if name is None or request.pid == 0:
            return Decision(error=errno.ENOSYS)
        if name in ASKING_CALLS:
            return self._ids.tell(request, name)
        if not _holds(request.pid, _NEEDED[name]):
            return KERNEL
        if name in _CHOWN_CALLS:
            return self._change_owner(request, name)
        return self._ids.change(request, name)

    def _change_owner(self, request: Request, name: str) -> Decision:
        first = 2 if name == "fchownat" else 1
        owner = request.unsigned(first), request.unsigned(first + 1)
        directory = request.signed(0) if name in ("fchown", "fchownat") else AT_FDCWD
        with (
            CallerMemory(self._proc, request.pid) as memory,
            CallerPath(self._proc, request.pid, directory) as caller,
        ):
            if not self._listener.waits(request):
                return GONE
            file = _open_target(memory, caller, request, name)
            try:
                return self._record(caller.root, file, owner)
            finally:
                os.close(file)

    def _record(self, root: int, file: int, owner: tuple[int, int]) -> Decision:
        """Writes the owner beside the file, over what an earlier call wrote."""
        here, place = _Facts.of(file), _Facts.of(root)
        unchanged = all(new in (KEEP, old) for new, old in zip(owner, (here.uid, here.gid), strict=True))
        if here.mount != place.mount or not (stat.S_ISREG(here.mode) or stat.S_ISDIR(here.mode)):
            possible = all(
                new == KEEP or contains(mapped, new)
                for new, mapped in zip(owner, (self._uids, self._gids), strict=True)
            )
            return KERNEL if possible else SUCCEEDS
        path = f"/proc/self/fd/{file}"
        old = _recorded(path)
        if old is None and unchanged:
            return KERNEL
        new_record = _merge(old, here, owner)
        if new_record != old:
            os.setxattr(path, XATTR, new_record.format())
        return SUCCEEDS


def _open_target(memory: CallerMemory, caller: CallerPath, request: Request, name: str) -> int:
    """The file that a chown-like call is about, O_PATH."""
    if name == "fchown":
        return os.dup(caller.base)
    if name != "fchownat":
        return caller.open(memory.read_string(request.arguments[0]), follow=name == "chown")
    flags = request.signed(4)
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    path = memory.read_string(request.arguments[1])
    if not path and flags & AT_EMPTY_PATH:
        return os.dup(caller.base)
    return caller.open(path, follow=not flags & AT_SYMLINK_NOFOLLOW)


class _Facts(Value):
    """What statx(2) tells of a file: ids as this user namespace sees them, and its mount."""

    uid: int
    gid: int
    mode: int
    mount: int

    @classmethod
    def of(cls, file: int) -> _Facts:
        buffer = ctypes.create_string_buffer(_STATX_SIZE)
        call("statx", file, b"", AT_EMPTY_PATH, _STATX_WANTED, ctypes.addressof(buffer))
        uid, gid, mode = _STATX_OWNER.unpack_from(buffer.raw)
        return cls(uid, gid, mode, _STATX_MOUNT.unpack_from(buffer.raw)[0])


def _recorded(path: str) -> OverrideStat | None:
    """The record of a file; a broken one counts as none and is written over."""
    try:
        return OverrideStat.parse(os.getxattr(path, XATTR))
    except BadOverrideStat:
        return None
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise


def _merge(old: OverrideStat | None, here: _Facts, owner: tuple[int, int]) -> OverrideStat:
    """The record after a chown. Pure."""
    if old is None:
        old = OverrideStat(here.uid, here.gid, here.mode & 0o7777)
    uid, gid = (was if new == KEEP else new for was, new in zip((old.uid, old.gid), owner, strict=True))
    mode = old.mode_now(here.mode, directory=stat.S_ISDIR(here.mode))
    return old.replace(uid=uid, gid=gid, mode=mode)


def _holds(pid: int, capability: str) -> bool:
    """Whether a thread has a capability in effect; False when it is gone."""
    data = ctypes.create_string_buffer(24)
    try:
        call("capget", struct.pack("Ii", _VERSION_3, pid), data)
    except OSError:
        return False
    words = struct.unpack("6I", data.raw)
    number = CAPABILITIES.index(capability)
    return bool(words[3 * (number // 32)] >> number % 32 & 1)


def _mapped_ids(path: str) -> tuple[tuple[int, int], ...]:
    """(first, count) of the ids that this user namespace has, user_namespaces(7)."""
    with open(path, "rb", buffering=0) as file:
        rows = [line.split() for line in file.read(1 << 16).splitlines()]
    return tuple((int(first), int(count)) for first, _, count in rows)


def serve(listener: int, guarded: tuple[int, int] | None = None) -> None:
    """Answers until no process has the filter any more. The main loop of a process of its own.

    Keeps the listener only and closes all other descriptors: nobody shall wait for their end in vain.
    Call it in a single-threaded child that is already in the container's user namespace (made there, or
    `namespaces.enter(pidfd, USER)`) but not in its pid namespace: the container can neither see, trace
    nor signal it. The child dies with its parent, unless it has to kill somebody first:

    guarded  pidfds of the parent and of the process to be killed at its end
    """
    hide()
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    arrange((nothing, nothing, nothing, listener, *(guarded or ())))
    if guarded is None:
        die_with_parent()
    supervisor = Supervisor(3)
    poll = select.poll()
    poll.register(supervisor, select.POLLIN)
    if guarded is not None:
        from cowl.linux.memory import give_back

        poll.register(4, select.POLLIN)
        give_back()
    try:
        while True:
            ready = dict(poll.poll())
            if 4 in ready:
                call("pidfd_send_signal", 5, 9, None, 0)
                return
            if ready[3] & (select.POLLHUP | select.POLLERR):
                return
            supervisor.handle_one()
    finally:
        supervisor.close()
