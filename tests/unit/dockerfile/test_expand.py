"""Expansion of words: the table of the shell lexer, its errors with their offsets, and its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.dockerfile.expand import MAX_DEPTH, MAX_SIZE, Expander, ExpansionError

ENV = {"FOO": "xxyy", "EMPTY": "", "P": "/usr/lib/x.tar.gz", "S": "a b  c", "K": "한", "_1": "u", "1": "one"}
ENV |= {"STARS": "a***yy*", "ODD": "()[]{}^$.*?|\\x", "LINES": "a\nb", "TWO": "a\nc ac a\nc"}

WORDS = [
    ("plain", "plain"),
    ("", ""),
    ("$FOO", "xxyy"),
    ("${FOO}", "xxyy"),
    ("$FOO.x", "xxyy.x"),
    ("a$FOO-$NONE-b", "axxyy--b"),
    ("$", "$"),
    ("a$ b", "a$ b"),
    ("$.", "$."),
    ("$$", ""),
    ("$1x", "onex"),
    ("$_1", "u"),
    ("${K}$K", "한한"),
    ("\\$FOO", "$FOO"),
    ("\\\\$FOO", "\\xxyy"),
    ("\\a", "a"),
    ("a\\", "a"),
    ("'$FOO'", "$FOO"),
    ("'a\\b'", "a\\b"),
    ('"$FOO"', "xxyy"),
    ('"\\$FOO"', "$FOO"),
    ('"a\\"b"', 'a"b'),
    ('"a\\b"', "a\\b"),
    ('"a\\\\b"', "a\\b"),
    ('"it\'s"', "it's"),
    ("'a'\"b\"c", "abc"),
    ("a  b", "a  b"),
    ("$S", "a b  c"),
    ("${FOO:-z}", "xxyy"),
    ("${EMPTY:-z}", "z"),
    ("${EMPTY-z}", ""),
    ("${NONE:-z}", "z"),
    ("${NONE-z}", "z"),
    ("${NONE:-}", ""),
    ("${NONE:-${FOO}}", "xxyy"),
    ("${NONE:-$FOO/${NONE:-q}}", "xxyy/q"),
    ("${NONE:-\\}}", "}"),
    ("${NONE:-'a}b'}", "a}b"),
    ("${FOO:+z}", "z"),
    ("${EMPTY:+z}", ""),
    ("${EMPTY+z}", "z"),
    ("${NONE:+z}", ""),
    ("${NONE+z}", ""),
    ("${FOO?e}", "xxyy"),
    ("${EMPTY?e}", ""),
    ("${FOO:?e}", "xxyy"),
    ("${FOO#x}", "xyy"),
    ("${FOO#*x}", "xyy"),
    ("${FOO##*x}", "yy"),
    ("${FOO##*}", ""),
    ("${FOO#*}", "xxyy"),
    ("${FOO#}", "xxyy"),
    ("${FOO#y}", "xxyy"),
    ("${FOO#??}", "yy"),
    ("${FOO%y}", "xxy"),
    ("${FOO%y*}", "xxy"),
    ("${FOO%%y*}", "xx"),
    ("${FOO%%*}", ""),
    ("${FOO%}", "xxyy"),
    ("${P##*/}", "x.tar.gz"),
    ("${P%.*}", "/usr/lib/x.tar"),
    ("${P%%.*}", "/usr/lib/x"),
    ("${P#/*/}", "lib/x.tar.gz"),
    ("${FOO/x/-}", "-xyy"),
    ("${FOO//x/-}", "--yy"),
    ("${FOO//x*y/-}", "-"),
    ("${FOO//?/-}", "----"),
    ("${FOO/z/-}", "xxyy"),
    ("${FOO//x/}", "yy"),
    ("${FOO///}", "xxyy"),
    ("${P//\\//_}", "_usr_lib_x.tar.gz"),
    ("${FOO/$EMPTY/w}", "wxxyy"),
    ("${NONE//a/b}", ""),
    ("${NONE#a}", ""),
    ("${STARS%%\\**\\*}", "a"),
    ("${STARS/\\*/.} ${STARS//\\**/.}", "a.**yy* a."),
    ("${ODD#()[]{\\}^$.\\*\\?|\\\\}", "x"),
    ("${FOO#?x} ${FOO:#x}", "yy xyy"),
    ("${P//\\//\\/}", "\\/usr\\/lib\\/x.tar.gz"),
    ("${LINES%?b}", "a\nb"),
    ("${LINES##*b}", "a\nb"),
    ("${LINES%%*}", "a\n"),
    ("${LINES##*}", "\nb"),
    ("${LINES//*/-}", "-\n-"),
    ("${FOO//*/-}", "-"),
    ("${FOO//$EMPTY/-}", "-x-x-y-y-"),
    ("${TWO//a*c/x}", "a\nc x a\nc"),
    ("v${FOO}-${K}${NONE:+-$NONE}.gz", "vxxyy-한.gz"),
    ("$@x${@}", "x"),
]


@pytest.mark.parametrize(("text", "expected"), WORDS)
def test_word(text: str, expected: str) -> None:
    assert Expander(ENV).word(text) == expected


ERRORS = [
    ("${", 0, "never closed"),
    ("a${FOO", 1, "never closed"),
    ("${FOO:", 0, "never closed"),
    ("${FOO:-a", 0, "never closed"),
    ("${FOO/x", 0, "never closed"),
    ("${FOO/x/y", 0, "never closed"),
    ("${}", 0, "bad substitution"),
    ("${:x}", 0, "bad substitution"),
    ("${{x}}", 0, "bad substitution"),
    ("${FOO=x}", 0, "unknown modifier"),
    ("${FOO:=x}", 0, "unknown modifier"),
    ("${FOO:0:1}", 0, "unknown modifier"),
    ("${FOO=:x}", 0, "unknown modifier"),
    ("${FOO:/x/y}", 0, "unknown modifier"),
    ("${FOO//ww}", 0, "never closed"),
    ("${FOO//}", 0, "never closed"),
    ("a'b", 1, "single quote is never closed"),
    ('ab"c', 2, "double quote is never closed"),
    ("${NONE?}", 0, "NONE: is not allowed to be unset"),
    ("${NONE:?say $FOO}", 0, "NONE: say xxyy"),
    ("${EMPTY:?}", 0, "EMPTY: is not allowed to be empty"),
    ("${FOO#\\x}", 0, "backslash"),
]


@pytest.mark.parametrize(("text", "offset", "reason"), ERRORS)
def test_errors_have_an_offset(text: str, offset: int, reason: str) -> None:
    with pytest.raises(ExpansionError, match=reason) as caught:
        Expander(ENV).word(text)
    assert caught.value.offset == offset


WORD_LISTS = [
    ("a b", ["a", "b"]),
    (" a\tb ", ["a", "b"]),
    ("$S", ["a", "b", "c"]),
    ("x$S", ["xa", "b", "c"]),
    ('"$S"', ["a b  c"]),
    ("'a b' c", ["a b", "c"]),
    ("a\\ b c", ["a b", "c"]),
    ('"" a', ["a"]),
    ("$NONE", []),
    ("${NONE:-p q}", ["p", "q"]),
]


@pytest.mark.parametrize(("text", "expected"), WORD_LISTS)
def test_words(text: str, expected: list[str]) -> None:
    assert Expander(ENV).words(text) == expected


def test_options() -> None:
    assert Expander(ENV, "`").word("C:\\x `$FOO") == "C:\\x $FOO"
    assert Expander(ENV, no_quotes=True).word('it\'s "$FOO" \\$FOO') == 'it\'s "xxyy" $FOO'
    assert Expander(ENV, raw_quotes=True).word("'a' \"$FOO\"") == "'a' \"xxyy\""
    assert Expander(ENV, raw_escapes=True).word("a\\ b") == "a\\ b"
    kept = Expander({}, keep_unset=True)
    for text in ("$A", "${A}", "${A:-b}", "${A#b}", "${A//b/c}"):
        assert kept.word(text) == text


def test_names_that_were_looked_up() -> None:
    expander = Expander(ENV)
    expander.word("$FOO ${NONE:-$P} ${EMPTY+x} $GONE ${LOST#x}")
    assert expander.used == {"FOO", "P", "EMPTY"}
    assert expander.missing == {"GONE", "LOST"}  # NONE has what it takes to be missing


def test_bounds() -> None:
    deep = "${A:-" * (MAX_DEPTH + 1) + "x" + "}" * (MAX_DEPTH + 1)
    with pytest.raises(ExpansionError, match="nested"):
        Expander({}).word(deep)
    with pytest.raises(ExpansionError, match="bring in more"):
        Expander({"A": "x" * 1000}).word("$A" * (MAX_SIZE // 1000 + 1))
    with pytest.raises(ExpansionError, match="more than"):
        Expander({"A": "x" * 10_000, "R": "y" * 10_000}).word("${A//x/$R}")


def test_patterns_with_many_stars_take_no_time() -> None:
    expander = Expander({"A": "a" * 20_000})
    stars = "*a" * 50
    assert expander.word(f"${{A#{stars}b}}") == "a" * 20_000
    assert expander.word(f"${{A%%b{stars}}}") == "a" * 20_000
    assert expander.word(f"${{A//{stars}b/-}}") == "a" * 20_000


@given(st.text(alphabet="ab$'\"\\{}:-+?#%/* <`", max_size=40), st.sampled_from(["\\", "`"]))
def test_any_text_expands_or_is_refused(text: str, escape: str) -> None:
    try:
        whole = Expander({"a": "1 2", "b": ""}, escape).word(text)
        pieces = Expander({"a": "1 2", "b": ""}, escape).words(text)
    except ExpansionError as error:
        assert 0 <= error.offset <= len(text)
    else:
        assert "".join("".join(pieces).split()) == "".join(whole.split())


@given(st.text(max_size=60))
def test_quoted_text_comes_back(text: str) -> None:
    escaped = "".join(f"\\{c}" if c in '$"\\' else c for c in text)
    assert Expander({}).word(f'"{escaped}"') == text
