"""Registries behind a proxy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.registry.fake_registry import FakeRegistry

from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.registry.client import Client


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
