"""Descriptors: what a manifest says about a blob before anyone has fetched it."""

from __future__ import annotations

from cowl.errors import Invalid
from cowl.oci.digest import Digest
from cowl.oci.json_object import JsonObject
from cowl.oci.platform import Platform
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class InvalidDescriptor(Invalid):
    """A descriptor in a manifest or index is malformed."""


class Descriptor(Value):
    """Media type, digest and size in bytes of a blob. OCI image-spec 1.1, descriptor.md.

    annotations  sorted pairs
    urls         where else the blob may be had; cowl never follows them
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    urls: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, members: JsonObject) -> Descriptor:
        """Raises InvalidDigest, or the error kind that `members` was made with."""
        media_type = members.text("mediaType")
        if not media_type:
            raise members.wrong("mediaType", "given")
        size = members.integer("size")
        if size is None or size < 0:
            raise members.wrong("size", "a number of bytes")
        return cls(
            media_type,
            Digest.parse(members.text("digest")),
            size,
            _platform(members.child("platform")),
            members.pairs("annotations"),
            members.strings("urls") or (),
        )

    def to_json(self) -> dict[str, Any]:
        """The members in the order in which Docker writes them; empty ones left out."""
        members: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.urls:
            members["urls"] = list(self.urls)
        if self.annotations:
            members["annotations"] = dict(self.annotations)
        if self.platform:
            members["platform"] = _platform_json(self.platform)
        return members


def _platform(members: JsonObject | None) -> Platform | None:
    if members is None:
        return None
    return Platform.make(
        members.text("os"),
        members.text("architecture"),
        members.text("variant"),
        members.text("os.version"),
    )


def _platform_json(platform: Platform) -> dict[str, str]:
    members = {"architecture": platform.architecture, "os": platform.os}
    if platform.os_version:
        members["os.version"] = platform.os_version
    if platform.variant:
        members["variant"] = platform.variant
    return members
