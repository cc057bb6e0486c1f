"""What of the host is mounted: whether it is there, what is made, who hears of later mounts."""

from __future__ import annotations

import os

from cowl.container.mounts import BIND, TMPFS, VOLUME, InvalidMount, Mount
from cowl.errors import Denied
from cowl.runtime.options import Bind, Tmpfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.store.store import Store


class BindSourceMissing(InvalidMount):
    """A --mount of the host's names what is not there. Field: path."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f'invalid mount config for type "bind": bind source path does not exist: {path}',
            hint="make it, or write -v, which makes a directory",
        )
        self.path = path


class PropagationRefused(Denied):
    """Mounts can't be told of in that way. Field: propagation."""

    def __init__(self, propagation: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"{propagation}: {why}", hint=hint)
        self.propagation = propagation


def check_mounts(mounts: Sequence[Mount], *, mapped: bool) -> None:
    """What can't be had here: sources that are not there, events of mounts across user namespaces.

    mapped  the container has a user namespace of its own
    Raises BindSourceMissing, PropagationRefused.
    """
    for mount in mounts:
        if mount.kind == BIND and not mount.make and not os.path.lexists(mount.source):
            raise BindSourceMissing(mount.source)
        if mount.propagation.endswith("shared") and mapped:
            raise PropagationRefused(
                mount.propagation,
                "what is mounted in a container's own user namespace can't appear outside",
                hint="rslave lets the host's mounts appear inside; with --userns host, as root, both ways go",
            )
        if mount.propagation.endswith("slave") and os.geteuid() != 0:
            raise PropagationRefused(
                mount.propagation,
                "the kernel cuts an ordinary user's mounts off from the host's",
                hint="start it as root, or without the word",
            )
        if mount.propagation.endswith(("slave", "shared")):
            _check_peer(mount.source, mount.propagation)


def _check_peer(source: str, propagation: str) -> None:
    """Whether the mount that a path is on tells others of what comes below it. Raises PropagationRefused."""
    from cowl.linux.mount_table import mount_of

    place, optional = mount_of(source)
    wanted = ("shared:",) if propagation.endswith("shared") else ("shared:", "master:")
    if not any(word.startswith(wanted) for word in optional):
        kinds = "a shared" if len(wanted) == 1 else "a shared or slave"
        raise PropagationRefused(
            propagation, f"path {source} is mounted on {place} but it is not {kinds} mount"
        )


def runtime_mount(store: Store, mount: Mount) -> Bind | Tmpfs:
    """As the runtime takes it; a source that is to be made is there then. Raises Denied."""
    if mount.kind == TMPFS:
        return Tmpfs(mount.target, read_only=mount.read_only, options=mount.options)
    if mount.make:
        _make_source(mount.source)
    source = store.directory.volume_data(mount.source) if mount.kind == VOLUME else mount.source
    return Bind(source, mount.target, mount.read_only, mount.recursive, mount.propagation, mount.subpath)


def _make_source(path: str) -> None:
    """As Docker does for -v: a directory, of whoever starts the container."""
    if os.path.lexists(path):
        return
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
    except OSError as problem:
        reason = (problem.strerror or "").lower()
        raise Denied(f"error while creating mount source path '{path}': mkdir: {reason}") from problem
