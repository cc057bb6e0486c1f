"""What a container is to have mounted besides its image: words to values, and volumes made ready.

The words are those of `docker run -v`. Loaded only for a container that has any.
"""

from __future__ import annotations

import os

from cowl.container.words import InvalidOptions, check_text
from cowl.store.volume_record import Claim, check_volume_name
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cowl.container.fixtures import Fixtures
    from cowl.store.containers import ContainerRecord
    from cowl.store.store import Store
    from cowl.store.trees import MergedView

BIND, VOLUME, TMPFS = "bind", "volume", "tmpfs"
PROPAGATIONS = ("rprivate", "private", "rslave", "slave", "rshared", "shared")
CONSISTENCIES = ("consistent", "cached", "delegated")  # they mean something on a Mac
DECLARED_LIMIT = 128  # volumes of one image; each is a directory on the host
_MODES = {
    BIND: ("ro", "rw", "z", "Z", *PROPAGATIONS, *CONSISTENCIES),
    VOLUME: ("ro", "rw", "z", "Z", "nocopy"),
}
_KERNELS = ("/dev", "/proc", "/sys")  # an image has no say there


class InvalidMount(InvalidOptions):
    """A mount whose fields make no sense together, or that cowl does not have."""


class DuplicateTarget(InvalidOptions):
    """Two mounts are to lie at the same place. Field: target."""

    def __init__(self, target: str) -> None:
        super().__init__(f"Duplicate mount point: {target}", hint="mount one of them elsewhere")
        self.target = target


class VolumeRefused(InvalidOptions):
    """An image declares a volume where none may be, or leads one there. Field: path."""

    def __init__(self, path: str, why: str, *, declared: bool = True) -> None:
        told = "the image declares the volume" if declared else "no volume can be mounted at"
        super().__init__(f"{told} {path!r}: {why}")
        self.path = path


class Mount(Value):
    """A directory or file of the host, a volume or a tmpfs, at `target` in the container.

    source       an absolute path; the name of a volume, "" while an anonymous one has none yet
    copy         an empty volume begins with what the image has at `target`
    declared     by the image, not by the caller
    named        the caller asked for the volume by this name
    propagation  of PROPAGATIONS, of a bind; "" is rprivate. A word without r means all mounts below too
    recursive    a bind comes with the mounts below it
    subpath      what of a volume is mounted; links in it stay inside
    options      of a tmpfs
    make         a missing source is made, a directory, as by -v
    asked        by which option, where inspect must tell: "tmpfs" for --tmpfs
    """

    kind: str
    source: str
    target: str
    read_only: bool = False
    copy: bool = True
    declared: bool = False
    named: bool = False
    propagation: str = ""
    recursive: bool = True
    subpath: str = ""
    options: tuple[str, ...] = ()
    make: bool = False
    asked: str = ""


def parse_mount(text: str) -> Mount:
    """ "source:target[:options]", or "target" alone for an anonymous volume, as `docker run -v` takes it.

    A source that begins with a slash is a path of the host, any other the name of a volume. Raises
    InvalidOptions, InvalidVolumeName.
    """
    check_text(text)
    parts = text.split(":")
    if len(parts) == 1:
        return Mount(VOLUME, "", clean_target(text, text))
    if len(parts) > 3 or not parts[0]:
        raise InvalidOptions(f"invalid volume specification {text!r}", hint="write it as SOURCE:TARGET[:ro]")
    source, target = parts[0], parts[1]
    kind = BIND if source.startswith("/") else VOLUME
    modes = _modes(kind, text, parts[2]) if len(parts) == 3 else ()
    where = clean_target(target, text)
    if kind == VOLUME:
        if source.startswith("."):
            raise InvalidOptions(f"the bind source {source!r} is not an absolute path")
        check_volume_name(source)
        return Mount(kind, source, where, "ro" in modes, "nocopy" not in modes, named=True)
    propagation = next((mode for mode in modes if mode in PROPAGATIONS), "")
    return Mount(kind, source, where, "ro" in modes, propagation=propagation, make=True)


def parse_tmpfs(text: str) -> Mount:
    """ "TARGET[:option,...]", as `docker run --tmpfs` takes it. Raises InvalidOptions."""
    from cowl.container.tmpfs import tmpfs_options

    target, _, words = text.partition(":")
    where = clean_target(target, text)
    options = tmpfs_options(words.split(","), where)
    return Mount(TMPFS, "", where, "ro" in options, options=options, asked=TMPFS)


def clean_target(target: str, text: str) -> str:
    """Cleaned as Docker does: "." and ".." go by their spelling."""
    if not target.startswith("/"):
        hint = "an anonymous volume takes no options" if text.startswith("/") else ""
        raise InvalidOptions(f"the target {target!r} in {text!r} is not an absolute path", hint=hint)
    where = os.path.normpath("/" + target.lstrip("/"))
    if where == "/":
        raise InvalidOptions(f"nothing can be mounted on / as {text!r} would")
    return where


def _modes(kind: str, text: str, words: str) -> Sequence[str]:
    modes = [mode for mode in words.split(",") if mode]
    known = _MODES[kind]
    for mode in modes:
        if mode not in known:
            raise InvalidOptions(
                f"unknown {kind} option {mode!r} in {text!r}", hint=f"it may have {', '.join(known)}"
            )
    if "ro" in modes and "rw" in modes:
        raise InvalidOptions(f"ro and rw at once in {text!r}")
    for several in (PROPAGATIONS, CONSISTENCIES):
        if len([mode for mode in modes if mode in several]) > 1:
            raise InvalidOptions(f"two words that exclude each other in {text!r}")
    return modes


def fold_mounts(
    declared: Sequence[str], words: Iterable[str], asked: Fixtures | None = None
) -> tuple[Mount, ...]:
    """What the image declares and the caller asks for, in the order in which it is to be mounted.

    The caller's mount at a declared place takes its place. Targets go from the root downwards, so that
    none hides another. Raises InvalidOptions.
    """
    found: dict[str, Mount] = {}
    for mount in (*map(parse_mount, words), *(_fixtures(asked) if asked else ())):
        if mount.target in found:
            raise DuplicateTarget(mount.target)
        found[mount.target] = mount
    if len(declared) > DECLARED_LIMIT:
        raise InvalidOptions(f"the image declares {len(declared)} volumes: {DECLARED_LIMIT} is the limit")
    for path in declared:
        target = _declared_target(path)
        found.setdefault(target, Mount(VOLUME, "", target, declared=True))
    return in_order(found.values())


def in_order(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """From the root downwards."""
    return tuple(sorted(mounts, key=lambda mount: mount.target.count("/")))


def _fixtures(asked: Fixtures) -> Iterator[Mount]:
    yield from map(parse_tmpfs, asked.tmpfs)
    if asked.mounts:
        from cowl.container.mount_fields import parse_fields

        yield from map(parse_fields, asked.mounts)


def _declared_target(path: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise VolumeRefused(path, "that is not an absolute path")
    if ".." in path.split("/"):
        raise VolumeRefused(path, "'..' has no place in it")
    target = os.path.normpath("/" + path.lstrip("/"))
    _check_declared(path, target)
    return target


def _check_declared(path: str, target: str) -> None:
    if target == "/" or _is_kernels(target):
        raise VolumeRefused(path, f"{target} is not the image's to change")


def _is_kernels(path: str) -> bool:
    return any(path == kernels or path.startswith(f"{kernels}/") for kernels in _KERNELS)


def with_names(mounts: Sequence[Mount]) -> tuple[Mount, ...]:
    """The same with fresh names made up for anonymous volumes."""
    return tuple(
        mount if mount.kind != VOLUME or mount.named else mount.replace(source=os.urandom(32).hex())
        for mount in mounts
    )


def with_those_of(store: Store, words: Sequence[str], own: Sequence[Mount]) -> tuple[Mount, ...]:
    """With the volumes and binds of other containers, "CONTAINER[:ro|rw]", where there are none of its own.

    Raises NotFound, InvalidMount.
    """
    from cowl.container.options import Settings

    found: dict[str, Mount] = {}
    for word in words:
        name, colon, mode = word.partition(":")
        if not name or (colon and mode not in ("ro", "rw", "z", "Z")):
            raise InvalidMount(f"invalid mode for volumes-from: {mode!r}", hint="write CONTAINER[:ro]")
        record = store.containers.find(name)
        for mount in Settings.from_json(record.settings).mounts:
            if mount.kind != TMPFS:
                read_only = mount.read_only or mode == "ro"
                found[mount.target] = mount.replace(read_only=read_only, copy=False, declared=False)
    for mount in own:
        if not (mount.declared and mount.target in found):
            found[mount.target] = mount
    return in_order(found.values())


def claims(mounts: Sequence[Mount]) -> tuple[Claim, ...]:
    """The volumes that a container with these mounts needs."""
    return tuple(
        Claim(mount.source, mount.target, not mount.named) for mount in mounts if mount.kind == VOLUME
    )


def fill_volumes(store: Store, record: ContainerRecord, mounts: Sequence[Mount]) -> None:
    """Gives the empty ones among a new container's volumes what its image has at their targets.

    Raises VolumeRefused where the image has no directory, or leads to a place that it has no say in;
    VolumeDamaged, StoreFull.
    """
    view = store.view(record.layer_keys)
    for mount in mounts:
        if mount.kind != VOLUME:
            continue
        _check_place(view, mount)
        if mount.copy:
            passing = record.auto_remove and not mount.named
            store.volumes.fill(mount.source, view, mount.target, durable=not passing)


def _check_place(view: MergedView, mount: Mount) -> None:
    """Only a caller may say /dev/x, and only by that name."""
    found = view.lookup(mount.target)
    if found is not None and not found.is_directory:
        why = f"it is a {found.kind} in the image"
        raise VolumeRefused(mount.target, why, declared=mount.declared)
    where = view.resolve(mount.target)
    if where != mount.target and (where == "/" or _is_kernels(where)):
        raise VolumeRefused(mount.target, f"the image leads it to {where}", declared=mount.declared)
