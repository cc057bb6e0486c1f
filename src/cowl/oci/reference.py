"""References: the names of images, normalised as Docker normalises them.

Grammar: distribution's reference package; `node:14` is docker.io/library/node:14.
"""

from __future__ import annotations

import re

from cowl.errors import Invalid
from cowl.oci.digest import Digest, InvalidDigest
from cowl.value import Value

DOCKER_HUB = "docker.io"
DEFAULT_TAG = "latest"
_MAX_PATH = 255

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127}")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")


class InvalidReference(Invalid):
    """A text is not the name of an image. Fields: text, why."""

    def __init__(self, text: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"invalid reference format {text[:300]!r}: {why}", hint=hint)
        self.text = text
        self.why = why


class Reference(Value):
    """The name of an image: registry, repository, and a tag or a digest or both or neither.

    domain  registry host[:port], docker.io for Docker Hub
    path    repository on it, with library/ for Docker Hub's official images
    tag     "" if none
    digest  of a manifest or index, or None
    """

    domain: str
    path: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference that `text` spells, without a default tag. InvalidReference says why it is none."""
        if _IMAGE_ID.fullmatch(text):
            raise InvalidReference(text, "64 hex digits are an image ID, not a name")
        rest, digest = _split_digest(text)
        name, tag = _split_tag(text, rest)
        domain, path = _split_domain(name)
        _check_domain(text, domain)
        _check_path(text, path)
        if domain == "index.docker.io":
            domain = DOCKER_HUB
        if domain == DOCKER_HUB and "/" not in path:
            path = f"library/{path}"
        return cls(domain, path, tag, digest)

    def with_default_tag(self) -> Reference:
        """This reference, with the tag `latest` if it has neither tag nor digest."""
        return self if self.tag or self.digest else self.replace(tag=DEFAULT_TAG)

    def with_tag(self, tag: str) -> Reference:
        """The same repository under another tag, without a digest. Raises InvalidReference."""
        if not _TAG.fullmatch(tag):
            raise InvalidReference(tag, _why_tag(tag))
        return self.replace(tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository by digest alone: what Docker shows as a repo digest."""
        return self.replace(tag="", digest=digest)

    @property
    def repository(self) -> str:
        """`docker.io/library/node`"""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_repository(self) -> str:
        """`node`: the shortest text that parses to the same repository."""
        if self.domain != DOCKER_HUB:
            return self.repository
        short = self.path.removeprefix("library/")
        if "/" not in short:
            return short
        return self.path if _split_domain(self.path)[0] == DOCKER_HUB else self.repository

    @property
    def familiar(self) -> str:
        """`node:14`, as Docker shows it."""
        return self.familiar_repository + self._suffix()

    def __str__(self) -> str:
        return self.repository + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def familiar_name(canonical: str) -> str:
    """`Reference.parse(canonical).familiar` of a canonical text, mostly without parsing it."""
    if not canonical.startswith(f"{DOCKER_HUB}/"):
        return canonical
    short = canonical.removeprefix(f"{DOCKER_HUB}/library/")
    return short if short != canonical and "/" not in short else Reference.parse(canonical).familiar


def _split_digest(text: str) -> tuple[str, Digest | None]:
    rest, at, digest = text.partition("@")
    if not at:
        return rest, None
    try:
        return rest, Digest.parse(digest)
    except InvalidDigest as problem:
        raise InvalidReference(text, str(problem)) from problem


def _split_tag(text: str, rest: str) -> tuple[str, str]:
    """Split name:tag; a colon before the last slash is a port's."""
    colon = rest.rfind(":")
    if colon < 0 or "/" in rest[colon:]:
        return rest, ""
    tag = rest[colon + 1 :]
    if not _TAG.fullmatch(tag):
        raise InvalidReference(text, _why_tag(tag))
    return rest[:colon], tag


def _split_domain(name: str) -> tuple[str, str]:
    """Docker's rule: the first component is a host if it has a dot, colon or capital, or is localhost."""
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first or first.lower() != first):
        return first, rest
    return DOCKER_HUB, name


def _check_domain(text: str, domain: str) -> None:
    if not _DOMAIN.fullmatch(domain):
        raise InvalidReference(text, f"{domain!r} is not a registry's host name")


def _check_path(text: str, path: str) -> None:
    if _PATH.fullmatch(path):
        if len(path) > _MAX_PATH:
            raise InvalidReference(text, f"repository name is longer than {_MAX_PATH} characters")
        return
    if not path:
        raise InvalidReference(text, "the repository name is empty")
    if _PATH.fullmatch(path.lower()):
        raise InvalidReference(
            text,
            f"repository name ({path}) must be lowercase",
            hint=f"did you mean {text.replace(path, path.lower(), 1)}?",
        )
    raise InvalidReference(
        text,
        f"{path!r} may hold a-z and 0-9 with single '.', '_', '__' or '-' between them, and '/'",
    )


def _why_tag(tag: str) -> str:
    if not tag:
        return "the tag is empty"
    if len(tag) > 128:
        return "the tag is longer than 128 characters"
    return f"the tag {tag!r} may hold letters, digits, '_', '.' and '-', and not start with '.' or '-'"
