"""Proxies: which requests go through one."""

from __future__ import annotations

import pytest

from cowl.http.origin import Origin
from cowl.http.proxy import InvalidProxy, proxy_for

PROXY = {"https": "http://proxy.test:3128", "http": "proxy.test:8080"}


@pytest.mark.parametrize(
    ("url", "exceptions", "proxied"),
    [
        ("https://q.io", "", True),
        ("https://q.io", "*", False),
        ("https://q.io", "q.io", False),
        ("https://a.q.io", "q.io", False),
        ("https://a.q.io", ".q.io", False),
        ("https://q.io", ".q.io", True),
        ("https://aq.io", "q.io", True),
        ("https://q.io:5000", "q.io:443", True),
        ("https://q.io:5000", "q.io:5000", False),
        ("https://10.1.2.3", "10.0.0.0/8", False),
        ("https://11.1.2.3", "10.0.0.0/8", True),
        ("https://q.io", "10.0.0.0/8, , x.io", True),
        ("https://[fd00::1]", "fd00::/8", False),
        ("https://localhost:5000", "", False),
        ("http://127.0.0.1", "", False),
    ],
)
def test_who_is_proxied(url: str, exceptions: str, proxied: bool) -> None:
    found = proxy_for(Origin.of(url), {**PROXY, "no": exceptions})
    assert bool(found) is proxied


def test_a_proxy_without_scheme_is_http() -> None:
    assert proxy_for(Origin.of("http://q.io"), PROXY) == "http://proxy.test:8080"
    with pytest.raises(InvalidProxy):
        proxy_for(Origin.of("http://q.io"), {"http": "socks5://x"})
