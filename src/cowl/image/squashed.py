"""What a squash made of an image."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.image.view import Image


class Squashed(Value):
    """The new image, and what it is smaller.

    layers                 of the old image, that became one
    saved_bytes            apparent: the size of these less that of the one
    saved_allocated_bytes  the same on disk; nothing of it is free before the old image is removed
    """

    image: Image
    layers: int
    saved_bytes: int
    saved_allocated_bytes: int
