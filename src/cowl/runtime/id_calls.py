"""setuid, getuid and their kin in a container of one id: granted in name, told when asked.

The kernel answers as long as nobody asked for an id that is not there.
"""

from __future__ import annotations

import errno
import struct

from cowl.linux.notification import GONE, KERNEL, SUCCEEDS, Decision
from cowl.runtime.caller_memory import CallerMemory
from cowl.runtime.identities import KEEP, Identities, Identity, Ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.linux.notification import Listener, Request

UID_CALLS = ("setuid", "setreuid", "setresuid")
GID_CALLS = ("setgid", "setregid", "setresgid")
ASKING_CALLS = ("getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups")

_COUNTS = {
    name: count for names in (UID_CALLS, GID_CALLS) for name, count in zip(names, (1, 2, 3), strict=True)
}
_GROUPS_LIMIT = 65536  # NGROUPS_MAX
_ID = struct.Struct("=I")

Ranges = tuple[tuple[int, int], ...]


def contains(ranges: Ranges, number: int) -> bool:
    """Whether one of the (first, count) ranges has the number."""
    return any(first <= number < first + count for first, count in ranges)


class IdCalls:
    """`uids` and `gids` are the ids that the user namespace has, as (first, count)."""

    def __init__(self, proc_fd: int, listener: Listener, uids: Ranges, gids: Ranges) -> None:
        self._proc_fd = proc_fd
        self._listener = listener
        self._uids, self._gids = uids, gids
        self._identities = Identities(proc_fd)

    def tell(self, request: Request, name: str) -> Decision:
        """getuid(2) and kin: the kernel's answer, but to a process that changed its ids in name."""
        identity = self._identities.find(request.pid)
        if identity is None:
            return KERNEL
        if name == "getgroups":
            return self._tell_groups(request, identity.groups)
        ids = identity.uids if name.endswith("uid") else identity.gids
        if name.startswith("getres"):
            return self._tell_three(request, ids)
        return Decision(value=ids.effective if name.startswith("gete") else ids.real)

    def _tell_three(self, request: Request, ids: Ids) -> Decision:
        with CallerMemory(self._proc_fd, request.pid) as memory:
            if not self._listener.waits(request):
                return GONE
            for address, number in zip(request.arguments, (ids.real, ids.effective, ids.saved), strict=False):
                memory.write(address, _ID.pack(number))
        return SUCCEEDS

    def _tell_groups(self, request: Request, groups: tuple[int, ...]) -> Decision:
        room = request.signed(0)
        if room == 0:
            return Decision(value=len(groups))
        if room < len(groups):
            return Decision(error=errno.EINVAL)
        with CallerMemory(self._proc_fd, request.pid) as memory:
            if not self._listener.waits(request):
                return GONE
            if groups:
                memory.write(request.arguments[1], b"".join(map(_ID.pack, groups)))
        return Decision(value=len(groups))

    def _believed(self, request: Request) -> Identity:
        """What the caller believes now; at first the truth."""
        uid, gid = self._uids[0][0], self._gids[0][0]
        known = self._identities.find(request.pid)
        return known or Identity(Ids(uid, uid, uid), Ids(gid, gid, gid), ())

    def change(self, request: Request, name: str) -> Decision:
        """setuid(2) and kin, by a process that holds the capability."""
        if name == "setgroups":
            return self._change_groups(request)
        of_user = name in UID_CALLS
        wanted = tuple(request.unsigned(index) for index in range(_COUNTS[name]))
        mapped = self._uids if of_user else self._gids
        if not self._identities and all(each == KEEP or contains(mapped, each) for each in wanted):
            return KERNEL
        if wanted == (KEEP,):
            return Decision(error=errno.EINVAL)
        old = self._believed(request)
        privileged = contains(self._uids, old.uids.effective)
        if of_user:
            return self._believe(request, old.replace(uids=old.uids.changed(wanted, privileged)))
        # setpriv changes its groups after its user, by PR_SET_KEEPCAPS. Only the way back is refused then.
        privileged = privileged or not any(contains(mapped, each) for each in wanted)
        return self._believe(request, old.replace(gids=old.gids.changed(wanted, privileged)))

    def _change_groups(self, request: Request) -> Decision:
        """setgroups(2), which a user namespace of one id always refuses."""
        count = request.signed(0)
        if not 0 <= count <= _GROUPS_LIMIT:
            return Decision(error=errno.EINVAL)
        data = b""
        with CallerMemory(self._proc_fd, request.pid) as memory:
            if not self._listener.waits(request):
                return GONE
            if count:
                data = memory.read(request.arguments[1], count * _ID.size)
        old = self._believed(request)
        return self._believe(
            request, old.replace(groups=tuple(number for (number,) in _ID.iter_unpack(data)))
        )

    def _believe(self, request: Request, identity: Identity) -> Decision:
        if not self._listener.waits(request):
            return GONE
        self._identities.change(request.pid, identity)
        return SUCCEEDS
