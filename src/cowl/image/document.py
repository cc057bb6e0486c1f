"""An image's config as it lies in the store, parsed when it is first looked into."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.oci.image_config import ImageConfig


class ConfigDocument:
    """The bytes of a config. Equal to others of the same bytes.

    A list of a thousand images shows their age alone: to parse and check all of each config took
    a fifth of a second.
    """

    __slots__ = ("_config", "_created", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._config: ImageConfig | None = None
        self._created: str | None = None

    @property
    def config(self) -> ImageConfig:
        """The parsed config. Raises InvalidImageConfig."""
        if self._config is None:
            from cowl.oci.image_config import ImageConfig

            self._config = ImageConfig.parse(self.raw)
        return self._config

    @property
    def created(self) -> str:
        """RFC 3339, or "" where the config doesn't say when. Raises InvalidImageConfig."""
        if self._created is None:
            try:
                created = json.loads(self.raw).get("created")
            except (ValueError, AttributeError, RecursionError):
                created = None
            self._created = created if isinstance(created, str) and created else self.config.created
        return self._created

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, ConfigDocument) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)
