"""Canonical references cut into the parts that Docker's columns show."""

from __future__ import annotations


def familiar(reference: str) -> str:
    """ "node:14" for "docker.io/library/node:14": the shortest text that means the same."""
    path = reference.removeprefix("docker.io/")
    if path == reference:
        return reference
    short = path.removeprefix("library/")
    if "/" not in short:
        return short
    return reference if _is_domain(path.partition("/")[0]) else path


def canonical(familiar_name: str) -> str:
    """The inverse of `familiar`: "docker.io/library/node:14" for "node:14"."""
    domain, slash, _ = familiar_name.partition("/")
    if slash and _is_domain(domain):
        return familiar_name
    return f"docker.io/{familiar_name}" if slash else f"docker.io/library/{familiar_name}"


def _is_domain(text: str) -> bool:
    return "." in text or ":" in text or text == "localhost"


def lacks_tag(reference: str) -> bool:
    """Whether a reference as typed names neither a tag nor a digest, so that `latest` is meant."""
    _, tag, digest = split(reference)
    return not tag and not digest


def split(reference: str) -> tuple[str, str, str]:
    """(repository, tag, digest) of a reference; what it lacks is ""."""
    name, _, digest = reference.partition("@")
    slash = name.rfind("/")
    colon = name.find(":", slash + 1)
    return (name, "", digest) if colon < 0 else (name[:colon], name[colon + 1 :], digest)
