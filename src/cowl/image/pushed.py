"""What a push stored at a registry."""

from __future__ import annotations

from cowl.value import Value


class Pushed(Value):
    """One name, and the manifest that it has there now.

    reference   in full, with its tag
    digest      "sha256:..." of the manifest
    size_bytes  of the manifest
    """

    reference: str
    digest: str
    size_bytes: int
