"""Run settings: what the caller of a build says about its RUNs, beside the Dockerfile."""

from __future__ import annotations

import os
import re

from cowl.build.sizes import parse_size
from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    SecretValue: TypeAlias = "bytes | str | os.PathLike[str]"
    Ulimit: TypeAlias = "int | str | tuple[int, int]"

NETWORK_HOST, INSECURE = "network.host", "security.insecure"
ENTITLEMENTS = (NETWORK_HOST, INSECURE)
SECRET_LIMIT = 500 << 10  # bytes, as in BuildKit
GATEWAY = "host-gateway"
_LIMITS = (
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile"),
    *("nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)
_TOP = (1 << 63) - 1


class InvalidSetting(Invalid):
    """A setting for RUN makes no sense. Field: option, as the API calls it."""

    def __init__(self, option: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{option}: {reason}", hint=hint)
        self.option = option


class SecretUnreadable(Invalid):
    """The value of a secret can't be had. Field: id."""

    def __init__(self, identity: str, reason: str) -> None:
        super().__init__(f"the secret {identity!r} can't be read: {reason}")
        self.id = identity


class Secret(Value):
    """A secret. Its bytes show in no repr."""

    id: str
    data: bytes

    def __repr__(self) -> str:
        return f"Secret(id={self.id!r})"


class Agent(Value):
    """What `RUN --mount=type=ssh,id=...` forwards: the socket of an agent, or the files of keys."""

    id: str
    paths: tuple[str, ...]


class RunSettings(Value):
    """What holds for all RUNs of a build.

    allow      entitlements: "network.host", "security.insecure"
    hosts      (name, address) lines for /etc/hosts; "host-gateway" as address is this machine
    limits     ("RLIMIT_...", soft, hard); -1 is no limit
    shm_bytes  room in /dev/shm, 0 for the usual
    """

    allow: tuple[str, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    limits: tuple[tuple[str, int, int], ...] = ()
    secrets: tuple[Secret, ...] = ()
    shm_bytes: int = 0
    agents: tuple[Agent, ...] = ()

    def secret(self, identity: str) -> Secret | None:
        return next((found for found in self.secrets if found.id == identity), None)

    def agent(self, identity: str) -> Agent | None:
        return next((found for found in self.agents if found.id == identity), None)


def run_settings(
    *,
    add_hosts: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    allow: Iterable[str] = (),
    secrets: Mapping[str, SecretValue] | None = None,
    shm_size: int | str = 0,
    ssh: Mapping[str, str | Sequence[str]] | None = None,
    ulimits: Mapping[str, Ulimit] | None = None,
) -> RunSettings:
    """The settings that the keywords of `Engine.build` say. Reads the files of secrets.

    Raises InvalidSetting, SecretUnreadable.
    """
    pairs = add_hosts.items() if hasattr(add_hosts, "items") else add_hosts
    return RunSettings(
        allow=tuple(map(_entitlement, allow)),
        hosts=tuple(_host(name, address) for name, address in pairs),
        limits=tuple(_limit(name, value) for name, value in (ulimits or {}).items()),
        secrets=tuple(_secret(identity, value) for identity, value in (secrets or {}).items()),
        shm_bytes=_size("shm_size", shm_size),
        agents=tuple(_agent(identity, paths) for identity, paths in (ssh or {}).items()),
    )


def _entitlement(name: str) -> str:
    if name == "device" or name.startswith("device="):
        raise InvalidSetting(
            "allow", f"{name!r} can't be had", "No device of the host can be given to a RUN (CDI)."
        )
    if name not in ENTITLEMENTS:
        raise InvalidSetting("allow", f"unknown entitlement {name!r}", f"It knows {', '.join(ENTITLEMENTS)}.")
    return name


def _host(name: str, address: str) -> tuple[str, str]:
    if not name or re.search(r"[\s#\0]", name):
        raise InvalidSetting("add_hosts", f"{name!r} can't be the name of a host")
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if bare != GATEWAY and not _is_address(bare):
        hint = 'Write name=address, as in db=10.0.0.2, db=[fd00::2] or me="host-gateway".'
        raise InvalidSetting("add_hosts", f"{address!r} is no IP address", hint)
    return name, bare


def _is_address(text: str) -> bool:
    from _socket import AF_INET, AF_INET6, inet_pton

    for family in (AF_INET, AF_INET6):
        try:
            inet_pton(family, text)
        except OSError:
            continue
        return True
    return False


def _limit(name: str, value: Ulimit) -> tuple[str, int, int]:
    if name not in _LIMITS:
        raise InvalidSetting("ulimits", f"unknown limit {name!r}", f"It knows {', '.join(_LIMITS)}.")
    soft, hard = _pair(name, value)
    if not (-1 <= soft <= _TOP and -1 <= hard <= _TOP) or (hard != -1 and (soft == -1 or soft > hard)):
        raise InvalidSetting("ulimits", f"{name}={soft}:{hard}: the soft limit is above the hard one")
    return f"RLIMIT_{name.upper()}", soft, hard


def _pair(name: str, value: Ulimit) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    if isinstance(value, tuple):
        return value
    soft, _, hard = value.partition(":")
    try:
        return int(soft), int(hard or soft)
    except ValueError:
        raise InvalidSetting(
            "ulimits", f"{name}={value} is no limit", "Write name=soft or name=soft:hard, in numbers."
        ) from None


def _size(option: str, value: int | str) -> int:
    try:
        size = parse_size(value) if isinstance(value, str) else value
    except ValueError as problem:
        raise InvalidSetting(option, str(problem)) from None
    if size < 0:
        raise InvalidSetting(option, f"{size} bytes are less than none")
    return size


def _secret(identity: str, value: SecretValue) -> Secret:
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
    elif isinstance(value, bytes):
        data = value
    else:
        data = _read(identity, os.fspath(value))
    if len(data) > SECRET_LIMIT:
        raise SecretUnreadable(identity, f"it is larger than {SECRET_LIMIT >> 10} KiB")
    return Secret(identity, data)


def _read(identity: str, path: str) -> bytes:
    """A file of any kind that gives bytes: `--secret id=x,src=<(command)` is a pipe."""
    try:
        with open(path, "rb") as file:
            return file.read(SECRET_LIMIT + 1)
    except OSError as problem:
        raise SecretUnreadable(identity, f"{path}: {problem.strerror}") from None


def _agent(identity: str, paths: str | Sequence[str]) -> Agent:
    found = (paths,) if isinstance(paths, str) else tuple(paths)
    if not found or not all(found):
        raise InvalidSetting("ssh", f"{identity!r} names neither a socket nor a key file")
    return Agent(identity, tuple(map(os.path.abspath, found)))
