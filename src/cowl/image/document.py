"""An image's config as it lies in the store, parsed when it is first looked into."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.oci.image_config import ImageConfig


class ConfigDocument:
    """The bytes of a config. Equal to others of the same bytes.

    Whoever goes through a thousand images looks into few of them: to parse and check all of each config
    takes a fifth of a second.
    """

    __slots__ = ("_config", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._config: ImageConfig | None = None

    @property
    def config(self) -> ImageConfig:
        """The parsed config. Raises InvalidImageConfig."""
        if self._config is None:
            from cowl.oci.image_config import ImageConfig

            self._config = ImageConfig.parse(self.raw)
        return self._config

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, ConfigDocument) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)
