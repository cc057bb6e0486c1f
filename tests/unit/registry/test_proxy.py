"""Proxies: which requests go through one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.registry.fake_registry import FakeRegistry

from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.registry.client import Client
from cowl.registry.origin import Origin
from cowl.registry.proxy import InvalidProxy, proxy_for

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


@pytest.mark.usefixtures("names")
def test_a_plain_request_goes_through_the_proxy(
    registry: FakeRegistry, client: Callable[..., Client]
) -> None:
    manifest, _ = registry.add_image("app", "1", [b"layer"])
    proxy = f"http://user:pw@{registry.netloc}"
    registry.answers["http://far.test:5000/v2/app/manifests/1"] = registry.answers["/v2/app/manifests/1"]
    made = client(proxies=(("http", proxy),), mirrors=(("far.test:5000", "http://far.test:5000"),))
    resolved = made.resolve(Reference.parse("far.test:5000/app:1"), Platform.host())
    assert resolved.manifest == manifest
    assert registry.seen[0].headers["proxy-authorization"].startswith("Basic ")
