"""Masking: values of variables that must not be kept for explanations, replaced by a mark."""

from __future__ import annotations

from cowl.build.plan import PROXIES

_TELLING = (
    "apikey", "api_key", "auth", "credential", "passphrase", "passwd", "password", "private_key",
    "pword", "secret", "token", "access_key", "_pat",
)  # fmt: skip
_MARK = "\0masked:"


def is_sensitive(name: str) -> bool:
    """Whether a variable of that name may hold a secret or the user and password of a proxy."""
    low = name.lower()
    return low in PROXIES or any(part in low for part in _TELLING)


def masked(name: str, value: str) -> str:
    """`value`, or a mark in its place: 32 bits tell that it changed, and are too few to find it by."""
    if not is_sensitive(name):
        return value
    from hashlib import sha256

    return _MARK + sha256(f"{name}\0{value}".encode(errors="surrogateescape")).hexdigest()[:8]


def is_mark(value: object) -> bool:
    """Whether `masked` made it."""
    return isinstance(value, str) and value.startswith(_MARK)
