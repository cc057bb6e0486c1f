"""An image's row as its users see it; what that takes is loaded when one is first shown."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.image.view import Image
    from cowl.store.images import ImageRecord


def view(record: ImageRecord) -> Image:
    """The view of a row."""
    from cowl.image.view import image_view

    return image_view(record)
