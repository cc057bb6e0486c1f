"""--device: nodes of the host in a container.

They are bound, for nobody in a user namespace can make one. Of root's container each is a node of its own in
the container's directory, idmapped, so that its owner is the container's; an ordinary user's container has
the host's node itself, and may with it what the user may.
"""

from __future__ import annotations

import os
from stat import S_IMODE, S_ISBLK, S_ISCHR, S_ISDIR

from cowl.container.words import InvalidOptions
from cowl.linux.files import remove_tree
from cowl.linux.rung import ROOT
from cowl.runtime.options import Bind
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LIMIT = 256  # nodes of one directory
_GATHERING = "error gathering device information while adding custom device"


class Device(Value):
    """A node, or a directory with some, of the host, at `target` in the container."""

    source: str
    target: str


class NoSuchDevice(InvalidOptions):
    """What --device names is no device node of this host. Field: path."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f'{_GATHERING} "{path}": {why}')
        self.path = path


def parse_device(text: str) -> Device:
    """ "HOST[:CONTAINER[:rwm]]". Raises InvalidOptions.

    Reading and writing can't be told apart without a cgroup's device filter, so "r" or "w" alone is refused;
    "m" gives nothing, as no container of ours may make nodes.
    """
    source, *rest = text.split(":")
    permissions = "rwm"
    if len(rest) > 2 or not source:
        raise InvalidOptions(f"invalid device specification: {text}", hint="write HOST[:CONTAINER[:rwm]]")
    if len(rest) == 1 and _is_mode(rest[0]):
        rest, permissions = [], rest[0]
    elif len(rest) == 2:
        permissions = rest.pop()
    if not _is_mode(permissions):
        raise InvalidOptions(f"bad mode specified: {permissions}", hint="it has the letters r, w and m")
    if not {"r", "w"} <= set(permissions):
        raise InvalidOptions(
            f"--device {text}: a device can't be given for {permissions!r} alone yet: that needs a cgroup's"
            " device filter",
            hint="give it rw, or not at all",
        )
    target = rest[0] if rest else source
    for path in (source, target):
        if not path.startswith("/"):
            raise InvalidOptions(f"{path!r} is not an absolute path", hint="write HOST[:CONTAINER[:rwm]]")
    return Device(os.path.normpath(source), os.path.normpath("/" + target.lstrip("/")))


def _is_mode(word: str) -> bool:
    return bool(word) and set(word) <= set("rwm") and len(set(word)) == len(word)


def device_binds(directory: str, words: Iterable[str], rung: str, *, mapped: bool) -> tuple[Bind, ...]:
    """What to bind for a start. `directory` is the container's, where its nodes are made anew.

    Raises NoSuchDevice, OSError.
    """
    own = rung == ROOT and mapped
    place = f"{directory}/devices"
    remove_tree(place)
    binds: list[Bind] = []
    for word in words:
        for number, device in enumerate(_nodes(parse_device(word)), len(binds)):
            source = _copy(device.source, f"{place}/{number}") if own else device.source
            binds.append(Bind(source, device.target, device=True))
    return tuple(binds)


def check_devices(words: Iterable[str]) -> None:
    """Raises NoSuchDevice and other InvalidOptions."""
    for word in words:
        for _ in _nodes(parse_device(word)):
            pass


def _nodes(device: Device) -> Iterator[Device]:
    try:
        status = os.stat(device.source)
    except OSError as problem:
        raise NoSuchDevice(device.source, (problem.strerror or "").lower()) from None
    if S_ISCHR(status.st_mode) or S_ISBLK(status.st_mode):
        yield device
        return
    found = [*_below(device)] if S_ISDIR(status.st_mode) else []
    if not found:
        raise NoSuchDevice(device.source, "not a device node")
    yield from found


def _below(device: Device) -> Iterator[Device]:
    count = 0
    for folder, folders, names in os.walk(device.source):
        folders.sort()
        for name in sorted(names):
            path = f"{folder}/{name}"
            mode = os.lstat(path).st_mode
            if S_ISCHR(mode) or S_ISBLK(mode):
                count += 1
                if count > _LIMIT:
                    raise NoSuchDevice(device.source, f"it holds more than {_LIMIT} device nodes")
                yield Device(path, device.target + path[len(device.source) :])


def _copy(source: str, target: str) -> str:
    status = os.stat(source)
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    os.mknod(target, status.st_mode, status.st_rdev)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, S_IMODE(status.st_mode))
    return target
