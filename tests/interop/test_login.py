"""Login and logout at a real docker-registry: what is kept, where, and what is refused."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import RealRegistry, needs, real_registry

import cowl
from cowl.registry.login import InvalidServer, LoginRefused
from cowl.transfer.login import NotLoggedIn

pytestmark = needs("docker-registry")
PASSWORD = "s3cret: with : colons"
HELPER = """#!/bin/sh
# A credential helper: one login a server, as a file.
file="$(dirname "$0")/kept"
case "$1" in
store) cat > "$file" ;;
get) [ -f "$file" ] || { echo "credentials not found in native keychain"; exit 1; }; cat "$file" ;;
erase) rm -f "$file" ;;
esac
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry"), password=PASSWORD) as running:
        yield running


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[cowl.Engine]:
    """With a config.json in a directory that is not there yet."""
    config = cowl.Config(root=str(tmp_path / "store"), auth_file=str(tmp_path / "docker" / "config.json"))
    with cowl.Engine(config=config) as opened:
        yield opened


def kept(engine: cowl.Engine) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path(engine.config.auth_file).read_bytes())
    return found


def test_kept_in_the_file_and_forgotten(registry: RealRegistry, engine: cowl.Engine) -> None:
    file = Path(engine.config.auth_file)
    assert engine.login(f"http://{registry.netloc}/v2/", username="alice", password=PASSWORD) == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(kept(engine)["auths"]) == [registry.netloc]  # type: ignore[call-overload]
    file.write_text(json.dumps({**kept(engine), "HttpHeaders": {"a": "b"}}))
    assert engine.login(registry.netloc) == ""  # the one that is kept
    assert engine.login(registry.netloc, username="alice", password=PASSWORD) == ""
    assert kept(engine)["HttpHeaders"] == {"a": "b"}
    assert engine.logout(registry.netloc)
    assert kept(engine) == {"auths": {}, "HttpHeaders": {"a": "b"}}
    assert not engine.logout(registry.netloc)
    assert os.listdir(file.parent) == ["config.json"]
    with pytest.raises(NotLoggedIn):
        engine.login(registry.netloc)


def test_nothing_is_kept_of_what_was_refused(registry: RealRegistry, engine: cowl.Engine) -> None:
    with pytest.raises(LoginRefused) as refused:
        engine.login(registry.netloc, username="alice", password="wrong")
    assert "wrong" not in str(refused.value)
    with pytest.raises(cowl.Unavailable):
        engine.login("localhost:1", username="alice", password=PASSWORD)
    for server in ("has space.example", "nodots", "UP_PER.example/x y"):
        with pytest.raises(InvalidServer):
            engine.login(server, username="alice", password=PASSWORD)
    assert not os.path.exists(engine.config.auth_file)


def test_a_helper_has_it_instead(
    registry: RealRegistry, engine: cowl.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "docker-credential-box"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    file = Path(engine.config.auth_file)
    file.parent.mkdir()
    file.write_text(json.dumps({"credsStore": "box"}))
    assert engine.login(registry.netloc, username="alice", password=PASSWORD) == "box"
    assert json.loads((program.parent / "kept").read_bytes()) == {
        "ServerURL": registry.netloc,
        "Username": "alice",
        "Secret": PASSWORD,
    }
    assert kept(engine) == {"credsStore": "box"}
    assert engine.login(registry.netloc) == ""
    assert engine.logout(registry.netloc)
    assert not (program.parent / "kept").exists()
    file.write_text(json.dumps({"credsStore": "missing"}))
    with pytest.raises(cowl.Unavailable, match="docker-credential-missing"):
        engine.login(registry.netloc, username="alice", password=PASSWORD)


def test_at_a_shell(registry: RealRegistry, caller: Caller, busybox_tar: Path) -> None:
    """Then what needs a login works, and afterwards it does not."""
    name = f"{registry.netloc}/login-{caller.name}:1"
    home = {"DOCKER_CONFIG": str(caller.home / "docker")}
    caller.cowl("import", str(busybox_tar), name)
    assert b"no basic auth credentials" in caller.cowl("push", name, status=1, env=home).stderr
    words = ("login", "-u", "alice", "--password-stdin", registry.netloc)
    done = caller.cowl(*words, stdin=f"{PASSWORD}\n".encode(), env=home)
    assert done.stdout == b"Login Succeeded\n"
    assert b"unencrypted" in done.stderr
    assert caller.cowl("login", registry.netloc, env=home).stdout == b"Login Succeeded\n"
    caller.cowl("push", "-q", name, env=home)
    assert caller.cowl("logout", registry.netloc, env=home).stdout.startswith(b"Removing login credentials")
    assert caller.cowl("logout", registry.netloc, env=home).stdout.startswith(b"Not logged in")
    refused = caller.cowl("login", "-u", "alice", "--password-stdin", registry.netloc, stdin=b"no", status=1)
    assert (refused.stdout, b"refused" in refused.stderr) == (b"", True)
    flags: tuple[tuple[tuple[str, ...], bytes], ...] = (
        (("-u", "alice"), b"non TTY"),
        (("--password-stdin",), b"Must provide --username"),
        (("-u", "a", "-p", "b", "--password-stdin"), b"mutually exclusive"),
    )
    for given, message in flags:
        assert message in caller.cowl("login", *given, registry.netloc, status=1, env=home).stderr
