"""URLs of ADD: what is said of them, and what they may not hold. Pure."""

from __future__ import annotations

from posixpath import basename
from urllib.parse import unquote, urlsplit

from cowl.errors import Invalid

_UNNAMED = "__unnamed__"  # as BuildKit has it
_NAME_BYTES = 255


class CredentialsInUrl(Invalid):
    """A URL with a user name or password in it. Field: url (without them)."""

    def __init__(self, url: str) -> None:
        self.url = shown(url)
        super().__init__(
            f"{self.url} is given with a user name or password, which the image's history would show",
            hint="fetch it in a RUN with --mount=type=secret",
        )


def shown(url: str) -> str:
    """A URL for messages: without user, password, query and fragment, any of which may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url[:80].partition("?")[0].rpartition("@")[2]
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:300]


def file_name(url: str) -> str:
    """The name that a file from a URL has in a directory: the last part of its path."""
    name = basename(unquote(urlsplit(url).path, errors="surrogateescape").rstrip("/"))
    if name in ("", ".", "..") or "\0" in name or len(name.encode(errors="surrogateescape")) > _NAME_BYTES:
        return _UNNAMED
    return name


def has_user(url: str) -> bool:
    """Whether it names a user, perhaps with a password. False for what is no URL."""
    try:
        return urlsplit(url).username is not None
    except ValueError:
        return False
