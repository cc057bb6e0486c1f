"""Origins: the scheme, host and port that credentials belong to, and the addresses that are off limits."""

from __future__ import annotations

import ipaddress
import socket

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from cowl.errors import Denied, Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}


class InvalidUrl(Invalid):
    """An address that is no http or https URL. Field: url."""

    def __init__(self, url: str) -> None:
        super().__init__(f"not an http or https URL: {url[:200]!r}")
        self.url = url


class ForbiddenTarget(Denied):
    """A server tried to send cowl where it has no business. Fields: source, target, why."""

    def __init__(self, source: Origin, target: Origin, why: str) -> None:
        super().__init__(f"{source.netloc} points to {target}: refused, {why}")
        self.source = source
        self.target = target
        self.why = why


class Origin(Value):
    """Where a request goes. `host` is lower case, an IPv6 address in brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an absolute URL, parsed as urllib3 will when it connects. Raises InvalidUrl."""
        try:
            parts = parse_url(url)
        except LocationParseError as problem:
            raise InvalidUrl(url) from problem
        scheme = (parts.scheme or "").lower()
        if scheme not in _PORTS or not parts.host or parts.auth is not None:
            raise InvalidUrl(url)
        port = _PORTS[scheme] if parts.port is None else parts.port
        return cls(scheme, parts.host.lower(), port)

    @property
    def netloc(self) -> str:
        """host, or host:port where the port is not the scheme's own."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def split_host(netloc: str) -> tuple[str, int | None]:
    """Split host[:port]; an IPv6 address stays in its brackets."""
    host, colon, port = netloc.rpartition(":")
    if colon and port.isdecimal() and not host.endswith(":"):
        return host, int(port)
    return netloc, None


def is_loopback(host: str) -> bool:
    """Whether `host` is localhost, 127.0.0.0/8, ::1 or the unspecified address."""
    if host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_link_local(host: str) -> bool:
    """Whether `host` is a literal address in 169.254.0.0/16 or fe80::/10, where clouds keep credentials."""
    address = _address(host)
    return address is not None and address.is_link_local


def check_target(source: Origin, target: Origin) -> None:
    """Refuse to go from `source` to `target` when told so by `source`. Raises ForbiddenTarget.

    Plain text after TLS, link-local addresses, and this machine's loopback when the source is not
    on it: none of them is where a server of others keeps what it offers.
    """
    if source.scheme == "https" and target.scheme == "http":
        raise ForbiddenTarget(source, target, "since that would leave TLS for plain text")
    if source.host == target.host:
        return
    if is_link_local(target.host):
        raise ForbiddenTarget(source, target, "a link-local address")
    if is_loopback(target.host) and not is_loopback(source.host):
        raise ForbiddenTarget(source, target, "an address of this machine's own")


def _address(host: str) -> Address | None:
    """The address that `host` literally is, in any spelling that the resolver takes (127.1, 0x7f000001)."""
    bare = host.strip("[]").partition("%")[0]
    try:
        address: Address = ipaddress.ip_address(bare)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(bare))
        except (OSError, ValueError):
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
