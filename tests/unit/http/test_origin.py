"""Origins and challenges: what hostile texts are taken for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.http.origin import InvalidUrl, Origin, is_link_local, is_loopback, split_host
from cowl.registry.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://q.io/v2/x?y#z", Origin("https", "q.io", 443)),
        ("HTTPS://Q.IO", Origin("https", "q.io", 443)),
        ("https://q.io:443", Origin("https", "q.io", 443)),
        ("http://q.io:443", Origin("http", "q.io", 443)),
        ("http://[::1]:5000/", Origin("http", "[::1]", 5000)),
        ("https://q.io\\@evil.io/", Origin("https", "q.io", 443)),
    ],
)
def test_an_origin_is_what_urllib3_would_connect_to(url: str, origin: Origin) -> None:
    try:
        assert Origin.of(url) == origin
    except InvalidUrl:
        assert "\\" in url  # refused is as good


@pytest.mark.parametrize(
    "url", ["", "q.io", "//q.io", "file:///x", "http:///x", "http://", "https://u:p@q.io", "http://[::1"]
)  # fmt: skip
def test_anything_else_is_no_url(url: str) -> None:
    with pytest.raises(InvalidUrl):
        Origin.of(url)


@given(st.text(max_size=40) | st.text(max_size=30).map(lambda text: f"https://{text}"))
def test_any_text_is_an_origin_or_refused(text: str) -> None:
    try:
        origin = Origin.of(text)
    except InvalidUrl:
        return
    assert origin.scheme in ("http", "https")
    is_loopback(origin.host)
    is_link_local(origin.host)


@pytest.mark.parametrize(
    ("host", "loopback", "link_local"),
    [
        ("localhost", True, False),
        ("LocalHost", True, False),
        ("127.0.0.1", True, False),
        ("127.255.0.1", True, False),
        ("127.1", True, False),
        ("2130706433", True, False),
        ("0x7f000001", True, False),
        ("017700000001", True, False),
        ("0.0.0.0", True, False),
        ("[::1]", True, False),
        ("[::]", True, False),
        ("[::ffff:127.0.0.1]", True, False),
        ("169.254.169.254", False, True),
        ("0xa9fea9fe", False, True),
        ("[fe80::1%25eth0]", False, True),
        ("[::ffff:a9fe:a9fe]", False, True),
        ("10.0.0.1", False, False),
        ("q.io", False, False),
        ("localhost.q.io", False, False),
        ("", False, False),
    ],
)
def test_addresses_in_every_spelling(host: str, loopback: bool, link_local: bool) -> None:
    assert (is_loopback(host), is_link_local(host)) == (loopback, link_local)


def test_hosts_and_ports() -> None:
    assert split_host("q.io:5000") == ("q.io", 5000)
    assert split_host("q.io") == ("q.io", None)
    assert split_host("[::1]:5000") == ("[::1]", 5000)
    assert split_host("[::1]") == ("[::1]", None)


def test_challenges() -> None:
    header = 'Bearer realm="https://a/t",service="s, t",scope="x \\"y\\"", Basic realm=plain , Negotiate'
    assert parse_challenges(header) == (
        Challenge("bearer", (("realm", "https://a/t"), ("service", "s, t"), ("scope", 'x "y"'))),
        Challenge("basic", (("realm", "plain"),)),
        Challenge("negotiate"),
    )
    assert parse_challenges('Bearer realm="a",realm="b"')[0].get("realm") == "a"
    assert parse_challenges("") == ()


@given(st.text(alphabet='aB=",\\ \t1-', max_size=200) | st.text(max_size=100))
def test_any_header_is_read_to_some_end(header: str) -> None:
    parse_challenges(header)


def test_a_long_header_costs_no_time() -> None:
    parse_challenges('Bearer a="' + "\\" * 1_000_000)
    parse_challenges("a=" * 1_000_000)
