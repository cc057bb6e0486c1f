"""What a load brought."""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.image.view import Image


class Loaded(Value):
    """An image, and the names that it has by this load, as Docker shows them: none if it came without."""

    image: Image
    names: tuple[str, ...]
