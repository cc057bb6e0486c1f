"""Addresses: which texts name a place elsewhere, where a directory may stand too. Pure."""

from __future__ import annotations

_PREFIXES = ("http://", "https://", "git://", "ssh://", "github.com/")


def is_remote(text: str) -> bool:
    """Whether it is a URL, or a git repository as `user@host:path` or `github.com/a/b`."""
    if text.startswith(_PREFIXES):
        return True
    user, at, rest = text.partition("@")
    host, colon, _ = rest.partition(":")
    return bool(at and colon and user and host) and "/" not in user + host
