"""Small things that a Docker user looks for: order, quotes, names, last lines."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import needs, real_registry, tar_of, write_oci_layout

BASE = "busybox"


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


def context(caller: Caller, text: str) -> str:
    directory = caller.home / "context"
    directory.mkdir(exist_ok=True)
    (directory / "Dockerfile").write_text(text)
    caller.give(directory)
    return str(directory)


def test_a_build_ends_as_buildkits(based: Caller) -> None:
    done = based.cowl(
        "build", "-t", "x", "-t", "localhost:5000/y:1", context(based, f"FROM {BASE}\nUSER 1\n")
    )
    *_, exporting, writing, first, second, end = done.stderr.decode().splitlines()
    assert exporting == "#2 exporting to image"
    assert writing.startswith("#2 writing image sha256:")
    assert first == "#2 naming to docker.io/library/x:latest done"
    assert second == "#2 naming to localhost:5000/y:1 done"
    assert end.startswith("#2 DONE ")


def test_a_base_without_a_path_gets_one(based: Caller) -> None:
    based.cowl("build", "-t", "x", context(based, f"FROM {BASE}\nENV PATH=$PATH:/opt\nRUN ls\n"))
    (path,) = json.loads(based.text("inspect", "x"))[0]["Config"]["Env"]
    assert path == "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt"


def test_a_failed_run_is_a_failed_build(based: Caller) -> None:
    done = based.cowl("build", context(based, f"FROM {BASE}\nRUN exit 7\n"), status=1)
    assert "exit code: 7" in done.stderr.decode()


def test_inspect_shows_the_health_check(based: Caller) -> None:
    based.cowl("build", "-t", "x", context(based, f"FROM {BASE}\nHEALTHCHECK --interval=5s CMD true\n"))
    found = json.loads(based.text("inspect", "x"))[0]["Config"]["Healthcheck"]
    assert (found["Test"], found["Interval"]) == (["CMD-SHELL", "true"], 5_000_000_000)


def test_ps_quotes_arguments_and_knows_lost_names(based: Caller) -> None:
    based.cowl("run", "--name", "box", BASE, "sh", "-c", "true; true")
    assert based.text("ps", "-a", "--no-trunc", "--format", "{{.Command}}") == "\"sh -c 'true; true'\""
    assert based.text("ps", "-a", "--format", "{{.Image}}") == BASE
    identity = based.text("images", "-q", BASE)
    based.cowl("build", "-q", "-t", BASE, context(based, f"FROM {BASE}\nUSER 1\n"))
    assert based.text("ps", "-a", "--format", "{{.Image}}") == identity
    containers = json.loads(based.text("system", "df", "-v", "--format", "json"))["Containers"]
    assert containers[0]["Image"].startswith(f"sha256:{identity}")


def test_the_youngest_image_comes_first(based: Caller, tmp_path: Path) -> None:
    for name in ("a", "b"):
        based.cowl("build", "-q", "-t", name, context(based, f"FROM {BASE}\nLABEL a={name}\n"))
    created = based.text("images", "--format", "{{.CreatedAt}}").splitlines()
    assert created == sorted(created, reverse=True)


@needs("docker-registry", "skopeo")
def test_pull_tells_of_the_default_tag(caller: Caller, tmp_path: Path) -> None:
    write_oci_layout(tmp_path / "layout", [tar_of({"file": b"data"})])
    with real_registry(tmp_path) as registry:
        registry.fill(tmp_path / "layout", "app/one:latest")
        name = f"{registry.netloc}/app/one"
        done = caller.cowl("pull", name)
        lines = done.stderr.decode().splitlines()
        assert lines[:2] == ["Using default tag: latest", "latest: Pulling from app/one"]
        assert done.stdout.decode() == f"{name}:latest\n"
        assert caller.cowl("pull", "-q", name).stderr == b""
        assert b"Using default tag" not in caller.cowl("pull", f"{name}:latest").stderr


# An interpreter below /root starts for an ordinary user here, but that user's processes can't start it again.
RUN_DEMO = """
import os, runpy, sys
if not os.access(sys.executable, os.X_OK):
    sys.executable = "/usr/bin/python3"
sys.path.insert(0, sys.argv[1])
runpy.run_path(sys.argv[1] + "/demo.py", run_name="__main__")
"""


def test_the_demo_ends_well(caller: Caller, busybox_tar: Path) -> None:
    """On a base that is there already; the walk of the disk at its end equals the ledger."""
    top = caller.home / "checkout"
    source = Path(__file__).parents[2] / "examples"
    for directory, _, files in os.walk(source):
        target = top / "examples" / os.path.relpath(directory, source)
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            (target / file).write_bytes((Path(directory) / file).read_bytes())
    caller.give(top)
    base = "node:14.16.1-alpine3.13"
    caller.cowl("--root", str(top / ".demo" / "store"), "import", str(busybox_tar), base)
    done = caller.python(RUN_DEMO, str(top / "examples"))
    assert done.returncode == 0, done.stderr.decode()
    said = done.stdout.decode()
    assert "So 3 layers and 2 history entries on top of the base." in said
    assert "25 = 5 + 20 bytes" in said
    assert "an independent walk finds" in said.splitlines()[-1]
