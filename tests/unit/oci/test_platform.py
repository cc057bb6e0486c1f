"""Platforms: normalisation and what runs where."""

from __future__ import annotations

import pytest

from cowl.oci.platform import InvalidPlatform, Platform


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AMD64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
        ("riscv64", "linux/riscv64"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_names_are_normalised(text: str, normal: str) -> None:
    assert str(Platform.parse(text)) == normal
    assert Platform.parse(normal) == Platform.parse(text)


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/a/b/c", "linux/amd 64", "../x", "linux/\n"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidPlatform):
        Platform.parse(text)


def test_the_host_is_linux() -> None:
    assert Platform.host().os == "linux"
    assert Platform.host().matches(Platform.host())
    assert Platform.parse("linux") == Platform.host()


def order(wanted: str, offered: list[str]) -> list[str]:
    machine = Platform.parse(wanted)
    ranked = [(machine.preference(Platform.parse(text)), text) for text in offered]
    return [text for rank, text in sorted((rank, text) for rank, text in ranked if rank is not None)]


def test_what_a_machine_runs_best_first() -> None:
    assert order("linux/amd64", ["linux/386", "linux/amd64", "linux/amd64/v2", "linux/arm64"]) == [
        "linux/amd64",
        "linux/386",
    ]
    assert order("linux/amd64/v3", ["linux/amd64", "linux/amd64/v4", "linux/amd64/v2", "linux/amd64/v3"]) == [
        "linux/amd64/v3",
        "linux/amd64/v2",
        "linux/amd64",
    ]
    assert order("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v8", "linux/arm/v7"]) == [
        "linux/arm/v7",
        "linux/arm/v6",
        "linux/arm/v5",
    ]
    assert order("linux/arm64", ["linux/arm/v7", "linux/arm64"]) == ["linux/arm64", "linux/arm/v7"]
    assert order("linux/s390x", ["linux/s390x", "windows/s390x", "linux/ppc64le"]) == ["linux/s390x"]
