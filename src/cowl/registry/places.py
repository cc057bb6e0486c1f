"""Places: where the images of a repository may be had, in the order in which they are tried.

containers-registries.conf(5), version 2, and the mirrors and insecure registries of Config.
"""

from __future__ import annotations

import os
import re
import tomllib

from cowl.errors import Denied, Invalid
from cowl.http.origin import Origin, is_loopback, split_host
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.config import Config
    from cowl.oci.reference import Reference

HUB = "docker.io"
HUB_HOST = "registry-1.docker.io"
_HUB_NAMES = (HUB, "index.docker.io", HUB_HOST)
_LOCATION = re.compile(r"(?:https?://)?[A-Za-z0-9.\[\]:_-]+(?:/[a-z0-9._/-]*)?")
_ALL, _BY_DIGEST, _BY_TAG = "all", "digest-only", "tag-only"


class InvalidRegistriesFile(Invalid):
    """registries.conf can't be read as version 2 of its format."""


class RegistryBlocked(Denied):
    """The configuration forbids the registry or repository."""


class Place(Value):
    """One registry that may have a repository.

    netloc    host[:port] as configured; docker.io for Docker Hub
    path      the repository's path there
    insecure  plain HTTP and unverified TLS are allowed
    plain     only plain HTTP is spoken (a mirror given as http://)
    mirror    whether it stands in for the registry that the reference names
    """

    netloc: str
    path: str
    insecure: bool = False
    plain: bool = False
    mirror: bool = False

    @property
    def origins(self) -> tuple[Origin, ...]:
        """What to try, in order: https; after it plain http only where that is allowed, never on 443."""
        host, port = split_host(HUB_HOST if self.netloc in _HUB_NAMES else self.netloc)
        host = host.lower()
        secure = Origin("https", host, 443 if port is None else port)
        open_text = Origin("http", host, 80 if port is None else port)
        if self.plain:
            return (open_text,)
        if port == 443 or not (self.insecure or is_loopback(host)):
            return (secure,)
        return (secure, open_text)

    @property
    def verify(self) -> bool:
        """Whether the registry's own certificate must be trusted."""
        return not (self.insecure or is_loopback(split_host(self.netloc)[0]))


class Mirror(Value):
    """A stand-in for a registry. `pull` is all, digest-only or tag-only."""

    location: str
    insecure: bool = False
    pull: str = _ALL


class Rule(Value):
    """One [[registry]] table: what holds for the repositories under `prefix`."""

    prefix: str
    location: str
    insecure: bool = False
    blocked: bool = False
    mirrors: tuple[Mirror, ...] = ()


def places_for(reference: Reference, config: Config) -> tuple[Place, ...]:
    """The places to try for `reference`: mirrors of Config, mirrors of registries.conf, the registry.

    Raises InvalidRegistriesFile, RegistryBlocked.
    """
    rule = _rule_for(reference, read_rules(config.registries_file))
    if rule.blocked:
        raise RegistryBlocked(f"registry {rule.prefix} is blocked in {config.registries_file}")
    repository = reference.repository
    rest = repository[_prefix_length(rule.prefix, reference) :]
    wanted = (_ALL, _BY_DIGEST if reference.digest else _BY_TAG)
    mirrors = [
        _place(location, repository[len(upstream) :], False, config, True)
        for upstream, location in config.mirrors
        if _covers(upstream, repository)
    ]
    mirrors += [
        _place(mirror.location, rest, mirror.insecure, config, True)
        for mirror in rule.mirrors
        if mirror.pull in wanted
    ]
    return (*mirrors, _place(rule.location, rest, rule.insecure, config, False))


def read_rules(path: str) -> tuple[Rule, ...]:
    """The [[registry]] tables of `path` and of the files in `path`.d; () for "".

    Raises InvalidRegistriesFile.
    """
    if not path:
        return ()
    rules: dict[str, Rule] = {}
    for name in (path, *_drop_ins(f"{path}.d")):
        rules.update((rule.prefix, rule) for rule in _parse(name))
    return tuple(rules.values())


def _drop_ins(directory: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".conf"))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names]


def _parse(path: str) -> list[Rule]:
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except (OSError, ValueError) as problem:
        raise InvalidRegistriesFile(f"can't read {path}: {problem}") from problem
    if isinstance(document.get("registries"), dict):
        raise InvalidRegistriesFile(
            f"{path}: version 1 of the format is not supported", hint="write [[registry]] tables instead"
        )
    return [_rule(path, table) for table in _tables(path, document, "registry")]


def _rule(path: str, table: dict[str, Any]) -> Rule:
    prefix = _text(path, table, "prefix")
    location = _text(path, table, "location") or prefix
    if not location or (location.startswith("*.") and not prefix):
        raise InvalidRegistriesFile(f"{path}: a [[registry]] needs a location")
    only_digest = _flag(path, table, "mirror-by-digest-only")
    mirrors = tuple(_mirror(path, entry, only_digest) for entry in _tables(path, table, "mirror"))
    return Rule(
        prefix or location, location, _flag(path, table, "insecure"), _flag(path, table, "blocked"), mirrors
    )


def _mirror(path: str, table: dict[str, Any], only_digest: bool) -> Mirror:
    location = _text(path, table, "location")
    pull = _text(path, table, "pull-from-mirror") or (_BY_DIGEST if only_digest else _ALL)
    if not location or pull not in (_ALL, _BY_DIGEST, _BY_TAG):
        raise InvalidRegistriesFile(
            f"{path}: a mirror needs a location; pull-from-mirror is all, digest-only or tag-only"
        )
    return Mirror(location, _flag(path, table, "insecure"), pull)


def _tables(path: str, table: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InvalidRegistriesFile(f"{path}: write [[{name}]], an array of tables")
    return found


def _text(path: str, table: dict[str, Any], name: str) -> str:
    value = table.get(name, "")
    if not isinstance(value, str):
        raise InvalidRegistriesFile(f"{path}: {name} must be a string")
    return value.rstrip("/")


def _flag(path: str, table: dict[str, Any], name: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise InvalidRegistriesFile(f"{path}: {name} must be true or false")
    return value


def _rule_for(reference: Reference, rules: tuple[Rule, ...]) -> Rule:
    """The rule with the longest prefix; without one the reference's own domain."""
    fitting = [rule for rule in rules if _prefix_length(rule.prefix, reference)]
    own = Rule(reference.domain, reference.domain)
    best = max(fitting, key=lambda rule: _prefix_length(rule.prefix, reference), default=own)
    return best.replace(location=reference.domain) if best.location.startswith("*.") else best


def _prefix_length(prefix: str, reference: Reference) -> int:
    """How many characters of the repository `prefix` covers; 0 if it does not fit.

    A prefix may also name a tag or digest, as in containers-registries.conf(5); it then covers the
    whole repository.
    """
    if prefix.startswith("*."):
        return len(reference.domain) if reference.domain.endswith(prefix[1:]) else 0
    if _covers(prefix, reference.repository):
        return len(prefix)
    return len(reference.repository) if prefix in (str(reference), reference.repository) else 0


def _covers(prefix: str, repository: str) -> bool:
    return repository == prefix or repository.startswith(f"{prefix}/")


def _place(location: str, rest: str, insecure: bool, config: Config, mirror: bool) -> Place:
    """The place for the repository `location` + `rest`."""
    if not _LOCATION.fullmatch(location):
        raise InvalidRegistriesFile(f"not a registry's location: {location[:200]!r}")
    plain = location.startswith("http://")
    bare = location.removeprefix("http://").removeprefix("https://")
    netloc, _, path = (bare.rstrip("/") + rest).partition("/")
    allowed = insecure or plain or netloc in config.insecure or split_host(netloc)[0] in config.insecure
    return Place(netloc, path, allowed, plain, mirror)
