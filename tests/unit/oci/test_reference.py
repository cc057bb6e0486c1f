"""References: Docker's normalisation and its refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.oci.digest import Digest
from cowl.oci.reference import InvalidReference, Reference

D = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "canonical", "familiar"),
    [
        ("node", "docker.io/library/node", "node"),
        ("node:14", "docker.io/library/node:14", "node:14"),
        ("library/node:14", "docker.io/library/node:14", "node:14"),
        ("docker.io/node", "docker.io/library/node", "node"),
        ("index.docker.io/library/node", "docker.io/library/node", "node"),
        ("bitnami/redis:7", "docker.io/bitnami/redis:7", "bitnami/redis:7"),
        ("a/b/c", "docker.io/a/b/c", "a/b/c"),
        ("docker.io/foo.bar/baz", "docker.io/foo.bar/baz", "docker.io/foo.bar/baz"),
        ("localhost/x", "localhost/x", "localhost/x"),
        ("localhost:5000/x:1", "localhost:5000/x:1", "localhost:5000/x:1"),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"),
        ("[::1]:5000/a:b", "[::1]:5000/a:b", "[::1]:5000/a:b"),
        ("ghcr.io/o/r:T_a.g-1", "ghcr.io/o/r:T_a.g-1", "ghcr.io/o/r:T_a.g-1"),
        ("HOST/x", "HOST/x", "HOST/x"),
        (f"node@{D}", f"docker.io/library/node@{D}", f"node@{D}"),
        (f"node:14@{D}", f"docker.io/library/node:14@{D}", f"node:14@{D}"),
        ("a__b/c--d/e.f:1", "docker.io/a__b/c--d/e.f:1", "a__b/c--d/e.f:1"),
    ],
)
def test_names_are_normalised_as_docker_does(text: str, canonical: str, familiar: str) -> None:
    reference = Reference.parse(text)
    assert str(reference) == canonical
    assert reference.familiar == familiar
    assert Reference.parse(canonical) == reference
    assert Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("Node", "must be lowercase"),
        ("localhost:5000/Foo", "must be lowercase"),
        ("a:", "tag is empty"),
        ("a:-b", "the tag '-b'"),
        ("a:" + "t" * 129, "128"),
        ("a//b", "may hold"),
        ("a/../b", "may hold"),
        ("../x", "host name"),
        ("a/", "may hold"),
        ("/a", "may hold"),
        ("x/" + "a" * 256, "255"),
        ("-a", "may hold"),
        ("a b", "may hold"),
        ("a\n", "may hold"),
        ("-bad.host/x", "host name"),
        ("ho_st:80/x", "host name"),
        ("user@host.io/x", "lacks the algorithm"),
        ("a@sha256:../x", "64 hex digits"),
        ("a@sha512:" + "a" * 128, "sha512"),
        ("f" * 64, "image ID"),
        ("ünicode", "may hold"),
    ],
)
def test_what_docker_refuses_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert why in caught.value.message


def test_a_capital_brings_a_suggestion_that_leaves_the_tag_alone() -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse("localhost:5000/Foo:RC1")
    assert caught.value.hint == "did you mean localhost:5000/foo:RC1?"


def test_the_default_tag_comes_only_on_request() -> None:
    assert Reference.parse("node").tag == ""
    assert Reference.parse("node").with_default_tag().tag == "latest"
    assert Reference.parse("node:14").with_default_tag().tag == "14"
    assert Reference.parse(f"node@{D}").with_default_tag().tag == ""


def test_repositories() -> None:
    reference = Reference.parse("node:14")
    assert reference.repository == "docker.io/library/node"
    assert reference.familiar_repository == "node"
    assert str(reference.with_digest(Digest.parse(D))) == f"docker.io/library/node@{D}"
    assert str(reference.with_tag("15")) == "docker.io/library/node:15"
    with pytest.raises(InvalidReference):
        reference.with_tag("a b")


@given(st.text(alphabet="aZ09./:@_-[]é \n", max_size=30))
def test_any_text_parses_or_is_refused_and_what_parses_is_stable(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference
    assert ".." not in reference.path.split("/")
