"""Globs against the documented behaviour of Go's filepath.Match."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.dockerfile.globs import BadGlob, has_wildcards, match, split_wildcards

MATCHES = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "ab/c", False),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("[a-ζ]*", "α", True),
    ("*[a-ζ]", "A", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    ("a[^b]c", "a/c", True),
    ("[\\]a]", "]", True),
    ("[\\-x]", "-", True),
    ("[x\\-]", "z", False),
    ("[z-a]", "m", False),
    ("[^z-a]", "m", True),
    ("*x", "xxx", True),
    ("**", "a/b", False),
    ("a\nb*", "a\nbc", True),
    ("[[]", "[", True),
]


@pytest.mark.parametrize(("pattern", "path", "expected"), MATCHES)
def test_match(pattern: str, path: str, expected: bool) -> None:
    assert match(pattern, path) is expected


BAD = ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a[", "[]", "a/b[", "[a\\"]


@pytest.mark.parametrize("pattern", BAD)
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(BadGlob) as caught:
        match(pattern, "x")
    assert caught.value.pattern == pattern


def test_wildcards_in_a_path() -> None:
    assert [has_wildcards(p) for p in ("a", "a*", "a?", "[a]", "\\*", "\\\\*", "")] == [
        *(False, True, True, True, False, True, False)
    ]
    assert split_wildcards("a/b/*.c/d") == ("a/b", "*.c/d")
    assert split_wildcards("*.c") == ("", "*.c")
    assert split_wildcards("/a/b") == ("/a/b", "")


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_agrees_with_fnmatch_where_both_mean_the_same(pattern: str, path: str) -> None:
    assert match(pattern, path) is fnmatch.fnmatchcase(path, pattern)


@given(st.text(alphabet="ab*?[]^-\\/", max_size=16), st.text(alphabet="ab/", max_size=16))
def test_both_engines_agree(pattern: str, path: str) -> None:
    """One star more, before what can't occur in the path, sends a pattern to the other engine."""
    try:
        plain = match(pattern, path)
    except BadGlob:
        return
    assert match(f"{pattern}|*|*|*|", f"{path}||||") is plain
