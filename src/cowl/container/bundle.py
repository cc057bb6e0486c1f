"""Settings and an image's files to what the runtime starts: user, files of /etc, spec."""

from __future__ import annotations

import os

from cowl.container.enforcement import container_fields, rlimits
from cowl.container.options import Settings, merge_env
from cowl.errors import NotFound
from cowl.linux.probe import rung
from cowl.runtime.netfiles import write_network_files
from cowl.runtime.options import Bind, ContainerOptions, ProcessOptions, Tmpfs
from cowl.runtime.spec import Bundle, container_spec, process_spec
from cowl.runtime.user import User, resolve_group, resolve_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.container.networks.modes import Connection
    from cowl.store.containers import ContainerRecord
    from cowl.store.store import Store

ACCOUNTS_LIMIT = 4 << 20  # bytes of /etc/passwd or /etc/group that are believed


def make_bundle(
    store: Store, record: ContainerRecord, settings: Settings, connection: Connection | None = None
) -> Bundle:
    """The bundle of a created container; writes its hosts, hostname and resolv.conf into its directory.

    connection  its network, if that is one of those that are set up for it
    Raises NoSuchUser, InvalidUser, and what reading an account file of the image may raise.
    """
    hostname = settings.hostname or _default_hostname(record, settings)
    asked = settings.networking
    path = ""
    if settings.network.startswith("container:"):
        from cowl.container.networks.joined import joined

        other = joined(store, settings)
        path, files = other.path, other.files
    else:
        files = write_network_files(
            record.directory, hostname, settings.network, **_names(connection), **_asked_names(settings)
        )
    binds = [Bind(source, target) for source, target in files]
    mounts: list[Bind | Tmpfs] = []
    if settings.mounts:
        binds, mounts = [], with_mounts(store, settings, binds)
    if settings.fixtures is not None and settings.fixtures.devices:
        from cowl.container.devices import device_binds

        words, mapped = settings.fixtures.devices, is_mapped(settings)
        mounts += device_binds(record.directory, words, rung(), mapped=mapped)
    options = ContainerOptions(
        **{**container_fields(settings.limits, record.id), **_confined(settings)},
        args=settings.args,
        env=_environment(settings, hostname),
        cwd=settings.cwd,
        user=_user(store, record, settings, settings.user),
        terminal=settings.tty,
        hostname="" if _shares_name(settings) else hostname,
        domainname=asked.domainname if asked else "",
        network=settings.network,
        network_path=path,
        read_only=settings.read_only,
        init=settings.init,
        binds=tuple(binds),
        mounts=tuple(mounts),
        rung=rung(),
    )
    root = store.root_mount(record.layer_keys, record)
    spec = container_spec(options)
    passing = record.auto_remove and _keeps_to_itself(spec, record)
    return Bundle(record.id, spec, root, record.directory, passing, settings.timeout)


def _keeps_to_itself(spec: dict[str, Any], record: ContainerRecord) -> bool:
    """Whether nothing of the host's is mounted but the kernel's own file systems."""
    own = f"{record.directory}/"
    return all(
        mount["source"].startswith((own, "/sys/")) or mount["source"] in ("/proc", "/sys")
        for mount in spec["mounts"]
        if mount["type"] == "bind"
    )


def _names(connection: Connection | None) -> dict[str, Any]:
    """What a container's network says of names, for its network files."""
    if connection is None:
        return {}
    fields = ("address", "names", "gateway", "forwarder")
    return {field: getattr(connection, field) for field in fields}


def _asked_names(settings: Settings) -> dict[str, Any]:
    """What the caller says of them."""
    asked = settings.networking
    if asked is None:
        return {}
    from cowl.runtime.resolver import Resolver

    wanted = Resolver(asked.dns, asked.dns_search, asked.dns_options)
    return {"hosts": asked.add_host, "domainname": asked.domainname, "resolver": wanted}


def _confined(settings: Settings) -> dict[str, Any]:
    """What was asked beside the usual isolation, which costs nothing."""
    if settings.confinement is None:
        return {}
    from cowl.container import confinement

    confinement.check_rung(settings.confinement, rung())
    return confinement.container_fields(settings.confinement, rung())


def exec_confinement(settings: Settings, *, privileged: bool = False) -> dict[str, Any]:
    """The keywords of Runtime.exec that make a process as confined as the container's first."""
    if settings.confinement is None and not privileged:
        return {}
    if settings.confinement is None:
        from cowl.runtime.options import CAPABILITIES
        from cowl.runtime.seccomp_profile import default_profile

        return {"profile": default_profile(CAPABILITIES)}
    from cowl.container.confinement import profile

    return {"profile": profile(settings.confinement), "mapped": is_mapped(settings)}


def is_mapped(settings: Settings) -> bool:
    """Whether it has a user namespace of its own."""
    return settings.confinement is None or "user" not in settings.confinement.shares(rung())


def with_mounts(store: Store, settings: Settings, files: list[Bind]) -> list[Bind | Tmpfs]:
    """The container's own mounts among the files of /etc, from the root downwards: none hides another."""
    from cowl.container.mount_sources import runtime_mount

    own = {mount.target for mount in settings.mounts}
    found: list[Bind | Tmpfs] = [file for file in files if file.target not in own]
    found += [runtime_mount(store, each) for each in settings.mounts]
    return sorted(found, key=lambda mount: mount.target.count("/"))


def make_process(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    args: tuple[str, ...],
    env: tuple[str, ...],
    user: str,
    workdir: str,
    *,
    tty: bool,
    privileged: bool = False,
    size: tuple[int, ...] = (),
) -> dict[str, Any]:
    """The runtime-spec `process` of an exec: the container's environment and user unless said otherwise.

    privileged  with all capabilities; the filter of its system calls stays the container's, as in Docker
    size        rows and columns of the window that its terminal has
    """
    hostname = settings.hostname or _default_hostname(record, settings)
    confined: dict[str, Any] = {}
    if settings.confinement is not None:
        from cowl.container.confinement import process_fields

        confined = process_fields(settings.confinement, rung())
    if privileged:
        from cowl.container.confinement import Confinement, process_fields

        everything = (settings.confinement or Confinement()).replace(cap_add=("ALL",), cap_drop=())
        confined = {**confined, "capabilities": process_fields(everything, rung())["capabilities"]}
    options = ProcessOptions(
        **confined,
        limits=rlimits(settings.limits),
        args=args,
        env=merge_env(_environment(settings.replace(tty=tty), hostname), env),
        cwd=workdir or settings.cwd,
        user=_user(store, record, settings, user or settings.user),
        terminal=tty,
    )
    process = process_spec(options)
    return {**process, "consoleSize": {"height": size[0], "width": size[1]}} if size else process


def _user(store: Store, record: ContainerRecord, settings: Settings, text: str) -> User:
    """The user, with the groups of --group-add."""
    if settings.confinement is None or not settings.confinement.group_add:
        return find_user(store, record, text)
    return find_user(store, record, text, settings.confinement.group_add)


def find_user(store: Store, record: ContainerRecord, text: str, groups: tuple[str, ...] = ()) -> User:
    """The user by the container's own account files, as they are now; nothing of the host is asked."""
    view = store.view(record.layer_keys, record.upper)

    def accounts(path: str) -> bytes:
        try:
            return view.read_file(path, ACCOUNTS_LIMIT)
        except NotFound:
            return b""

    user = resolve_user(text, accounts("/etc/passwd"), accounts("/etc/group"))
    if not groups:
        return user
    more = (resolve_group(group, accounts("/etc/group")) for group in groups)
    return user.replace(additional_gids=tuple(dict.fromkeys((*user.additional_gids, *more))))


def _default_hostname(record: ContainerRecord, settings: Settings) -> str:
    shared = settings.network == "host" or _shares_name(settings)
    return os.uname().nodename if shared else record.id[:12]


def _shares_name(settings: Settings) -> bool:
    """Whether its host name is the host's own, which nobody sets."""
    return settings.confinement is not None and settings.confinement.uts == "host"


def _environment(settings: Settings, hostname: str) -> tuple[str, ...]:
    """Docker's order: PATH, HOSTNAME, TERM, then image and caller; later words win."""
    given = settings.env
    terminal = ("TERM=xterm",) if settings.tty else ()
    return merge_env(given[:1], (f"HOSTNAME={hostname}",), terminal, given)
