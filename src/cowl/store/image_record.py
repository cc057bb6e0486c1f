"""The record of an image, whole and in short, and what can be wrong with the one that was asked for."""

from __future__ import annotations

from cowl.errors import Invalid, NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.oci.digest import Digest
    from cowl.store.layers import Layer


class NoSuchImage(NotFound):
    """No image goes by that name or ID. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"No such image: {text}", hint="`cowl images` lists what is there, `cowl pull` gets more"
        )
        self.text = text


class ReservedName(Invalid):
    """`scratch` is the empty image of every Dockerfile: no other can have that name. Field: reference."""

    def __init__(self, reference: str) -> None:
        super().__init__("'scratch' is a reserved name", hint="call the image something else")
        self.reference = reference


class UnhashedLayer(Invalid):
    """A layer that was never hashed can't be an image's: its config has to name it. Field: key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the layer {key[:12]} has no diff_id yet: an image can't stand on it")
        self.key = key


class AmbiguousId(Invalid):
    """The beginning of an ID that several images have. Fields: text, count."""

    def __init__(self, text: str, count: int) -> None:
        super().__init__(f"Multiple IDs found with provided prefix: {text}", hint="give more of its digits")
        self.text = text
        self.count = count


class ImageRecord(Value):
    """An image as the store holds it.

    id            digest of the config, which is `config_bytes`
    layers        bottom first
    references    canonical names with tag, sorted
    repo_digests  canonical names with the digest of the manifest that it was pulled by, sorted
    created       when it was made, as its config says it, or ""
    created_at    when it came into this store, last_used: both in seconds since the epoch
    """

    id: Digest
    config_bytes: bytes
    created: str
    layers: tuple[Layer, ...]
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    created_at: float
    last_used: float

    @property
    def layer_keys(self) -> tuple[str, ...]:
        """The keys of the layers, bottom first."""
        return tuple(layer.key for layer in self.layers)


class ImageSummary(Value):
    """What lists show of an image.

    id            "sha256:..." of its config
    created       RFC 3339, as its config says it, or ""
    references    canonical names with tag, sorted; repo_digests: those it was pulled by
    created_at    when it came into this store, last_used: both in seconds since the epoch
    size_bytes    apparent, of all its layers: a shared one counts in each image
    """

    id: str
    created: str
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    created_at: float
    last_used: float
    size_bytes: int
