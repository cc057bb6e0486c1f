"""pflag's grammar: what Docker's users type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.cli.commands.table import COMMANDS, TOP, index
from cowl.cli.grammar import BOOL, INT, LIST, MANY, TEXT, WORDS, Command, Flag, UsageError, parse

FLAGS = (
    Flag("all", "a", BOOL, ""),
    Flag("rm", "", BOOL, ""),
    Flag("proxy", "", BOOL, "", "", True),
    Flag("interactive", "i", BOOL, ""),
    Flag("tty", "t", BOOL, ""),
    Flag("env", "e", LIST, ""),
    Flag("caps", "", WORDS, ""),
    Flag("name", "n", TEXT, "", "", "none"),
    Flag("last", "l", INT, "", "int", -1),
)
FREE = Command("test", "", "[OPTIONS] ARG...", "", (0, MANY), FLAGS)
STRICT = FREE.replace(interspersed=False)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--rm"], "rm", True),
        (["--rm=true"], "rm", True),
        (["--rm=T"], "rm", True),
        (["--rm=0"], "rm", False),
        (["--rm", "--rm=false"], "rm", False),
        ([], "rm", False),
        ([], "proxy", True),
        (["--proxy=false"], "proxy", False),
        (["--name=x"], "name", "x"),
        (["--name", "x"], "name", "x"),
        (["--name="], "name", ""),
        (["--name", ""], "name", ""),
        (["--name", "--rm"], "name", "--rm"),
        (["--name=a=b"], "name", "a=b"),
        ([], "name", "none"),
        (["-n", "x"], "name", "x"),
        (["-nx"], "name", "x"),
        (["-n=x"], "name", "x"),
        (["--name", "x", "-n", "y"], "name", "y"),
        (["-eA=1", "--env", "B", "-e", "C=3"], "env", ("A=1", "B", "C=3")),
        (["--env=A,B"], "env", ("A,B",)),
        (["--caps=A,B", "--caps", "C"], "caps", ("A", "B", "C")),
        ([], "env", ()),
        (["-it"], "tty", True),
        (["-it"], "interactive", True),
        (["-ite", "A=1"], "env", ("A=1",)),
        (["-iteA=1"], "env", ("A=1",)),
        (["-i=false"], "interactive", False),
        (["-l", "5"], "last", 5),
        (["-l5"], "last", 5),
        (["--last=-1"], "last", -1),
        ([], "last", -1),
    ],
)
def test_values(words: list[str], name: str, value: object) -> None:
    parsed = parse(FREE, words)
    assert parsed.flags[name] == value
    assert parsed.words == ()


@pytest.mark.parametrize(
    ("command", "words", "rest"),
    [
        (FREE, ["a", "--rm", "b"], ("a", "b")),
        (FREE, ["a", "--", "--rm", "-x"], ("a", "--rm", "-x")),
        (FREE, ["-"], ("-",)),
        (STRICT, ["--rm", "image", "--rm", "-x", "--"], ("image", "--rm", "-x", "--")),
        (STRICT, ["--", "--rm"], ("--rm",)),
        (STRICT, ["-n", "x", "image", "sh", "-c", "true"], ("image", "sh", "-c", "true")),
    ],
)
def test_arguments(command: Command, words: list[str], rest: tuple[str, ...]) -> None:
    assert parse(command, words).words == rest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--foo"], "unknown flag: --foo"),
        (["--foo=1"], "unknown flag: --foo"),
        (["-z"], "unknown shorthand flag: 'z' in -z"),
        (["-itz", "x"], "unknown shorthand flag: 'z' in -itz"),
        (["--name"], "flag needs an argument: --name"),
        (["-e"], "flag needs an argument: 'e' in -e"),
        (["-ie"], "flag needs an argument: 'e' in -ie"),
        (
            ["--rm=maybe"],
            'invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            ["-l", "x"],
            'invalid argument "x" for "-l, --last" flag: strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (["--=x"], "bad flag syntax: --=x"),
        (["---x"], "bad flag syntax: ---x"),
    ],
)
def test_errors_are_dockers(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(FREE, words)
    assert caught.value.message == message
    assert caught.value.exit_status == 125
    assert "See 'cowl test --help'." in caught.value.hint


@pytest.mark.parametrize(
    ("arity", "count", "message"),
    [
        ((0, 0), 1, "'cowl test' accepts no arguments"),
        ((1, 1), 0, "'cowl test' requires 1 argument"),
        ((2, 2), 1, "'cowl test' requires 2 arguments"),
        ((1, MANY), 0, "'cowl test' requires at least 1 argument"),
        ((1, 2), 3, "'cowl test' requires at most 2 arguments"),
    ],
)
def test_arity(arity: tuple[int, int], count: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(FREE.replace(arity=arity), ["x"] * count)
    assert caught.value.message == message
    assert caught.value.exit_status == 1


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["-ith"], ["--rm", "--help", "--nonsense"]])
def test_help_wins_over_arity(words: list[str]) -> None:
    assert parse(FREE.replace(arity=(2, 2)), words).help


def test_given_tells_a_default_from_a_value() -> None:
    assert parse(FREE, ["--name", "none"]).given == {"name"}
    assert parse(FREE, []).given == frozenset()


@given(st.lists(st.text(max_size=8), max_size=6))
def test_any_words_parse_or_are_refused(words: list[str]) -> None:
    for command in (FREE, STRICT, TOP):
        try:
            parse(command, words)
        except UsageError as error:
            assert error.message


def test_names_and_short_flags_are_unique() -> None:
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(names) == len(set(names)) == len(index())
    for command in COMMANDS:
        long = [flag.name for flag in command.flags]
        short = [flag.short for flag in command.flags if flag.short]
        assert len(long) == len(set(long))
        assert len(short) == len(set(short))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_handler_is_there(command: Command) -> None:
    module, _, function = command.handler.partition(":")
    assert callable(getattr(__import__(f"cowl.cli.{module}", fromlist=[function]), function))
