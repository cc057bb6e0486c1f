"""Image config and options to settings, by Docker's rules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cowl.container.options import (
    DEFAULT_PATH,
    RunOptions,
    Settings,
    check_hostname,
    fold,
    merge_env,
    run_options,
)
from cowl.container.words import InvalidOptions, label_pairs
from cowl.oci.image_config import ContainerConfig

ENTRY, CMD = ("/entry", "-e"), ("cmd", "-c")


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "replaced", "command", "args"),
    [
        # https://docs.docker.com/reference/dockerfile/#understand-how-cmd-and-entrypoint-interact
        (None, CMD, None, (), CMD),
        (ENTRY, None, None, (), ENTRY),
        (ENTRY, CMD, None, (), ENTRY + CMD),
        (ENTRY, CMD, None, ("mine",), (*ENTRY, "mine")),
        (None, CMD, None, ("mine",), ("mine",)),
        (ENTRY, CMD, ("other",), (), ("other",)),  # drops the image's CMD
        (ENTRY, CMD, ("other",), ("mine",), ("other", "mine")),
        (ENTRY, CMD, (), ("mine",), ("mine",)),  # --entrypoint ""
        (None, CMD, ("other",), (), ("other",)),
    ],
)
def test_entrypoint_and_command(
    entrypoint: tuple[str, ...] | None,
    cmd: tuple[str, ...] | None,
    replaced: tuple[str, ...] | None,
    command: tuple[str, ...],
    args: tuple[str, ...],
) -> None:
    config = ContainerConfig(entrypoint=entrypoint, cmd=cmd)
    assert fold("image", config, command, RunOptions(entrypoint=replaced)).args == args


@pytest.mark.parametrize(
    ("config", "replaced"),
    [
        (ContainerConfig(), None),
        (ContainerConfig(entrypoint=(), cmd=()), None),
        (ContainerConfig(entrypoint=ENTRY, cmd=CMD), ()),
    ],
)
def test_no_command_at_all(config: ContainerConfig, replaced: tuple[str, ...] | None) -> None:
    with pytest.raises(InvalidOptions, match="no command to run in image"):
        fold("image", config, (), RunOptions(entrypoint=replaced))


def test_the_caller_wins_over_the_image() -> None:
    config = ContainerConfig(
        user="image",
        working_dir="/image",
        env=("A=image", "B=image"),
        labels=(("a", "image"), ("b", "image")),
    )
    kept = fold("image", config, ["x"], RunOptions())
    assert (kept.user, kept.cwd, kept.labels) == ("image", "/image", (("a", "image"), ("b", "image")))
    assert kept.env == (DEFAULT_PATH, "A=image", "B=image")
    options = RunOptions(user="me", workdir="/me", env=("B=me", "C=me"), labels=(("b", "me"),))
    mine = fold("image", config, ["x"], options)
    assert (mine.user, mine.cwd, mine.labels) == ("me", "/me", (("a", "image"), ("b", "me")))
    assert mine.env == (DEFAULT_PATH, "A=image", "B=me", "C=me")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"workdir": "relative"}, "not an absolute path"),
        ({"env": ["=x"]}, "invalid environment variable: =x"),
        ({"env": [""]}, "invalid environment variable"),
        ({"env": ["A=\0"]}, "a NUL byte"),
        ({"env": ["A=\ud800"]}, "can't be written in UTF-8"),
        ({"user": "a\0b"}, "a NUL byte"),
        ({"binds": ["/a\0:/b"]}, "a NUL byte"),
        ({"hostname": "x" * 65}, "longer than 64 bytes"),
        ({"hostname": "box\n1.2.3.4 registry"}, "invalid hostname"),
        ({"labels": "a=b"}, "labels is one string"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidOptions, match=complaint):
        fold("image", ContainerConfig(), ["x"], run_options(**options))


@pytest.mark.parametrize("name", ["", "box", "a.b-c", "x" * 64, "kühl"])
def test_hostnames(name: str) -> None:
    check_hostname(name)


@pytest.mark.parametrize("name", ["a b", "a\tb", "a#b", "a\0", "a\x7f", "\u2028"])
def test_hostnames_that_hosts_files_can_not_hold(name: str) -> None:
    with pytest.raises(InvalidOptions):
        check_hostname(name)


def test_labels_are_a_mapping_or_words() -> None:
    assert label_pairs({"a": "1", "b": "x=y"}) == (("a", "1"), ("b", "x=y"))
    assert label_pairs(["a=1", "b=x=y", "c", "a=2"]) == (("a", "2"), ("b", "x=y"), ("c", ""))
    assert label_pairs(()) == ()


def test_environments_merge_in_place() -> None:
    assert merge_env(("A=1", "B=2"), ("C=3", "A=4"), ("B=",)) == ("A=4", "B=", "C=3")
    assert merge_env() == ()
    assert merge_env(("A=x=y",), ("A",)) == ("A",)  # no value: it will not be set


def test_settings_survive_the_store() -> None:
    config = ContainerConfig(labels=(("a", "b"),), volumes=("/declared",))
    settings = fold("image", config, ["x", "y"], RunOptions(binds=("/a:/b", "data:/c/d:ro", "/e")))
    stored = json.loads(json.dumps(settings.to_json()))
    assert Settings.from_json(stored) == settings
    assert [mount.target for mount in settings.mounts] == ["/b", "/e", "/declared", "/c/d"]


def test_settings_of_rows_that_are_older_than_volumes() -> None:
    settings = fold("image", ContainerConfig(), ["x"], RunOptions(binds=("/a:/b:ro",)))
    stored = json.loads(json.dumps(settings.to_json()))
    del stored["mounts"]
    assert Settings.from_json(stored) == settings
