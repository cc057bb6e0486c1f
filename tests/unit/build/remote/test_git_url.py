"""Addresses of git repositories: BuildKit's forms, and what no address may do (threat 19)."""

from __future__ import annotations

import pytest

from cowl.build.remote.git_url import BadGitUrl, GitUrl, is_commit, parse_git_url

COMMIT = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://example.com/", None),
        ("https://example.com/foo", None),
        ("https://example.com/foo.git", GitUrl("https://example.com/foo.git")),
        ("https://example.com/foo.git/", None),
        ("https://example.com/foo.git.bar", None),
        ("http://example.com/foo.git", GitUrl("http://example.com/foo.git")),
        ("https://example.com/foo.git#v1", GitUrl("https://example.com/foo.git", "v1")),
        ("https://example.com/foo.git#release/1.2", GitUrl("https://example.com/foo.git", "release/1.2")),
        ("https://example.com/foo.git#a/b:c/d", GitUrl("https://example.com/foo.git", "a/b", "c/d")),
        ("https://example.com/foo.git#:d", GitUrl("https://example.com/foo.git", "", "d")),
        ("https://example.com/foo.git#v1:/d/./e/", GitUrl("https://example.com/foo.git", "v1", "d/e")),
        ("http://example.com/foo.git:#branch", None),
        ("git://example.com/foo", GitUrl("git://example.com/foo")),
        ("ssh://git@example.com:22/a/b.git#x", GitUrl("ssh://git@example.com:22/a/b.git", "x")),
        ("git@github.com:moby/buildkit", GitUrl("git@github.com:moby/buildkit")),
        ("git@github.com:moby/buildkit.git#v1:d", GitUrl("git@github.com:moby/buildkit.git", "v1", "d")),
        ("github.com/moby/buildkit", None),
        ("custom.xyz/moby/buildkit.git", None),
        ("./.git", None),
        (".git", None),
        ("a.txt", None),
        ("ext::sh -c date", None),
        ("file:///etc/x.git", None),
        ("https://x/a.git?ref=v1&subdir=/d", GitUrl("https://x/a.git", "v1", "d")),
        ("https://x/a.git?tag=v1", GitUrl("https://x/a.git", "refs/tags/v1")),
        ("https://x/a.git?branch=b", GitUrl("https://x/a.git", "refs/heads/b")),
        ("https://x/a.git?branch=refs/heads/b", GitUrl("https://x/a.git", "refs/heads/b")),
        ("https://x/a.git?ref=v1#v1", GitUrl("https://x/a.git", "v1")),
        (f"https://x/a.git?commit={COMMIT}", GitUrl("https://x/a.git", COMMIT, commit=COMMIT)),
        ("https://x/a.git?checksum=0123#v1", GitUrl("https://x/a.git", "v1", commit="0123")),
        ("https://x/a.git?keep-git-dir", GitUrl("https://x/a.git", keep_git_dir=True)),
        ("https://x/a.git?keep-git-dir=0", GitUrl("https://x/a.git", keep_git_dir=False)),
        ("https://x/a.git?submodules=false", GitUrl("https://x/a.git", submodules=False)),
        ("git@x:a.git?tag=v1", GitUrl("git@x:a.git", "refs/tags/v1")),
        ("https://[::1]:8443/a.git", GitUrl("https://[::1]:8443/a.git")),
    ],
)
def test_forms(text: str, found: GitUrl | None) -> None:
    assert parse_git_url(text) == found


def test_a_context_may_be_short() -> None:
    found = GitUrl("https://github.com/a/b", "v1", "d")
    assert parse_git_url("github.com/a/b#v1:d", context=True) == found
    assert parse_git_url("github.com/a/b.git", context=True) == GitUrl("https://github.com/a/b.git")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("git@x:--upload-pack=touch${IFS}/x", "begins with a dash"),
        ("git@-oProxyCommand:a", "begins with a dash"),
        ("-x@y:a", "begins with a dash"),
        ("ssh://-oProxyCommand=x/a", "its host is none"),
        ("ssh://-l@x/a", "names no repository"),
        ("git://x/", "names no repository"),
        ("git:///a", "its host is none"),
        ("https://x/a b.git", "blanks or control characters"),
        ("https://x:99999/a.git", "it is no URL"),
        ("https://x/a.git#--upload-pack=x", "can be no branch"),
        ("https://x/a.git#a..b", "can be no branch"),
        ("https://x/a.git#a b", "can be no branch"),
        ("https://x/a.git#a%0Ab", "can be no branch"),
        ("https://x/a.git#+refs/heads/*", "can be no branch"),
        ("https://x/a.git#@{-1}", "can be no branch"),
        ("https://x/a.git#v1:../..", "leads out of the repository"),
        ("https://x/a.git?subdir=a/../../b", "leads out of the repository"),
        ("https://x/a.git#v1:.git/hooks", "is git's own"),
        ("https://x/a.git#v1:a/.GIT", "is git's own"),
        ("https://x/a.git?ref=a#b", "ref conflicts"),
        ("https://x/a.git?tag=a&branch=b", "ref conflicts"),
        ("https://x/a.git?subdir=a#v:b", "subdir conflicts"),
        ("https://x/a.git?other=a", "unexpected query"),
        ("https://x/a.git?ref=", "no value"),
        ("https://x/a.git?ref=a&ref=b", "several values"),
        ("https://x/a.git?commit=xyz", "no beginning of a commit ID"),
        ("https://x/a.git?submodules=maybe", "is no value for"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadGitUrl) as caught:
        parse_git_url(text)
    assert why in caught.value.message


def test_secrets_are_never_shown() -> None:
    url = parse_git_url("https://user:canary@x/a.git#v1")
    assert url is not None
    assert url.secret == "user:canary"
    assert url.shown == "https://x/a.git"
    token = parse_git_url("https://canary@x/a.git")
    assert token is not None
    assert token.secret == "canary"
    user = parse_git_url("ssh://git@x/a.git")
    assert user is not None
    assert user.secret == ""
    with pytest.raises(BadGitUrl) as caught:
        parse_git_url("https://user:canary@x/a.git?nope=1")
    assert "canary" not in caught.value.message


def test_names() -> None:
    for text in ("https://x/a/b.git", "git@x:b.git", "git://x/b", "ssh://x/a/b/"):
        found = parse_git_url(text)
        assert found is not None
        assert found.name == "b"


def test_commits() -> None:
    assert is_commit(COMMIT)
    assert not is_commit(COMMIT[1:])
    assert not is_commit("main")
