"""The engine's calls about images."""

from __future__ import annotations

import time

from cowl.engine.view import view
from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from cowl.image.history import HistoryRow
    from cowl.image.squashed import Squashed
    from cowl.image.view import Image
    from cowl.store.image_record import ImageSummary


class ImageCalls(Wiring):
    """See Engine."""

    def pull(self, reference: str, *, platform: str = "") -> Image:
        """Fetches an image from its registry; every byte is verified before it is believed."""
        from cowl.oci.platform import Platform

        wanted = Platform.parse(platform) if platform else None
        return view(self._resolve(reference, wanted, always=True))

    def import_image(
        self,
        source: BinaryIO,
        reference: str = "",
        *,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str = "",
    ) -> Image:
        """A root file system's tar (also compressed) to an image of one layer, as `docker import`."""
        from cowl.oci.platform import Platform
        from cowl.oci.reference import Reference
        from cowl.transfer.import_tar import import_tar

        return view(
            import_tar(
                source,
                reference=Reference.parse(reference).with_default_tag() if reference else None,
                changes=tuple(changes),
                message=message,
                platform=Platform.parse(platform) if platform else None,
                store=self.store,
                emit=self._emit,
                clock=time.time,
            )
        )

    def squash(self, name: str, *, first: int = 1, last: int = 0, tag: str = "") -> Squashed:
        """A range of an image's layers as one, without what later ones overwrote or deleted: a new image.

        first, last  numbers of layers, 1 at the bottom; `last` 0 is the topmost
        tag          a name for the new image, which has none otherwise
        The old image stays, and so does the step cache. Raises NotFound, Invalid for no range of layers.
        """
        from cowl.image.squashed import Squashed
        from cowl.oci.reference import Reference
        from cowl.transfer.squash_image import squash_image

        reference = Reference.parse(tag).with_default_tag() if tag else None
        record, *figures = squash_image(self.store, name, first, last, reference, time.time)
        return Squashed(view(record), *figures)

    def images(self) -> list[Image]:
        """All images, newest first."""
        return [view(record) for record in self.store.images.list()]

    def image_summaries(self) -> list[ImageSummary]:
        """The same in short, newest first: what a list shows, without reading any config or layer."""
        return list(self.store.images.summaries())

    def image(self, name: str) -> Image:
        """By reference, ID or unambiguous ID prefix. Raises NotFound, Conflict."""
        return view(self.store.images.find(name))

    def image_ids(self, names: Iterable[str]) -> dict[str, str]:
        """The ID of the image that `image` would find, by name; names that find none are left out."""
        return self.store.images.ids(names)

    def history(self, name: str) -> tuple[HistoryRow, ...]:
        """`Image.history` with who shares each layer, and the lines of the Dockerfile. Raises NotFound."""
        from cowl.image.history import with_sharers

        image = self.image(name)
        sharers = self.store.sharers(image.id)
        return with_sharers(image.history(), sharers, self.store.images.built(image.id))

    def has_image(self, name: str) -> bool:
        """Whether the store has an image of that name or ID; cheaper than `image`. Raises Conflict."""
        from cowl.errors import NotFound

        try:
            self.store.images.find(name)
        except NotFound:
            return False
        return True

    def tag(self, source: str, target: str) -> None:
        """Points the reference `target` to the image `source`, away from what it named before."""
        from cowl.oci.reference import Reference

        image = self.store.images.find(source)
        self.store.images.tag(image.id, Reference.parse(target).with_default_tag())
