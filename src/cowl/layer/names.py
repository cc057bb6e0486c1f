"""Names in a layer's tar: made plain, and those that mean something else than a file told apart. Pure."""

from __future__ import annotations

from cowl.layer.tar_fields import BadLayer
from cowl.layer.whiteout import PREFIX, RESERVED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.limits import Limits

_NAME_BYTES = 255  # NAME_MAX


def plain(name: bytes, limits: Limits) -> bytes:
    """The path without "/" at its ends, "", "." and ".."; b"" for the root. Raises BadLayer.

    As Docker does, a leading "/" is dropped and "a/../b" is b. What leads above the root is refused.
    """
    path = name[2:] if name.startswith(b"./") else name
    if path.endswith(b"/"):
        path = path[:-1]
    if not path or path[0] in b"./" or b"//" in path or b"/." in path:
        path = _cleaned(name)
    if len(path) > limits.path_bytes:
        raise BadLayer(name, f"its name has more than {limits.path_bytes} bytes")
    if path.count(b"/") >= limits.depth:
        raise BadLayer(name, f"it lies more than {limits.depth} directories deep")
    if len(path) > _NAME_BYTES and any(len(part) > _NAME_BYTES for part in path.split(b"/")):
        raise BadLayer(name, f"a part of its name has more than {_NAME_BYTES} bytes")
    return path


def _cleaned(name: bytes) -> bytes:
    if not name:
        raise BadLayer(name, "an entry has no name")
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise BadLayer(name, "its name leads out of the layer")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


def is_reserved(path: bytes) -> bool:
    """Whether it is bookkeeping of aufs, which Docker ignores too (not the mark of an opaque directory)."""
    return path.startswith(RESERVED) or b"/" + RESERVED in path


def hidden_name(base: bytes, entry: bytes) -> bytes:
    """What the whiteout `base` hides in its directory. Raises BadLayer."""
    name = base[len(PREFIX) :]
    if name in (b"", b".", b".."):
        raise BadLayer(entry, "it is a whiteout of no file")
    return name


def check_parents(parent: bytes, entry: bytes) -> None:
    """Refuses directories that have the name of a whiteout. Raises BadLayer."""
    if parent.startswith(PREFIX) or b"/" + PREFIX in parent:
        raise BadLayer(entry, "it lies below a whiteout")
