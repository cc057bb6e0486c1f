"""What a container is to have put into it besides its volumes: tmpfs, mounts in full, devices."""

from __future__ import annotations

from cowl.container.words import InvalidOptions, as_words, check_text, label_pairs
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Pairs: TypeAlias = "tuple[tuple[str, str], ...]"


class Fixtures(Value):
    """As the caller wrote it.

    tmpfs         "TARGET[:option,...]" words, as `docker run --tmpfs`
    mounts        the fields of a `docker run --mount` each
    devices       "HOST[:CONTAINER[:rwm]]" words
    volumes_from  "CONTAINER[:ro]" words
    storage_opt   (name, value), as `docker run --storage-opt`
    """

    tmpfs: tuple[str, ...] = ()
    mounts: tuple[Pairs, ...] = ()
    devices: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    storage_opt: Pairs = ()


def make_fixtures(
    *,
    tmpfs: Sequence[str] = (),
    mounts: Sequence[Mapping[str, str | bool]] = (),
    devices: Sequence[str] = (),
    volumes_from: Sequence[str] = (),
    storage_opt: Mapping[str, str] | Sequence[str] = (),
) -> Fixtures:
    """The keywords of `Engine.start` as a value. Raises InvalidOptions."""
    if hasattr(mounts, "items") or isinstance(mounts, str):
        raise InvalidOptions("mounts is one mount, where a list of them belongs", hint="mounts=[{...}]")
    found = Fixtures(
        as_words("tmpfs", tmpfs),
        tuple(_pairs(mount) for mount in mounts),
        as_words("devices", devices),
        as_words("volumes_from", volumes_from),
        label_pairs(storage_opt),
    )
    if found.storage_opt:
        from cowl.container.size_limit import size_bytes

        size_bytes(found.storage_opt)
    for word in (*found.tmpfs, *found.devices, *found.volumes_from):
        check_text(word)
    return found


def _pairs(mount: Mapping[str, str | bool]) -> Pairs:
    if not hasattr(mount, "items"):
        raise InvalidOptions(
            f"a mount is a mapping, not {mount!r}",
            hint='write {"type": "bind", "source": "/a", "target": "/b"}',
        )
    pairs = tuple((key, _text(value)) for key, value in mount.items())
    for key, value in pairs:
        check_text(key + value)
    return pairs


def _text(value: str | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
