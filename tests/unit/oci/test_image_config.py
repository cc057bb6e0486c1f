"""Image configs: real documents, round trips, and types that must be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.oci.digest import DiffId
from cowl.oci.image_config import ContainerConfig, History, ImageConfig, InvalidImageConfig

# The shape in which Docker 20.10 wrote the config of node:14.16.1-alpine3.13, with fewer layers.
DOCKER = {
    "architecture": "amd64",
    "config": {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "Tty": False,
        "Env": [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "NODE_VERSION=14.16.1",
            "YARN_VERSION=1.22.5",
        ],
        "Cmd": ["node"],
        "Image": "sha256:" + "5" * 64,
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": ["docker-entrypoint.sh"],
        "OnBuild": None,
        "Labels": None,
    },
    "container": "9" * 64,
    "container_config": {"Hostname": "9d1", "Cmd": ["/bin/sh", "-c", '#(nop) CMD ["node"]']},
    "created": "2021-04-06T18:51:39.5312184Z",
    "docker_version": "19.03.12",
    "history": [
        {"created": "2021-03-31T20:10:06.527440966Z", "created_by": "/bin/sh -c #(nop) ADD file:f in / "},
        {
            "created": "2021-03-31T20:10:06.686359124Z",
            "created_by": '/bin/sh -c #(nop)  CMD ["/bin/sh"]',
            "empty_layer": True,
        },
    ],
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "a" * 64]},
}


def raw(members: object) -> bytes:
    return json.dumps(members).encode()


def test_a_config_that_docker_wrote() -> None:
    parsed = ImageConfig.parse(raw(DOCKER))
    assert (parsed.os, parsed.architecture, str(parsed.platform)) == ("linux", "amd64", "linux/amd64")
    assert parsed.created == "2021-04-06T18:51:39.5312184Z"
    assert parsed.config.env[1] == "NODE_VERSION=14.16.1"
    assert parsed.config.entrypoint == ("docker-entrypoint.sh",)
    assert parsed.config.cmd == ("node",)
    assert parsed.config.shell is None
    assert parsed.config.labels == ()
    assert parsed.diff_ids == (DiffId.parse("sha256:" + "a" * 64),)
    assert [entry.empty_layer for entry in parsed.history] == [False, True]
    assert ImageConfig.parse(parsed.serialize()) == parsed


def test_everything_survives_a_round_trip() -> None:
    full = ImageConfig(
        architecture="arm64",
        os="linux",
        variant="v8",
        created="2024-01-02T03:04:05+01:00",
        author="Gödel <g@example.org>",
        config=ContainerConfig(
            user="node:staff",
            exposed_ports=("53/udp", "80/tcp"),
            env=("A=b=c", "EMPTY="),
            entrypoint=("/bin/tini", "--"),
            cmd=("sh", "-c", 'echo "<&>" ü'),
            volumes=("/data", "/var/lib/x"),
            working_dir="/srv",
            labels=(("a", "1"), ("b", "")),
            stop_signal="SIGQUIT",
            shell=("/bin/bash", "-c"),
            healthcheck='{"Interval":30000000000,"Test":["CMD","true"]}',
            onbuild=("RUN make",),
            args_escaped=True,
            stop_timeout=3,
        ),
        diff_ids=(DiffId.of(b"1"), DiffId.of(b"2")),
        history=(History("2024-01-02T03:04:05Z", "COPY . .", "cowl", "me"), History(empty_layer=True)),
        os_version="1.2",
    )
    assert ImageConfig.parse(full.serialize()) == full
    assert full.serialize() == ImageConfig.parse(full.serialize()).serialize()


def test_an_empty_list_is_not_the_same_as_none() -> None:
    reset = ImageConfig("amd64", config=ContainerConfig(entrypoint=(), cmd=None))
    parsed = ImageConfig.parse(reset.serialize())
    assert parsed.config.entrypoint == ()
    assert parsed.config.cmd is None


def test_the_serialisation_is_deterministic_and_lean() -> None:
    config = ImageConfig("amd64", config=ContainerConfig(labels=(("b", "2"), ("a", "1"))))
    assert config.serialize() == (
        b'{"architecture":"amd64","config":{"Labels":{"a":"1","b":"2"}},"os":"linux",'
        b'"rootfs":{"type":"layers","diff_ids":[]}}'
    )


def test_a_single_string_is_a_list_of_one_as_docker_reads_it() -> None:
    members = {**DOCKER, "config": {"Entrypoint": "/init", "Cmd": "x"}}
    parsed = ImageConfig.parse(raw(members)).config
    assert (parsed.entrypoint, parsed.cmd) == (("/init",), ("x",))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rootfs": None}, "'rootfs'"),
        ({"rootfs": {"type": "tree", "diff_ids": []}}, "'rootfs'"),
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:../x"]}}, "diff_ids"),
        ({"rootfs": {"type": "layers", "diff_ids": [1]}}, "diff_ids"),
        ({"os": 5}, "'os' must be text"),
        ({"created": "yesterday"}, "RFC 3339"),
        ({"created": "2024-01-02T03:04:05Z\x1b[31m"}, "RFC 3339"),
        ({"history": {}}, "'history'"),
        ({"history": ["x"]}, "'history'"),
        ({"history": [{"empty_layer": "yes"}]}, "'empty_layer'"),
        ({"config": []}, "'config'"),
        ({"config": {"Env": {}}}, "'Env'"),
        ({"config": {"Env": ["A=\0"]}}, "NUL"),
        ({"config": {"Labels": {"a": None}}}, "'Labels'"),
        ({"config": {"Labels": ["a"]}}, "'Labels'"),
        ({"config": {"ExposedPorts": ["80"]}}, "'ExposedPorts'"),
        ({"config": {"Healthcheck": "true"}}, "'Healthcheck'"),
        ({"config": {"User": 0}}, "'User'"),
        ({"config": {"WorkingDir": "\ud800"}}, "surrogate"),
        ({"config": {"Healthcheck": {"Test": ["\ud800"]}}}, "surrogate"),
        ({"config": {"StopTimeout": "3"}}, "'StopTimeout'"),
    ],
)
def test_wrong_types_are_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidImageConfig) as caught:
        ImageConfig.parse(raw({**DOCKER, **change}))
    assert why in caught.value.message


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(sorted(DOCKER)), ANY, st.sampled_from(["Env", "Labels", "Cmd", "User", "Volumes"]), ANY
)
def test_any_json_parses_or_is_refused_with_a_typed_error(
    name: str, value: object, inner: str, other: object
) -> None:
    for members in ({**DOCKER, name: value}, {**DOCKER, "config": {inner: other}}):
        try:
            parsed = ImageConfig.parse(raw(members))
        except InvalidImageConfig:
            continue
        assert ImageConfig.parse(parsed.serialize()) == parsed
