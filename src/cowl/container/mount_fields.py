"""The fields of --mount to a mount, by Docker's rules. Pure."""

from __future__ import annotations

from cowl.container.mounts import (
    BIND,
    CONSISTENCIES,
    PROPAGATIONS,
    TMPFS,
    VOLUME,
    InvalidMount,
    Mount,
    clean_target,
)
from cowl.container.tmpfs import size_text, tmpfs_options
from cowl.store.volume_record import check_volume_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_OTHER_TYPES = ("npipe", "cluster", "image")
_ALIASES = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}
_REFUSED = ("volume-label", "volume-opt")
_KEYS = {
    BIND: ("bind-propagation", "bind-nonrecursive", "bind-recursive"),
    VOLUME: ("volume-nocopy", "volume-subpath", "volume-driver"),
    TMPFS: ("tmpfs-size", "tmpfs-mode"),
}
_RECURSIVE = ("enabled", "disabled", "writable", "readonly")


def parse_fields(pairs: Iterable[tuple[str, str]]) -> Mount:
    """One mount. Of a key that comes twice the last value holds. Raises InvalidMount and other Invalid.

    `consistency` is looked at and means nothing, as in Docker on Linux.
    """
    fields = {_ALIASES.get(key.lower(), key.lower()): value for key, value in pairs}
    kind = fields.pop("type", VOLUME).lower()
    if kind in _OTHER_TYPES:
        raise InvalidMount(f"mounts of type {kind} are not supported by this version of cowl")
    if kind not in _KEYS:
        raise InvalidMount(f"mount type unknown: {kind!r}", hint="there are bind, volume and tmpfs")
    _check_keys(fields, kind)
    target = fields.get("target", "")
    if not target:
        raise InvalidMount("target is required", hint="add target=/path/in/the/container")
    where = clean_target(target, target)
    read_only = _truth(fields, "readonly")
    if fields.get("consistency", "default") not in (*CONSISTENCIES, "default"):
        raise InvalidMount(f"invalid consistency {fields['consistency']!r}")
    return {BIND: _bind, VOLUME: _volume, TMPFS: _tmpfs}[kind](fields, where, read_only)


def _check_keys(fields: dict[str, str], kind: str) -> None:
    for key in fields:
        if key in ("source", "target", "readonly", "consistency") or key in _KEYS[kind]:
            continue
        if key in _REFUSED:
            raise InvalidMount(
                f"{key} is not supported by this version of cowl",
                hint="cowl volume create --label makes a volume with labels; its driver has no options",
            )
        prefix = key.partition("-")[0]
        if prefix in _KEYS and any(key in keys for keys in _KEYS.values()):
            raise InvalidMount(f"cannot mix '{prefix}-*' options with mount type '{kind}'")
        raise InvalidMount(f"unexpected key {key!r}", hint=f"type={kind} has {', '.join(_KEYS[kind])}")


def _bind(fields: dict[str, str], target: str, read_only: bool) -> Mount:
    source = fields.get("source", "")
    if not source:
        raise InvalidMount("field Source must not be empty", hint="add source=/path/on/the/host")
    if not source.startswith("/"):
        raise InvalidMount(f"invalid mount path: {source!r} mount path must be absolute")
    propagation = fields.get("bind-propagation", "")
    if propagation and propagation not in PROPAGATIONS:
        raise InvalidMount(
            f"invalid propagation mode: {propagation}", hint=f"it may be {', '.join(PROPAGATIONS)}"
        )
    return Mount(
        BIND, source, target, read_only, propagation=propagation, recursive=_is_recursive(fields, read_only)
    )


def _is_recursive(fields: dict[str, str], read_only: bool) -> bool:
    """Below a read-only bind everything is read-only, as with Docker where the kernel can that."""
    word = fields.get("bind-recursive", "enabled")
    if word not in _RECURSIVE:
        raise InvalidMount(
            f"invalid value for bind-recursive: {word}", hint=f"it may be {', '.join(_RECURSIVE)}"
        )
    if word == "writable":
        raise InvalidMount(
            "bind-recursive=writable is not supported: what lies below a read-only bind is read-only too",
            hint="bind-recursive=disabled leaves the mounts below out",
        )
    if word == "readonly" and not read_only:
        raise InvalidMount(
            "option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction"
        )
    if word == "readonly" and fields.get("bind-propagation", "") != "rprivate":
        raise InvalidMount("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate'")
    return word != "disabled" and not _truth(fields, "bind-nonrecursive")


def _volume(fields: dict[str, str], target: str, read_only: bool) -> Mount:
    source, subpath = fields.get("source", ""), fields.get("volume-subpath", "")
    if fields.get("volume-driver", "local") != "local":
        raise InvalidMount("there is no volume driver but local")
    if source:
        check_volume_name(source)
    if subpath and (subpath.startswith("/") or ".." in subpath.split("/")):
        raise InvalidMount(f"subpath {subpath!r} must be a relative path within the volume")
    if subpath and not source:
        raise InvalidMount("must not set Subpath when using anonymous volumes")
    copy = not _truth(fields, "volume-nocopy") and not subpath
    return Mount(VOLUME, source, target, read_only, copy, named=bool(source), subpath=subpath)


def _tmpfs(fields: dict[str, str], target: str, read_only: bool) -> Mount:
    if fields.get("source"):
        raise InvalidMount("field Source must not be specified", hint="a tmpfs begins empty")
    words = ["ro"] if read_only else []
    if "tmpfs-size" in fields:
        words.append(f"size={size_text(fields['tmpfs-size'], target)}")
    if "tmpfs-mode" in fields:
        words.append(f"mode={fields['tmpfs-mode']}")
    return Mount(TMPFS, "", target, read_only, options=tmpfs_options(words, target))


def _truth(fields: dict[str, str], key: str) -> bool:
    value = fields.get(key, "false")
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise InvalidMount(f"invalid value for {key}: {value}", hint="write true or false")
