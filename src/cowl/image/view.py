"""An image as users see it: a frozen view over its config and its layers' rows."""

from __future__ import annotations

from cowl.image.document import ConfigDocument
from cowl.oci.reference import Reference
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.image.history import HistoryRow
    from cowl.oci.image_config import ImageConfig
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer


class Image(Value):
    """A read-only image. Two views of one image are equal; changing an image gives another one.

    id            "sha256:..." of its config (OCI image spec: ImageID)
    references    canonical names, sorted
    repo_digests  canonical "repository@sha256:..." names it was pulled by
    created       RFC 3339, as its config says it, or ""
    created_at    seconds since the epoch when it came into this store
    document      its config as stored
    layers        the layers, base first
    """

    id: str
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    created: str
    created_at: float
    document: ConfigDocument
    layers: tuple[Layer, ...]

    def __repr__(self) -> str:
        return f"Image(id={self.id!r}, references={self.references!r}, size_bytes={self.size_bytes})"

    @property
    def config(self) -> ImageConfig:
        """The whole OCI image config. Raises InvalidImageConfig."""
        return self.document.config

    @property
    def size_bytes(self) -> int:
        """Apparent size, as Docker's SIZE: the sum of the layers; a shared one counts in each image."""
        return sum([layer.size_bytes for layer in self.layers])

    @property
    def architecture(self) -> str:
        """GOARCH name, as the config says it."""
        return self.config.architecture

    @property
    def os(self) -> str:
        """GOOS name, as the config says it."""
        return self.config.os

    @property
    def tags(self) -> tuple[str, ...]:
        """The names as Docker shows them: "node:14" for "docker.io/library/node:14"."""
        return tuple(Reference.parse(name).familiar for name in self.references)

    def history(self) -> tuple[HistoryRow, ...]:
        """One row per history entry, newest first, with the layer that it added, if any."""
        from cowl.image.history import history_rows

        return history_rows(self.id, self.config, self.layers)

    def stands_on(self, other: Image) -> bool:
        """Whether it is the other one, or was built on it: layers and history begin with the other's.

        Raises InvalidImageConfig for one that has the same layers.
        """
        own, below = ([layer.key for layer in image.layers] for image in (self, other))
        if self.id == other.id or (below and len(own) > len(below) and own[: len(below)] == below):
            return True
        history, past = self.config.history, other.config.history
        return own == below and len(history) > len(past) and history[: len(past)] == past

    def told(self) -> tuple[str, ...]:
        """The created_by of each layer, base first; "" of those that the history does not mention."""
        made = (row.created_by for row in reversed(self.history()) if not row.empty_layer)
        return (*made, *([""] * len(self.layers)))[: len(self.layers)]

    def attrs(self) -> dict[str, Any]:
        """The JSON value of `docker image inspect`."""
        from cowl.image.attrs import image_attrs

        return image_attrs(self)


def image_view(record: ImageRecord) -> Image:
    """The view of a store row; its config is parsed when it is looked into."""
    return Image(
        id=str(record.id),
        references=record.references,
        repo_digests=record.repo_digests,
        created=record.created,
        created_at=record.created_at,
        document=ConfigDocument(record.config_bytes),
        layers=record.layers,
    )
