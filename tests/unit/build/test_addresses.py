"""Which texts name a place elsewhere."""

from __future__ import annotations

import pytest

from cowl.build.addresses import is_remote


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        (".", False),
        ("/a:b@c", False),
        ("./a@b:c", False),
        ("a@b", False),
        ("a:b@c", False),
        ("@b:c", False),
        ("a@:c", False),
        ("docker-image://a@b:c", False),
        ("file:///a", False),
        ("ext::sh -c date", False),
        ("git@host:a.git", True),
        ("user@host:a", True),
        ("https://host/a", True),
        ("http://host/a", True),
        ("git://host/a", True),
        ("ssh://git@host/a", True),
        ("github.com/a/b", True),
        ("github.com", False),
    ],
)
def test_is_remote(text: str, remote: bool) -> None:
    assert is_remote(text) is remote
