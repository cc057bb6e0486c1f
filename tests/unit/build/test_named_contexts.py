"""Named contexts: what a value means, which names find it."""

from __future__ import annotations

import os

import pytest

from cowl.build.named_contexts import BadContext, NamedContexts, absolute_context, parse_context


@pytest.mark.parametrize(
    ("value", "kind", "target", "within"),
    [
        ("/a/b", "directory", "/a/b", ""),
        ("/a/../b/", "directory", "/b", ""),
        ("docker-image://alpine:3", "image", "alpine:3", ""),
        ("oci-layout:///l", "layout", "/l", ""),
        ("oci-layout:///l:v1", "layout", "/l", "v1"),
        ("oci-layout:///l:v/x", "layout", "/l:v/x", ""),
        ("oci-layout:///l@sha256:ab", "layout", "/l", "sha256:ab"),
        ("https://example.org/a.git#v1:d", "directory", "https://example.org/a.git#v1:d", ""),
        ("git@example.org:a", "directory", "git@example.org:a", ""),
    ],
)
def test_values(value: str, kind: str, target: str, within: str) -> None:
    found = parse_context("name", value)
    assert (found.kind, found.target, found.within) == (kind, target, within)


@pytest.mark.parametrize(
    ("name", "asked", "found"),
    [
        ("alpine", "alpine", True),
        ("alpine", "alpine:latest", True),
        ("alpine", "docker.io/library/alpine", True),
        ("alpine:latest", "alpine", True),
        ("Build", "build", True),
        ("alpine", "alpine:3", False),
        ("alpine", "no/such image", False),
    ],
)
def test_names(name: str, asked: str, found: bool) -> None:
    assert (NamedContexts(((name, "/"),)).find(asked) is not None) == found


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("", "/", "must be that of an image or stage"),
        ("a b", "/", "must be that of an image or stage"),
        ("a", "", "no value"),
    ],
)
def test_what_is_no_context(name: str, value: str, said: str) -> None:
    with pytest.raises(BadContext, match=said):
        parse_context(name, value)


def test_relative_paths_are_those_of_the_caller() -> None:
    assert absolute_context("git@example.org:a") == "git@example.org:a"
    assert absolute_context("x") == f"{os.getcwd()}/x"
    assert absolute_context("oci-layout://x:1") == f"oci-layout://{os.getcwd()}/x:1"
    assert absolute_context("docker-image://x") == "docker-image://x"
