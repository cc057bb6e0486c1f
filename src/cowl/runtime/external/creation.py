"""An external runtime's `create`, in a mount namespace that holds what the container is made of."""

from __future__ import annotations

import os

from cowl.linux import channel, credentials, mounts, namespaces
from cowl.linux.namespaces import MOUNT, USER
from cowl.runtime.binding import open_source
from cowl.runtime.external.call import LOG, execute
from cowl.runtime.external.plan import PLACE, joined
from cowl.runtime.external.staging import STATE, merge, stage
from cowl.runtime.failures import ChildLost, decode, encode, source_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from cowl.runtime.cgroup import Doors
    from cowl.runtime.external.plan import ExternalPlan
    from cowl.runtime.operations import Source


def create_as_root(plan: ExternalPlan, doors: Doors) -> int:
    """Its exit status. The root file system belongs to a user namespace that the container joins."""
    kinds = (USER if plan.uid_map else 0) | MOUNT
    holder, control = _fork(kinds, lambda end: _hold(plan, end))
    try:
        if plan.uid_map:
            namespaces.map_ids(holder, plan.uid_map, plan.gid_map, deny_setgroups=False)
        users = namespaces.open_user_namespace(holder)
        layers = _open(plan.layers, users)
        channel.send(control, b"G%d" % len(layers), layers)
        _release(*layers)
        trees = _receive(control)
        binds = _open(plan.binds, users)
        os.close(users)
        spec = joined(plan.spec, f"/proc/{holder}/ns/user") if plan.joins else plan.spec
        return _run(MOUNT, doors, lambda _: _become_runtime(plan, spec, trees, binds), (*trees, *binds))
    finally:
        os.close(control)  # the holder's sign to end
        os.waitpid(holder, 0)


def _hold(plan: ExternalPlan, control: int) -> None:
    """In the namespaces that the root belongs to: mounts, hands over, waits for the end."""
    layers = _receive(control)
    if plan.uid_map:
        _become_root(clear_groups=True)
    trees = merge(plan, layers)
    channel.send(control, b"H%d" % len(trees), trees)
    channel.receive(control)


def create_as_user(plan: ExternalPlan, doors: Doors) -> int:
    """The same where one id is all there is: the runtime is root of the namespace that has it."""

    def begin(control: int) -> None:
        channel.receive(control)
        _become_root(clear_groups=False)
        layers = tuple(_open_one(source, -1) for source in plan.layers)
        binds = tuple(_open_one(source, -1) for source in plan.binds)
        _become_runtime(plan, plan.spec, merge(plan, layers), binds)

    def prepare(pid: int, control: int) -> None:
        namespaces.map_ids(pid, plan.uid_map, plan.gid_map, deny_setgroups=True)
        channel.send(control, b"G")

    return _run(USER | MOUNT, doors, begin, (), prepare)


def _become_root(*, clear_groups: bool) -> None:
    if clear_groups:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    credentials.die_with_parent()


def _become_runtime(
    plan: ExternalPlan, spec: dict[str, Any], trees: tuple[int, ...], binds: tuple[int, ...]
) -> None:
    stage(plan, spec, trees, binds)
    console = ("--console-socket", f"{STATE}/console-{os.getppid()}") if plan.terminal else ()
    words = ("create", "--bundle", PLACE, "--pid-file", f"{STATE}/pid", *console, plan.id)
    execute(plan.program, plan.program.argv(STATE, f"{STATE}/{LOG}", *words))


def _run(
    kinds: int,
    doors: Doors,
    become: Callable[[int], None],
    held: tuple[int, ...],
    prepare: Callable[[int, int], None] | None = None,
) -> int:
    """Runs the runtime in new namespaces: its status, once it has executed. Raises what came before that."""

    def enter(end: int) -> None:
        doors.enter()
        become(end)

    pid, control = _fork(kinds, enter, doors.into)
    _release(*held)
    try:
        if prepare is not None:
            prepare(pid, control)
        data, _ = channel.receive(control)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(control)
    if data:
        raise decode(data[1:])
    return status


def _fork(kinds: int, work: Callable[[int], None], cgroup: int = -1) -> tuple[int, int]:
    """A child in new namespaces that does `work` with its end of a channel, or tells why not."""
    ours, theirs = channel.pair()
    pid, pidfd = namespaces.clone(kinds, cgroup=cgroup)
    if pid == 0:
        _work(ours, theirs, work)
    os.close(theirs)
    os.close(pidfd)
    return pid, ours


def _work(ours: int, theirs: int, work: Callable[[int], None]) -> NoReturn:
    try:
        os.close(ours)
        credentials.die_with_parent()
        credentials.default_signals()
        work(theirs)
    except BaseException as error:  # noqa: BLE001  # whatever it is, our parent tells it
        channel.send(theirs, b"F" + encode(error))
    finally:
        os._exit(1)


def _receive(control: int) -> tuple[int, ...]:
    """The descriptors that a message announces; they may come in several."""
    fds: tuple[int, ...] = ()
    while True:
        data, more = channel.receive(control)
        if not data:
            raise ChildLost("a helper of the container's start died")
        if data[:1] == b"F":
            raise decode(data[1:])
        fds += more
        if len(fds) >= int(data[1:]):
            return fds


def _open(sources: tuple[Source, ...], users: int) -> tuple[int, ...]:
    return tuple(_open_one(source, users) for source in sources)


def _open_one(source: Source, users: int) -> int:
    try:
        tree = open_source(source)
        if source.idmap and users >= 0:
            mounts.set_idmap(tree, users, recursive=source.recursive)
    except OSError as error:
        raise source_failure(source, error) from error
    return tree


def _release(*fds: int) -> None:
    for fd in fds:
        os.close(fd)
