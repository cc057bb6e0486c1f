"""`# check=` and BUILDKIT_DOCKERFILE_CHECK."""

from __future__ import annotations

import pytest

from cowl.dockerfile.checks.options import BadCheckOption, CheckOptions, parse_check_options
from cowl.dockerfile.checks.rules import Rule

PLAIN, TRIAL = Rule("Plain", ""), Rule("Trial", "", experimental=True)


@pytest.mark.parametrize(
    ("text", "plain", "trial", "error"),
    [
        ("", True, False, False),
        ("skip=Plain", False, False, False),
        (" skip = Other , Plain ; error = true ", False, False, True),
        ("skip=all;experimental=all", False, True, False),
        ("experimental=Trial,Other;error=0", True, True, False),
        ("skip=Trial;experimental=Plain", True, False, False),
        ("error=T", True, False, True),
    ],
)
def test_options(text: str, plain: bool, trial: bool, error: bool) -> None:
    options = parse_check_options(text, "a test")
    assert (options.runs(PLAIN), options.runs(TRIAL), options.error) == (plain, trial, error)


@pytest.mark.parametrize("text", ["skip", "error=maybe", "wrong=all", ";", "skip=a;;error=true"])
def test_what_is_no_option(text: str) -> None:
    with pytest.raises(BadCheckOption, match=r"invalid check option .* in a test"):
        parse_check_options(text, "a test")


def test_nothing_said() -> None:
    assert parse_check_options(" ", "a test") == CheckOptions()
