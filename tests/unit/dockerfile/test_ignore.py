"""The .dockerignore rules: a table of single patterns, of files with `!`, pruning, and the reason given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.ignore import Matcher, parse_ignore

# pattern, path, whether it is excluded
SINGLE = [
    ("**", "file", True),
    ("**/", "dir/file", True),
    ("**/**", "dir/file", True),
    ("dir/**", "dir/file", True),
    ("dir/**", "dir", False),
    ("dir/**", "dir/a/b", True),
    ("**/dir", "dir", True),
    ("**/dir", "a/b/dir", True),
    ("**/dir", "dir/file", True),
    ("**/dir", "adir", False),
    ("**/dir2/*", "dir/dir2/file", True),
    ("**/dir2/**", "dir/dir2/dir3/file", True),
    ("**file", "file", True),
    ("**file", "dir/file", True),
    ("**file", "dir/afile", True),
    ("**file*", "dir/afile", False),
    ("**/file*txt", "dir/dir/file.txt", True),
    ("**/**/*.txt", "dir/dir/file.txt", True),
    ("**/**/*.txt", "file.txt", True),
    ("**/*.txt", "file.txt2", False),
    ("a**/*.txt", "a/dir/dir/file.txt", True),
    ("a**/*.txt", "ab/file.txt", True),
    ("a/*.txt", "a/dir/file.txt", False),
    ("a/*.txt**", "a/file.txt", True),
    ("a[b-d]e", "ace", True),
    ("a[b-d]e", "aae", False),
    ("a[^b-d]e", "aze", True),
    (".*", ".foo", True),
    (".*", "foo", False),
    ("abc.def", "abcZdef", False),
    ("abc?def", "abcZdef", True),
    ("abc?def", "abc/def", False),
    ("**/.foo", "bar.foo", False),
    ("a(b)c/def", "a(b)c/def", True),
    ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "axb", False),
    ("*", "a", True),
    ("*", "a/b", True),
    ("*/b", "a/b", True),
    ("*/b", "b", False),
    ("/a", "a", True),
    ("a/", "a", True),
    ("a/", "a/b", True),
    ("./a", "a", True),
    ("b/../a", "a", True),
    ("//a//b", "a/b", True),
    ("../a", "a", False),
    (".", "a", False),
    ("/", "a", False),
    ("  a b  ", "a b", True),
    ("a\r", "a", True),
    ("a /", "a", True),
    ("a\\\\", "a\\", True),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("[a-ζ]*", "α", True),
    ("*[a-ζ]", "A", False),
    ("[\\]a]", "]", True),
    ("[x\\-]", "-", True),
    ("[x\\-]", "z", False),
    ("[\\-x]", "a", False),
    ("dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", True),
    ("a[b]", "a[b]", False),
    ("a # b", "a", False),
    ("\ufeffa", "a", True),
    ("# a", "# a", False),
    (" # a", "# a", True),
    ("한*", "한국", True),
]


@pytest.mark.parametrize(("pattern", "path", "excluded"), SINGLE)
def test_single_pattern(pattern: str, path: str, excluded: bool) -> None:
    assert parse_ignore(pattern).excluded(path) is excluded


SEVERAL = [
    ("*.go\n!a.go", "a.go", False),
    ("!a.go\n*.go", "a.go", True),
    ("docs\n!docs/README.md", "docs/README.md", False),
    ("docs\n!docs/README.md", "docs/other", True),
    ("docs\n!docs/README.md", "docs", True),
    ("docs/*\n!docs/a", "docs/a/b/c", False),
    ("**\n!util/docker/web", "util/docker/web/foo", False),
    ("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo", True),
    ("*\n!/src\n!  package.json", "package.json", False),
    ("*\n!/src", "src/a.py", False),
    ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
    ("*.md\n!README*.md\nREADME-secret.md", "README.md", False),
    ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
    ("\n\n# x\n", "x", False),
]


@pytest.mark.parametrize(("text", "path", "excluded"), SEVERAL)
def test_several_patterns(text: str, path: str, excluded: bool) -> None:
    assert parse_ignore(text).excluded(path) is excluded


def test_the_reason_names_line_and_pattern() -> None:
    matcher = parse_ignore(b"# first\n*.log\n  secrets/  \n!keep.log\n", "ctx/.dockerignore")
    reason = matcher.reason("secrets/key/a")
    assert reason is not None
    assert (matcher.path, reason.line, reason.text, reason.negated) == (
        "ctx/.dockerignore",
        3,
        "secrets/",
        False,
    )
    assert matcher.reason("keep.log") is None
    assert matcher.reason("") is None and matcher.reason(".") is None


PRUNE = [
    ("node_modules", "node_modules", True),
    ("node_modules", "node_modules/a", True),
    ("node_modules", "src", False),
    ("docs\n!docs/README.md", "docs", False),
    ("docs\n!docs/README.md", "docs/sub", True),
    ("docs\n!other", "docs", True),
    ("docs\n!**/keep", "docs", False),
    ("*\n!src/*.py", "lib", True),
    ("*\n!src/*.py", "src", False),
    ("!docs/a\ndocs", "docs", True),
    ("docs/**", "docs", False),
    ("a\n!a", "a", False),
]


@pytest.mark.parametrize(("text", "folder", "prunable"), PRUNE)
def test_prunable(text: str, folder: str, prunable: bool) -> None:
    assert parse_ignore(text).prunable(folder) is prunable


_NAMES = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=1, max_size=4).map("/".join)
_PATTERNS = st.lists(
    st.text(alphabet="ab*?/!", min_size=1, max_size=6).filter(lambda text: text.strip("!/")), max_size=5
)


@given(_PATTERNS, _NAMES, _NAMES)
def test_nothing_below_a_pruned_folder_is_kept(patterns: list[str], folder: str, below: str) -> None:
    matcher = parse_ignore("\n".join(patterns))
    if matcher.prunable(folder):
        assert matcher.excluded(folder)
        assert matcher.excluded(f"{folder}/{below}")


@given(_PATTERNS, st.lists(_NAMES, max_size=5))
def test_the_order_of_questions_does_not_matter(patterns: list[str], paths: list[str]) -> None:
    used = parse_ignore("\n".join(patterns))
    for path in paths:
        assert used.excluded(path) == parse_ignore("\n".join(patterns)).excluded(path)


@pytest.mark.parametrize(
    "text",
    [
        "!",
        "! ",
        "!/",
        "!//.",
        "[",
        "a[",
        "[^",
        "[a-",
        "[]",
        "zz[^]",
        "[]a]",
        "[-x]",
        "[a-b-c]",
        "\\",
        "zz**\\",
    ],
)
def test_bad_patterns(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse_ignore(f"ok\n{text}\n")
    assert (caught.value.path, caught.value.line, caught.value.column) == (".dockerignore", 2, 1)


def test_no_pattern_takes_exponential_time() -> None:
    name = "a" * 250
    assert not parse_ignore("*a" * 60 + "b").excluded(name)
    assert not parse_ignore("**/a" * 40 + "/b").excluded("/".join("a" * 400))
    assert not parse_ignore("**a" * 40 + "b").excluded(f"{name}/{name}")


@given(st.text(max_size=50), st.text(max_size=20))
def test_any_text_is_a_matcher_or_refused(text: str, path: str) -> None:
    try:
        matcher = parse_ignore(text)
    except DockerfileError:
        return
    assert isinstance(matcher, Matcher)
    assert matcher.excluded(path) == (matcher.reason(path) is not None)
