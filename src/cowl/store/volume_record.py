"""A volume as it is known by name, and what can be wrong with the one that was asked for."""

from __future__ import annotations

import re

from cowl.errors import Conflict, Corrupt, Invalid, NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NAME_BYTES = 200  # a directory's name has 255, and in the trash it bears more
_FORM = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"  # two characters at least, as Docker


class NoSuchVolume(NotFound):
    """No volume has that name. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No such volume: {name}", hint="`cowl volume ls` lists them")
        self.name = name


class InvalidVolumeName(Invalid):
    """A volume can't be called that. Field: name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} can't be the name of a volume: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed,"
            f" 2 to {NAME_BYTES} of them",
            hint="for a directory of the host give its absolute path" if "/" in name else "",
        )
        self.name = name


class VolumeInUse(Conflict):
    """Containers, running or not, have the volume. Fields: name, container_ids."""

    def __init__(self, name: str, container_ids: Sequence[str]) -> None:
        super().__init__(
            f"remove {name}: volume is in use - [{', '.join(each[:12] for each in container_ids)}]",
            hint="remove these containers first",
        )
        self.name = name
        self.container_ids = tuple(container_ids)


class VolumeDamaged(Corrupt):
    """The files of a volume are not where they belong. Fields: name, path."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(
            f"the files of the volume {name} are gone: there is no directory {path}",
            hint=f"put them back, or forget the volume with `cowl volume rm {name}`",
        )
        self.name = name
        self.path = path


class VolumeRecord(Value):
    """A volume as the store holds it.

    anonymous   it has a made-up name, and nobody has asked for it by that: it may go with its container
    created_at  seconds since the epoch, like last_used
    path        absolute, of the directory that containers see
    containers  IDs of those that have it, running or not
    """

    name: str
    anonymous: bool
    labels: tuple[tuple[str, str], ...]
    created_at: float
    last_used: float
    path: str
    containers: tuple[str, ...]


class Claim(Value):
    """A container's wish for a volume: made if it is missing. `target` is where the container has it."""

    name: str
    target: str
    anonymous: bool = False


def check_volume_name(name: str) -> str:
    """The name. Raises InvalidVolumeName."""
    if not re.fullmatch(_FORM, name) or len(name) > NAME_BYTES:
        raise InvalidVolumeName(name)
    return name
