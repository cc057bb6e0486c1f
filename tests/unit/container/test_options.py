"""Options of run, start and exec: what is easily mistaken is refused with what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

import cowl
from cowl.container.options import RunOptions, fold, run_options
from cowl.container.words import InvalidOptions, as_words
from cowl.oci.image_config import ContainerConfig


def test_a_command_is_a_list_of_words() -> None:
    wrong: Any = "echo hi"
    with pytest.raises(InvalidOptions, match="the command is one string, 'echo hi'") as refused:
        fold("image", ContainerConfig(), wrong, RunOptions())
    assert "['sh', '-c', 'echo hi']" in refused.value.hint
    assert fold("image", ContainerConfig(), ["echo", "hi"], RunOptions()).args == ("echo", "hi")


@pytest.mark.parametrize("option", ["env", "binds", "entrypoint"])
def test_lists_are_not_strings(option: str) -> None:
    wrong: Any = {option: "A=1"}
    with pytest.raises(InvalidOptions, match="is one string"):
        run_options(**wrong)


def test_words_of_any_sequence() -> None:
    assert as_words("x", ["a", "b"]) == as_words("x", ("a", "b")) == ("a", "b")


def test_completion_knows_names_that_are_not_loaded() -> None:
    assert {*cowl.__all__} <= {*dir(cowl)}
