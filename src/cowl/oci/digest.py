"""Digests: the hashes that name content, kept apart by type so that they never blur.

OCI image-spec 1.1, descriptor.md "Digests" and config.md "Layer DiffID", "Layer ChainID".
"""

from __future__ import annotations

import re

from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


class InvalidDigest(Invalid):
    """A text that should be `sha256:<64 lowercase hex digits>` is not. Fields: text, why."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"invalid digest {text[:80]!r}: {why}")
        self.text = text
        self.why = why


class Sha256(str):
    """`sha256:<64 lowercase hex digits>`; safe in a file name or URL. Make one with `parse` or `of`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that `text` spells; raises InvalidDigest for anything else, sha512 included."""
        if not _FORM.fullmatch(text):
            raise InvalidDigest(text, _why(text))
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Self:
        """The hash of `data`."""
        from hashlib import sha256  # loads OpenSSL, 3 ms, and a container start hashes nothing

        return cls("sha256:" + sha256(data).hexdigest())

    @classmethod
    def of_hash(cls, hexdigest: str) -> Self:
        """From what a finished hashlib.sha256 gives as `hexdigest()`."""
        return cls.parse("sha256:" + hexdigest)

    @property
    def hex(self) -> str:
        """The 64 hex digits without the algorithm."""
        return self[7:]


class Digest(Sha256):
    """Hash of bytes as they are stored or sent: a blob, a manifest, an image config (an image's ID)."""

    __slots__ = ()


class DiffId(Sha256):
    """Hash of a layer's uncompressed tar."""

    __slots__ = ()


class ChainId(Sha256):
    """Hash of a stack of diff_ids, bottom first."""

    __slots__ = ()


# What a base layer lies on. Not of the spec: it keys a layer that means something else on other layers.
NO_LAYERS = ChainId("sha256:" + "0" * 64)


def chain_id(diff_ids: Iterable[DiffId]) -> ChainId:
    """ChainID of the layers, bottom first; raises ValueError when there are none."""
    chain = ""
    for diff_id in diff_ids:
        chain = Sha256.of(f"{chain} {diff_id}".encode()) if chain else diff_id
    if not chain:
        raise ValueError("a chain needs at least one diff_id")
    return ChainId(chain)


def _why(text: str) -> str:
    algorithm, colon, rest = text.partition(":")
    if not colon:
        return "it lacks the algorithm, as in sha256:..."
    if algorithm != "sha256":
        return f"the algorithm {algorithm[:20]!r} is not supported, only sha256"
    if len(rest) != 64:
        return f"sha256 has 64 hex digits, not {len(rest)}"
    return "only the digits 0-9 and a-f may follow sha256:"
