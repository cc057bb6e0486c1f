"""Instructions that change the config: what they set, and what history says of them."""

from __future__ import annotations

import json

import pytest

from cowl.build.config_steps import apply_config, declare, with_labels
from cowl.build.state import State, begin
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse
from cowl.dockerfile.scope import expand_node
from cowl.oci.image_config import ContainerConfig, ImageConfig

BASE = ImageConfig(
    architecture="amd64",
    config=ContainerConfig(
        env=("PATH=/bin", "A=1"), cmd=("node",), labels=(("z", "base"),), exposed_ports=("80/tcp",)
    ),
)


def folded(text: str, given: dict[str, str] | None = None, inherited: dict[str, str] | None = None) -> State:
    """The state behind the instructions of `text`, on BASE."""
    file = parse(f"FROM base\n{text}\n")
    state = begin(BASE, ())
    for node in file.stages[0].instructions:
        if isinstance(node, nodes.Arg):
            state = declare(state, node, file, given or {}, inherited or {})
        else:
            state = apply_config(state, expand_node(file, node, state.environment).node, file)
    return state


@pytest.mark.parametrize(
    ("text", "created_by", "field", "value"),
    [
        ("ENV B=2", "ENV B=2", "env", ("PATH=/bin", "A=1", "B=2")),
        ("ENV A=2 B=$A", "ENV A=2 B=1", "env", ("PATH=/bin", "A=2", "B=1")),
        ('ENV A="x y"', "ENV A=x y", "env", ("PATH=/bin", "A=x y")),
        ("ENV B c d", "ENV B=c d", "env", ("PATH=/bin", "A=1", "B=c d")),
        ('LABEL author="xxx"', "LABEL author=xxx", "labels", (("author", "xxx"), ("z", "base"))),
        ("LABEL z=a b=$A", "LABEL z=a b=1", "labels", (("b", "1"), ("z", "a"))),
        ('CMD ["a", "b c"]', 'CMD ["a" "b c"]', "cmd", ("a", "b c")),
        ("CMD a $A", 'CMD ["/bin/sh" "-c" "a $A"]', "cmd", ("/bin/sh", "-c", "a $A")),
        ('ENTRYPOINT ["a"]', 'ENTRYPOINT ["a"]', "entrypoint", ("a",)),
        ("ENTRYPOINT []", "ENTRYPOINT []", "entrypoint", ()),
        ("USER node:$A", "USER node:1", "user", "node:1"),
        ("EXPOSE 443 53/UDP", "EXPOSE [443/tcp 53/udp]", "exposed_ports", ("443/tcp", "53/udp", "80/tcp")),
        (
            "EXPOSE 8080:443/ 53/UDP",
            "EXPOSE [443/tcp 53/udp]",
            "exposed_ports",
            ("443/tcp", "53/udp", "80/tcp"),
        ),
        ("EXPOSE 8-9", "EXPOSE [8/tcp 9/tcp]", "exposed_ports", ("80/tcp", "8/tcp", "9/tcp")),
        ("VOLUME /b /a", "VOLUME [/b /a]", "volumes", ("/a", "/b")),
        ('VOLUME ["/a b"]', "VOLUME [/a b]", "volumes", ("/a b",)),
        ('SHELL ["/bin/bash", "-c"]', "SHELL [/bin/bash -c]", "shell", ("/bin/bash", "-c")),
        ("STOPSIGNAL SIGRTMIN+3", "STOPSIGNAL SIGRTMIN+3", "stop_signal", "SIGRTMIN+3"),
        ("STOPSIGNAL 9", "STOPSIGNAL 9", "stop_signal", "9"),
    ],
)
def test_one_instruction(text: str, created_by: str, field: str, value: object) -> None:
    state = folded(text)
    found = getattr(state.image.config, field)
    assert (
        (set(found), len(found)) == (set(value), len(value)) if isinstance(value, tuple) else found == value
    )
    entry = state.image.history[-1]
    assert (entry.created_by, entry.empty_layer, entry.comment) == (
        created_by,
        True,
        "buildkit.dockerfile.v0",
    )


def test_order_of_env_is_kept_and_cmd_is_too() -> None:
    assert folded("ENV A=3").image.config.env == ("PATH=/bin", "A=3")
    assert folded('CMD ["b", "a"]').image.config.cmd == ("b", "a")


def test_entrypoint_drops_the_cmd_of_the_base_only() -> None:
    assert folded('ENTRYPOINT ["e"]').image.config.cmd is None
    assert folded('CMD ["c"]\nENTRYPOINT ["e"]').image.config.cmd == ("c",)


def test_shell_form_uses_the_last_shell() -> None:
    assert folded('SHELL ["/bin/ash", "-e"]\nCMD a b').image.config.cmd == ("/bin/ash", "-e", "a b")


def test_maintainer_and_onbuild() -> None:
    state = folded("MAINTAINER me <a@b>\nONBUILD RUN make $A")
    assert state.image.author == "me <a@b>"
    assert state.image.config.onbuild == ("RUN make $A",)
    assert [entry.created_by for entry in state.image.history] == ["MAINTAINER me <a@b>"]


def test_healthcheck() -> None:
    state = folded("HEALTHCHECK --interval=90s --timeout=1500ms --retries=3 CMD curl -f x")
    assert json.loads(state.image.config.healthcheck) == {
        "Test": ["CMD-SHELL", "curl -f x"],
        "Interval": 90 * 10**9,
        "Timeout": 1500 * 10**6,
        "Retries": 3,
    }
    assert state.image.history[-1].created_by == (
        """HEALTHCHECK &{["CMD-SHELL" "curl -f x"] "1m30s" "1.5s" "0s" "0s" '\\x03'}"""
    )
    assert json.loads(folded("HEALTHCHECK NONE").image.config.healthcheck) == {"Test": ["NONE"]}


@pytest.mark.parametrize(
    ("text", "given", "inherited", "seen", "created_by"),
    [
        ("ARG X", {}, {}, None, "ARG X"),
        ("ARG X=1", {}, {}, "1", "ARG X=1"),
        ("ARG X=1", {"X": "2"}, {}, "2", "ARG X=2"),
        ("ARG X", {}, {"X": "3"}, "3", "ARG X=3"),
        ("ARG X=1", {}, {"X": "3"}, "1", "ARG X=1"),
        ("ARG X=$A", {}, {}, "1", "ARG X=1"),
        ("ARG X=1 Y=2", {"Y": ""}, {}, "1", "ARG X=1 Y="),
        ("ARG Y=1 X=$Y", {}, {}, "1", "ARG Y=1 X=1"),
        ("ARG Y=1 X=$Y", {"Y": "2"}, {}, "2", "ARG Y=2 X=2"),
        ("ARG X=${B?missing}", {"X": "1"}, {}, "1", "ARG X=1"),
    ],
)
def test_arg(
    text: str, given: dict[str, str], inherited: dict[str, str], seen: str | None, created_by: str
) -> None:
    state = folded(text, given, inherited)
    assert state.environment.get("X") == seen
    assert state.image.history[-1].created_by == created_by
    assert state.image.config.env == BASE.config.env


def test_env_after_arg_wins() -> None:
    state = folded("ARG A=arg\nENV A=env", {"A": "given"})
    assert state.environment["A"] == "env"
    assert state.arguments == (("A", "given"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("EXPOSE x", "is no port"),
        ("EXPOSE 65536", "is no port"),
        ("EXPOSE 9-8", "is no port"),
        ("STOPSIGNAL SIGNOPE", "is no signal"),
        ("STOPSIGNAL 65", "is no signal"),
        ("VOLUME ../../etc", "can't have '..'"),
        ('VOLUME [""]', "can't be empty"),
    ],
)
def test_bad_values_are_refused_with_their_place(text: str, said: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        folded(text)
    assert said in caught.value.message
    assert caught.value.line == 2
    assert "^" in caught.value.message


def test_labels_of_the_caller_win_without_history() -> None:
    state = with_labels(folded("LABEL a=1"), (("a", "2"), ("c", "3")))
    assert dict(state.image.config.labels) == {"a": "2", "c": "3", "z": "base"}
    assert len(state.image.history) == 1
