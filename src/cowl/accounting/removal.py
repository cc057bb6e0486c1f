"""Removal: what a plan says goes, what it says stays and why, and how many bytes come free. Values."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.errors import Conflict
    from cowl.store.apply import Receipt


class Gone(Value):
    """An object that goes. Of an image, a snapshot or a step all bytes are in its layers.

    kind       "image", "container", "snapshot", "volume", "step", "failed" or "cache"
    id         its ID, key or name
    names      as users know it; a step's instruction
    own_bytes  on disk, of its own directory
    """

    kind: str
    id: str
    names: tuple[str, ...]
    own_bytes: int = 0


class GoneLayer(Value):
    """A layer that goes with the objects.

    users        the names of the objects of the plan that stand on it
    frees_bytes  on disk: an inode that it shares with another layer counts with the last of them to go
    """

    key: str
    diff_id: str
    users: tuple[str, ...]
    frees_bytes: int


class Stay(Value):
    """Something that was asked for, or stands in touch with what goes, and stays.

    kind             as in Gone, or "layers"
    names            of the object; of layers the beginnings of their keys
    why              in words
    needed_by        who needs it, by kind and name: "container web"
    allocated_bytes  on disk, of layers that stay; 0 else
    """

    kind: str
    names: tuple[str, ...]
    why: str
    needed_by: tuple[str, ...] = ()
    allocated_bytes: int = 0


class RemovalPlan(Value):
    """What a removal would do: a value that can be shown, kept and applied.

    objects    what goes, in the order of removal
    untags     names that images lose, of images that go and of those that stay
    layers     what goes with the objects
    frees      bytes on disk that come free, exactly: a function of the set of objects
    stays      what was asked for, or stands in touch with what goes, and stays
    refusals   why some of what was asked for by name may not go; `apply` raises the first of them
    exact      False while a running container is to be killed: it may still write
    carry_out  does exactly this; see `apply`
    """

    objects: tuple[Gone, ...]
    untags: tuple[str, ...]
    layers: tuple[GoneLayer, ...]
    frees: int
    stays: tuple[Stay, ...]
    refusals: tuple[Conflict, ...]
    exact: bool
    carry_out: Callable[[], Receipt]

    @property
    def is_empty(self) -> bool:
        """Whether nothing would go, not even a name."""
        return not (self.objects or self.untags)

    def apply(self) -> Receipt:
        """Does exactly this, as one transaction, and tells what it did and what came free, as measured.

        Raises the first of `refusals`; StoreChanged when the store is not any more as the plan saw it,
        and then nothing was removed. A second call finds the objects gone and raises StoreChanged.
        """
        if self.refusals:
            raise self.refusals[0]
        return self.carry_out()

    def as_dict(self) -> dict[str, Any]:
        """The plan as values that JSON knows."""
        return {
            "objects": [each.as_dict() for each in self.objects],
            "untags": list(self.untags),
            "layers": [each.as_dict() for each in self.layers],
            "frees_bytes": self.frees,
            "exact": self.exact,
            "stays": [each.as_dict() for each in self.stays],
            "refused": [refusal.message for refusal in self.refusals],
        }
