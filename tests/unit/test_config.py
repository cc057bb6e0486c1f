"""The Config of a process, from an environment that is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from cowl.config import ROOT_STORE, default_root, from_environ


@pytest.mark.parametrize(
    ("environ", "euid", "root"),
    [
        ({}, 0, ROOT_STORE),
        ({"HOME": "/h", "XDG_DATA_HOME": "/x"}, 0, ROOT_STORE),
        ({"COWL_ROOT": "/r", "HOME": "/h"}, 0, "/r"),
        ({"COWL_ROOT": "/r", "HOME": "/h"}, 1000, "/r"),
        ({"COWL_ROOT": "/r/../s/", "HOME": "/h"}, 1000, "/s"),
        ({"HOME": "/h"}, 1000, "/h/.local/share/cowl"),
        ({"HOME": "/h", "COWL_ROOT": ""}, 1000, "/h/.local/share/cowl"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/x"}, 1000, "/x/cowl"),
        ({"HOME": "/h", "XDG_DATA_HOME": ""}, 1000, "/h/.local/share/cowl"),
    ],
)
def test_where_the_store_is(environ: dict[str, str], euid: int, root: str) -> None:
    assert default_root(environ, euid) == root


def test_the_store_is_always_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_root({"HOME": "/h", "XDG_DATA_HOME": "x"}, 1000) == str(tmp_path / "x/cowl")
    assert from_environ({"HOME": "/h"}, "here").root == str(tmp_path / "here")


def test_the_argument_wins() -> None:
    assert from_environ({"HOME": "/h", "COWL_ROOT": "/r"}, "/mine").root == "/mine"


def test_files_that_are_not_there_are_left_out(tmp_path: Path) -> None:
    nothing = {"HOME": str(tmp_path), "COWL_ROOT": "/r", "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "no")}
    assert from_environ(nothing).registries_file != nothing["CONTAINERS_REGISTRIES_CONF"]
    (tmp_path / "registries.conf").write_text("")
    there = {**nothing, "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")}
    assert from_environ(there).registries_file == str(tmp_path / "registries.conf")


def test_where_logins_are_whether_there_are_any_or_not() -> None:
    assert from_environ({"HOME": "/h"}).auth_file == "/h/.docker/config.json"
    assert from_environ({"HOME": "/h", "DOCKER_CONFIG": "/d"}).auth_file == "/d/config.json"


def test_mirrors_registries_and_proxies() -> None:
    config = from_environ(
        {
            "COWL_ROOT": "/r",
            "COWL_MIRRORS": "docker.io=127.0.0.1:5000, quay.io=mirror.test",
            "COWL_INSECURE": "127.0.0.1:5000,, other.test ",
            "http_proxy": "http://lower",
            "HTTP_PROXY": "http://upper",
            "NO_PROXY": "localhost",
            "TERM": "vt100",
        }
    )
    assert config.mirrors == (("docker.io", "127.0.0.1:5000"), ("quay.io", "mirror.test"))
    assert config.insecure == ("127.0.0.1:5000", "other.test")
    assert config.proxies == (("http", "http://lower"), ("no", "localhost"))
