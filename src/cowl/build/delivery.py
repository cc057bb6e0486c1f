"""Delivery: what happens to an image when its last step is done. Its outputs know more than this room.

`build` neither imports registries nor archives: whoever calls it hands in what it needs of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.steps import BuiltStep

    class Delivery(Protocol):
        """Where the image goes. All is called on the thread that builds, while its layers are kept alive."""

        @property
        def wants_layers(self) -> bool:
            """Whether `deliver` or `published` reads layers, so that a cached build has to hold them."""
            ...

        @property
        def keeps_image(self) -> bool:
            """Whether the image comes into the store."""
            ...

        def bring(self, key: str, layers: Sequence[Layer]) -> tuple[str, str] | None:
            """Looks for a step in the caches that the user named; `layers` are those below it, base first.

            One that is found is put into the store, and (the key that it has there, the cache's name)
            given.
            """
            ...

        def config(self, raw: bytes, steps: Sequence[BuiltStep]) -> bytes:
            """The image's config, perhaps with the cache of `steps` in it."""
            ...

        def deliver(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:
            """Called before the image is published: what fails here publishes nothing."""
            ...

        def close(self) -> None:
            """Called when the build has ended, well or not."""
            ...

        def published(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:
            """Called when the image stands in the store, or would."""
            ...


class IntoStore:
    """The delivery of a plain build: an image in the store, and no cache but the store's own."""

    wants_layers = False
    keeps_image = True

    def bring(self, key: str, layers: Sequence[Layer]) -> tuple[str, str] | None:  # noqa: ARG002
        """Nothing is ever found."""
        return None

    def config(self, raw: bytes, steps: Sequence[BuiltStep]) -> bytes:  # noqa: ARG002
        """As it is."""
        return raw

    def deliver(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def published(self, image: ImageRecord, steps: Sequence[BuiltStep]) -> None:
        """Nothing."""
