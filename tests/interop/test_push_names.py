"""`cowl push` and Engine.push: names, all of a repository, digests that stay, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import RealRegistry, needs, real_registry, run, tar_of, write_oci_layout

import cowl
from cowl.transfer.push_names import NoSuchName, NotPushable

pytestmark = needs("docker-registry", "skopeo")
LAYERS = [tar_of({"a": b"one" * 1000}), tar_of({"b": bytes(range(256)) * 4000})]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def digest_at(registry: RealRegistry, name: str) -> str:
    found = run(["skopeo", "inspect", "--tls-verify=false", f"docker://{registry.netloc}/{name}"])
    return str(json.loads(found)["Digest"])


def test_pulled_and_pushed_on_it_is_the_same(registry: RealRegistry, tmp_path: Path) -> None:
    """With another tool's compression."""
    write_oci_layout(tmp_path / "made", LAYERS)
    dest = f"docker://{registry.netloc}/from/base:1"
    run(
        ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{tmp_path}/made:1", dest]
    )  # one platform, no index
    with cowl.Engine(tmp_path / "store") as engine:
        engine.pull(f"{registry.netloc}/from/base:1")
        engine.tag(f"{registry.netloc}/from/base:1", f"{registry.netloc}/to/base:1")
        (pushed,) = engine.push(f"{registry.netloc}/to/base:1")
        assert pushed.digest == digest_at(registry, "from/base:1") == digest_at(registry, "to/base:1")
        assert pushed.reference == f"{registry.netloc}/to/base:1"
        assert f"{registry.netloc}/to/base@{pushed.digest}" in engine.image(pushed.reference).repo_digests
        (zstd,) = engine.push(f"{registry.netloc}/to/base:1", form=cowl.BlobForm("zstd", forced=True))
        assert zstd.digest == digest_at(registry, "to/base:1") != pushed.digest


def test_all_tags_and_refusals(registry: RealRegistry, tmp_path: Path) -> None:
    write_oci_layout(tmp_path / "made", LAYERS)
    with cowl.Engine(tmp_path / "store") as engine:
        (loaded,) = engine.load(str(tmp_path / "made"))
        for name in ("many:1", "many:2", "many/other:3"):
            engine.tag(loaded.image.id, f"{registry.netloc}/{name}")
        done = engine.push(f"{registry.netloc}/many", all_tags=True)
        assert [each.reference.rpartition("/")[2] for each in done] == ["many:1", "many:2"]
        assert digest_at(registry, "many:2") == done[1].digest == done[0].digest
        with pytest.raises(NotPushable, match="digest reference"):
            engine.push(f"{registry.netloc}/many@{done[0].digest}")
        with pytest.raises(NotPushable, match="all-tags"):
            engine.push(f"{registry.netloc}/many:1", all_tags=True)
        with pytest.raises(NoSuchName, match="does not exist locally"):
            engine.push(f"{registry.netloc}/many:9")


def test_at_a_shell(registry: RealRegistry, caller: Caller, busybox_tar: Path) -> None:
    name = f"{registry.netloc}/shell-{caller.name}"
    caller.cowl("import", str(busybox_tar), f"{name}:latest")
    done = caller.cowl("push", name)
    digest = digest_at(registry, name.partition("/")[2])
    assert done.stdout.decode().startswith(f"latest: digest: {digest} size: ")
    lines = done.stderr.decode().splitlines()
    assert lines[:2] == ["Using default tag: latest", f"The push refers to repository [{name}]"]
    assert lines[-1].endswith(": Pushed")
    assert caller.cowl("push", "-q", name).stdout.decode() == f"{name}:latest\n"
    refused = caller.cowl("push", f"{name}:2", status=1)
    assert b"does not exist locally" in refused.stderr
    assert refused.stdout == b""
