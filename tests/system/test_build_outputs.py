"""Outputs of a build, as root and as an ordinary user: files, tars, archives, and what is left behind."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from pathlib import Path

import pytest
from tests.caller import Caller

DOCKERFILE = """\
FROM base
RUN mkdir -p /srv/in && echo made > /srv/in/file && chmod 640 /srv/in/file && ln -s /etc /srv/out \\
    && echo shut > /srv/shut && chmod 0 /srv/shut && chown -R node:extra /srv/in
COPY tool /bin/
"""


@pytest.fixture
def project(caller: Caller, busybox_tar: Path) -> Caller:
    """A caller with the image `base` and a context."""
    with open(busybox_tar, "rb") as tar:
        caller.cowl("import", "-", "base", stdin=tar.read())
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "tool").write_text("#!/bin/sh\n")
    (context / "tool").chmod(0o755)
    caller.give(context)
    return caller


def built(caller: Caller, *words: str, status: int = 0) -> str:
    """What a build says."""
    done = caller.cowl("build", *words, "context", status=status)
    return done.stderr.decode()


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name: entry for entry in tar}


def test_the_files_of_the_image(project: Caller) -> None:
    said = built(project, "-o", "out")
    out = project.home / "out"
    assert sorted(os.listdir(out)) == ["bin", "etc", "root", "srv", "tmp"]
    assert (out / "srv/in/file").read_text() == "made\n"
    assert stat.S_IMODE((out / "srv/in/file").stat().st_mode) == 0o640
    assert stat.S_IMODE((out / "srv/shut").stat().st_mode) == 0
    assert stat.S_IMODE((out / "bin/tool").stat().st_mode) == 0o755
    assert os.readlink(out / "srv/out") == "/etc"
    assert {path.lstat().st_uid for path in out.rglob("*")} == {out.stat().st_uid}
    assert f"exporting local to {out} done" in said
    assert "writing image" not in said
    assert project.text("images", "-q") == project.text("images", "-q", "base")


def test_a_tar_with_the_owners_of_the_image(project: Caller) -> None:
    first = project.cowl("build", "-q", "-o", "-", "context").stdout
    found = members(first)
    assert [name for name in found if name.startswith("srv")] == [
        "srv",
        "srv/in",
        "srv/in/file",
        "srv/out",
        "srv/shut",
    ]
    assert found["bin/tool"].mode == 0o755
    entry = found["srv/in/file"]
    assert (entry.uid, entry.gid, entry.mode) == (1000, 2000, 0o640)
    assert found["srv/shut"].mode == 0
    built(project, "-o", "type=tar,dest=x.tar")
    assert (project.home / "x.tar").read_bytes() == first


def test_archives_are_loadable_ids_are_those_of_the_image(project: Caller) -> None:
    built(
        project,
        "-t",
        "app:1",
        "-t",
        "other",
        "--iidfile",
        "id",
        "--metadata-file",
        "meta",
        "-o",
        "type=docker,dest=d.tar",
    )
    meta = json.loads((project.home / "meta").read_text())
    identity = (project.home / "id").read_text()
    assert meta["containerimage.config.digest"] == identity
    assert meta["image.name"] == "docker.io/library/app:1,docker.io/library/other:latest"
    assert meta["containerimage.descriptor"]["digest"] == meta["containerimage.digest"] != identity
    data = (project.home / "d.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert entry["Config"] == f"blobs/sha256/{identity[7:]}"
    assert entry["RepoTags"] == ["app:1", "other:latest"]
    assert "app" not in project.text("images")
    built(project, "-o", "type=oci,dest=layout,tar=false", "-o", "type=image,name=app:1,name=b")
    assert (project.home / "layout" / "index.json").exists()
    assert project.text("images", "-q", "--no-trunc", "app:1") == identity
    assert project.text("images", "-q", "--no-trunc", "b") == identity


def test_a_plain_build_is_an_image_and_its_metadata(project: Caller) -> None:
    built(project, "-t", "app", "--iidfile", "id", "--metadata-file", "meta")
    identity = project.text("images", "-q", "--no-trunc", "app")
    assert (project.home / "id").read_text() == identity
    assert json.loads((project.home / "meta").read_text()) == {
        "containerimage.config.digest": identity,
        "containerimage.digest": identity,
        "image.name": "docker.io/library/app:latest",
    }
    assert project.cowl("build", "-q", "--load", "context").stdout.decode().strip() == identity


def test_what_fails_leaves_nothing(project: Caller) -> None:
    (project.home / "busy").mkdir()
    (project.home / "busy" / "srv").write_text("a file")
    (project.home / "busy" / "bin").mkdir()
    (project.home / "busy" / "bin" / "tool").mkdir()
    project.give(project.home / "busy")
    said = built(project, "-t", "app", "-o", "busy", "-o", "type=image", "--iidfile", "id", status=1)
    assert "/bin/tool is a directory, and something else in the image" in said
    assert not (project.home / "id").exists()
    assert "app" not in project.text("images")
    said = built(project, "-o", "type=oci,dest=nowhere/x.tar", status=1)
    assert "there is no directory" in said
    assert "#1 " not in said  # it was not built for nothing
    said = built(project, "-o", "type=oci,dst=x.tar", status=1)
    assert "unknown key 'dst' of type=oci\nDid you mean dest?" in said
    staging = project.store / "staging"
    assert [path for path in staging.rglob("*") if path.is_file()] == []


def test_nothing_but_the_cache(project: Caller) -> None:
    built(project, "-o", "type=cacheonly")
    assert project.text("images", "-q") == project.text("images", "-q", "base")
    assert built(project).count("CACHED") == 2
