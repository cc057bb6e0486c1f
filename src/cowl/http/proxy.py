"""Proxies: which one a request goes through, by the usual http_proxy, https_proxy and no_proxy."""

from __future__ import annotations

import ipaddress

from cowl.errors import Invalid
from cowl.http.origin import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.http.origin import Origin


class InvalidProxy(Invalid):
    """A proxy's address can't be used."""


def proxy_for(origin: Origin, proxies: Mapping[str, str]) -> str:
    """The proxy's URL for a request to `origin`, "" for none; loopback is never proxied.

    `proxies` has the keys http, https and no. A proxy without a scheme is http. Raises InvalidProxy.
    """
    proxy = proxies.get(origin.scheme, "").strip()
    if not proxy or is_loopback(origin.host) or _excepted(origin, proxies.get("no", "")):
        return ""
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise InvalidProxy(
            f"the {origin.scheme} proxy is neither http nor https", hint="SOCKS proxies are not supported"
        )
    return proxy


def _excepted(origin: Origin, exceptions: str) -> bool:
    return any(_matches(origin, word.strip().lower()) for word in exceptions.split(",") if word.strip())


def _matches(origin: Origin, word: str) -> bool:
    if word == "*":
        return True
    host, colon, port = word.rpartition(":")
    if colon and port.isdecimal() and not host.endswith(":"):
        if int(port) != origin.port:
            return False
        word = host
    if "/" in word:
        return _in_network(origin.host, word)
    name = word.removeprefix("*").removeprefix(".").strip("[]")
    bare = origin.host.strip("[]")
    return bare.endswith(f".{name}") or (bare == name and not word.startswith("."))


def _in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
