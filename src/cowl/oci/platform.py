"""Platforms: which system and processor an image is for, and which of them a machine can run."""

from __future__ import annotations

import os
import re

from cowl.errors import Invalid
from cowl.value import Value

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "aarch64_be": ("arm64be", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv5l": ("arm", "v5"),
    "armv6l": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v8"),
    "loongarch64": ("loong64", ""),
}
# The variant that a name without one means; it is written as "".
_BASE_VARIANT = {"amd64": "v1", "arm64": "v8"}
_ARM = ("v8", "v7", "v6", "v5")
_AMD64 = ("v4", "v3", "v2")


class InvalidPlatform(Invalid):
    """A text that should be os/architecture[/variant] is not. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(f"invalid platform {text[:80]!r}", hint="write os/architecture, such as linux/arm64")
        self.text = text


class Platform(Value):
    """Operating system and processor in Go's words (GOOS, GOARCH), normalised.

    `variant` is "" for the base of an architecture (amd64/v1, arm64/v8); `arm` always has one.
    OCI image-spec 1.1, image-index.md "platform".
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def make(cls, os: str, architecture: str, variant: str = "", os_version: str = "") -> Platform:
        """The normalised platform: x86_64 is amd64, aarch64 is arm64, arm is arm/v7."""
        architecture = architecture.lower()
        architecture, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
        variant = (variant or implied).lower()
        if variant.isdigit():
            variant = f"v{variant}"
        if architecture == "arm" and not variant:
            variant = "v7"
        if variant == _BASE_VARIANT.get(architecture):
            variant = ""
        return cls(os.lower(), architecture, variant, os_version)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """`os/architecture[/variant]`; an architecture alone means linux. Raises InvalidPlatform."""
        parts = text.split("/")
        if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
            raise InvalidPlatform(text)
        if len(parts) > 1:
            return cls.make(*parts)
        if text.lower() == "linux":
            return cls.host()
        return cls.make("linux", text)

    @classmethod
    def host(cls) -> Platform:
        """What this machine's kernel runs natively."""
        return cls.make("linux", os.uname().machine)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def preference(self, offered: Platform) -> int | None:
        """How well a machine of this platform runs `offered`: 0 is best, None is not at all."""
        if offered.os != self.os:
            return None
        try:
            return _runnable(self.architecture, self.variant).index((offered.architecture, offered.variant))
        except ValueError:
            return None

    def matches(self, offered: Platform) -> bool:
        """Whether a machine of this platform runs `offered`."""
        return self.preference(offered) is not None


def _runnable(architecture: str, variant: str) -> list[tuple[str, str]]:
    """(architecture, variant) pairs that such a processor runs, best first."""
    if architecture == "arm" and variant in _ARM:
        return [("arm", older) for older in _ARM[_ARM.index(variant) :]]
    if architecture == "arm64":
        newer = [(architecture, variant)] if variant else []
        return [*newer, ("arm64", ""), *(("arm", older) for older in _ARM)]
    if architecture == "amd64":
        older = _AMD64[_AMD64.index(variant) :] if variant in _AMD64 else ()
        return [*(("amd64", level) for level in older), ("amd64", ""), ("386", "")]
    return [(architecture, variant)]
