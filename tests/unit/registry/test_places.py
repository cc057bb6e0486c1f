"""Places: registries.conf, mirrors, insecure registries, and which scheme is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from cowl.config import Config
from cowl.oci.reference import Reference
from cowl.registry.places import InvalidRegistriesFile, Place, RegistryBlocked, places_for

D = "sha256:" + "0" * 64


def places(tmp_path: Path, text: str, reference: str, **config: object) -> list[str]:
    return [f"{place.netloc}/{place.path}" for place in found(tmp_path, text, reference, **config)]


def found(tmp_path: Path, text: str, reference: str, **config: object) -> tuple[Place, ...]:
    path = tmp_path / "registries.conf"
    path.write_text(text)
    made = Config(root="/", registries_file=str(path)).replace(**config)
    return places_for(Reference.parse(reference), made)


def test_a_registry_stands_for_itself(tmp_path: Path) -> None:
    assert places(tmp_path, "", "node:14") == ["docker.io/library/node"]
    assert places(tmp_path, "", "q.io:5000/a/b") == ["q.io:5000/a/b"]
    assert places_for(Reference.parse("x"), Config(root="/"))[0].netloc == "docker.io"


def test_the_longest_prefix_counts_and_is_replaced(tmp_path: Path) -> None:
    text = """
    unqualified-search-registries = ["docker.io"]
    [[registry]]
    prefix = "q.io"
    location = "all.test"
    [[registry]]
    prefix = "q.io/team"
    location = "team.test/sub"
    [[registry]]
    prefix = "*.wild.io"
    location = "wild.test"
    """
    assert places(tmp_path, text, "q.io/app") == ["all.test/app"]
    assert places(tmp_path, text, "q.io/team/app") == ["team.test/sub/app"]
    assert places(tmp_path, text, "q.io/teammate/app") == ["all.test/teammate/app"]
    assert places(tmp_path, text, "q.io:80/app") == ["q.io:80/app"]
    assert places(tmp_path, text, "a.wild.io/app") == ["wild.test/app"]
    assert places(tmp_path, text, "wild.io/app") == ["wild.io/app"]


def test_mirrors_come_first_and_by_kind_of_reference(tmp_path: Path) -> None:
    text = """
    [[registry]]
    location = "docker.io"
    [[registry.mirror]]
    location = "first.test/hub"
    [[registry.mirror]]
    location = "digests.test"
    pull-from-mirror = "digest-only"
    [[registry.mirror]]
    location = "tags.test"
    pull-from-mirror = "tag-only"
    """
    assert places(tmp_path, text, "node:14") == [
        "first.test/hub/library/node",
        "tags.test/library/node",
        "docker.io/library/node",
    ]
    assert places(tmp_path, text, f"node@{D}") == [
        "first.test/hub/library/node",
        "digests.test/library/node",
        "docker.io/library/node",
    ]
    assert places(tmp_path, text, "node:14", mirrors=(("docker.io", "mine.test:1"), ("q.io", "not.test")))[
        :2
    ] == ["mine.test:1/library/node", "first.test/hub/library/node"]


def test_a_mirror_may_stand_for_a_part(tmp_path: Path) -> None:
    mirrors = (("docker.io/library", "mine.test/official"),)
    assert places(tmp_path, "", "node", mirrors=mirrors)[0] == "mine.test/official/node"
    assert places(tmp_path, "", "a/b", mirrors=mirrors) == ["docker.io/a/b"]


def test_drop_ins_override(tmp_path: Path) -> None:
    drop_ins = tmp_path / "registries.conf.d"
    drop_ins.mkdir()
    (drop_ins / "10-x.conf").write_text('[[registry]]\nlocation = "q.io"\nblocked = true\n')
    (drop_ins / "ignored.txt").write_text("not toml")
    with pytest.raises(RegistryBlocked, match=r"q\.io is blocked"):
        places(tmp_path, '[[registry]]\nlocation = "q.io"\n', "q.io/x")


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "[registries.search]\nregistries = []\n",
        'registry = "x"',
        "[[registry]]\n",
        "[[registry]]\nlocation = 5\n",
        '[[registry]]\nlocation = "x.io"\ninsecure = "yes"\n',
        '[[registry]]\nlocation = "a b"\nprefix = "q.io"\n',
        '[[registry]]\nlocation = "x@y"\nprefix = "q.io"\n',
        '[[registry]]\nlocation = "q.io"\n[[registry.mirror]]\n',
        '[[registry]]\nlocation = "q.io"\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "no"\n',
    ],
)
def test_a_file_that_cannot_be_understood_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidRegistriesFile):
        places(tmp_path, text, "q.io/x")


@pytest.mark.parametrize(
    ("netloc", "insecure", "origins"),
    [
        ("docker.io", False, ["https://registry-1.docker.io"]),
        ("q.io", False, ["https://q.io"]),
        ("q.io:5000", False, ["https://q.io:5000"]),
        ("q.io", True, ["https://q.io", "http://q.io"]),
        ("q.io:443", True, ["https://q.io"]),
        ("localhost", False, ["https://localhost", "http://localhost"]),
        ("localhost:443", False, ["https://localhost"]),
        ("LOCALHOST:5000", False, ["https://localhost:5000", "http://localhost:5000"]),
        ("127.9.9.9:5000", False, ["https://127.9.9.9:5000", "http://127.9.9.9:5000"]),
        ("[::1]:5000", False, ["https://[::1]:5000", "http://[::1]:5000"]),
        ("[::1]", False, ["https://[::1]", "http://[::1]"]),
        ("localhost.evil.io", False, ["https://localhost.evil.io"]),
        ("127.0.0.1.evil.io", False, ["https://127.0.0.1.evil.io"]),
        ("10.0.0.1:5000", False, ["https://10.0.0.1:5000"]),
    ],
)
def test_plain_http_only_where_it_is_allowed(netloc: str, insecure: bool, origins: list[str]) -> None:
    assert [str(origin) for origin in Place(netloc, "x", insecure).origins] == origins


def test_a_mirror_given_as_plain_http(tmp_path: Path) -> None:
    place = found(tmp_path, "", "node", mirrors=(("docker.io", "http://cache.test:5000"),))[0]
    assert [str(origin) for origin in place.origins] == ["http://cache.test:5000"]


def test_insecure_by_host_or_by_host_and_port(tmp_path: Path) -> None:
    text = '[[registry]]\nlocation = "a.io"\ninsecure = true\n'
    assert found(tmp_path, text, "a.io/x")[0].insecure
    assert not found(tmp_path, text, "b.io/x")[0].insecure
    assert found(tmp_path, text, "b.io:1/x", insecure=("b.io",))[0].insecure
    assert found(tmp_path, text, "b.io:1/x", insecure=("b.io:1",))[0].insecure
    assert not found(tmp_path, text, "b.io:1/x", insecure=("b.io:2",))[0].insecure
