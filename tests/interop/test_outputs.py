"""Outputs of builds, read by skopeo and umoci: digests equal, trees equal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.interop.oci_tools import needs, run

from cowl.events import Event, Exported
from cowl.outputs import UNCOMPRESSED, ZSTD, BlobForm, DockerOutput, OciOutput, Output, TarOutput
from cowl.transfer.build_delivery import BuildDelivery

pytestmark = needs("skopeo", "umoci")
builder = as_fixture()

DOCKERFILE = """\
FROM base
RUN rm /etc/group && mkdir -p /a/b && echo x > /a/b/c && ln /a/b/c /a/d && chmod 4755 /a/d
COPY file /a/
LABEL a=b
"""


@pytest.fixture
def project(builder: Builder) -> Iterator[Builder]:
    builder.file("file", "from the context\n", 0o640)
    yield builder


def exported(project: Builder, *outputs: Output, tags: tuple[str, ...] = ("app:1",)) -> list[Exported]:
    events: list[Event] = []
    delivery = BuildDelivery(outputs, tags, store=project.store, config=project.config, emit=events.append)
    project.build(DOCKERFILE, tags=tags, outputs=outputs, delivery=delivery)
    return [event for event in events if isinstance(event, Exported)]


@pytest.mark.parametrize("compression", ["gzip", ZSTD, UNCOMPRESSED])
def test_skopeo_copies_both_kinds_and_digests_stay(
    project: Builder, tmp_path: Path, compression: str
) -> None:
    oci, docker = tmp_path / "o.tar", tmp_path / "d.tar"
    told = exported(
        project,
        OciOutput(str(oci), blobs=BlobForm(compression)),
        DockerOutput(str(docker), blobs=BlobForm(compression, oci_types=False)),
    )
    seen = json.loads(run(["skopeo", "inspect", f"oci-archive:{oci}:1"]))
    assert seen["Digest"] == told[0].digest
    assert seen["Labels"] == {"a": "b"}
    run(["skopeo", "copy", "--preserve-digests", f"oci-archive:{oci}:1", f"oci:{tmp_path}/copy:1"])
    index = json.loads((tmp_path / "copy" / "index.json").read_bytes())
    assert index["manifests"][0]["digest"] == told[0].digest
    config = json.loads(run(["skopeo", "inspect", "--config", "--raw", f"docker-archive:{docker}:app:1"]))
    assert config == json.loads(run(["skopeo", "inspect", "--config", "--raw", f"oci-archive:{oci}:1"]))
    run(["skopeo", "copy", f"docker-archive:{docker}:app:1", f"dir:{tmp_path}/dir"])
    layers = json.loads((tmp_path / "dir" / "manifest.json").read_bytes())["layers"]
    assert len(layers) == len(config["rootfs"]["diff_ids"])


def test_umoci_unpacks_what_the_merged_view_shows(project: Builder, tmp_path: Path) -> None:
    exported(project, OciOutput(str(tmp_path / "layout"), tar=False))
    rootless = ["--rootless"] if os.geteuid() else []
    run(["umoci", "unpack", *rootless, "--image", f"{tmp_path}/layout:1", str(tmp_path / "bundle")])
    exported(project, TarOutput(str(tmp_path / "root.tar")))
    (tmp_path / "root").mkdir()
    run(["tar", "-C", str(tmp_path / "root"), "-xpf", str(tmp_path / "root.tar")])
    assert facts(tmp_path / "bundle" / "rootfs") == facts(tmp_path / "root")


def facts(root: Path) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        link = os.readlink(path) if path.is_symlink() else ""
        owner = () if os.geteuid() else (status.st_uid, status.st_gid)
        found.append((str(path.relative_to(root)), status.st_mode, owner, content, link))
    return found
