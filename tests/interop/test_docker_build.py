"""Docker as the oracle: the same Dockerfiles built by a private dockerd's BuildKit and by us.

Opt-in, because it starts a daemon: COWL_TEST_DOCKERD=1, as root. Debian's BuildKit is of 2020; what it did
otherwise than today's is not compared: the history of ARG, EXPOSE and --chown, and the times of directories.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.interop.oci_tools import save_layout

from cowl import Engine

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="dockerd needs root"),
    pytest.mark.skipif(not os.environ.get("COWL_TEST_DOCKERD"), reason="opt in with COWL_TEST_DOCKERD=1"),
]

START_SECONDS = 20
NAME = "compared:1"
CONTEXT = {
    "a.txt": (0o644, "a"),
    "b.txt": (0o600, "b"),
    "run.sh": (0o4755, "#!/bin/sh\n"),
    "d/x": (0o640, "x"),
    "d/.hidden": (0o644, "h"),
    "d/sub/y": (0o644, "y"),
    ".dockerignore": (0o644, "*.md\n!keep.md\nout\n!out/in\n"),
    "gone.md": (0o644, ""),
    "keep.md": (0o644, "k"),
    "out/in/f": (0o644, "f"),
    "out/not": (0o644, ""),
}
_MOUNT_POINTS = ("etc", "dev", "proc", "sys")
CASES = {
    "config": """\
        ENV A=1 B="two $A" C='$A' D=${X:-d}\\ e
        ENV OLD style  value
        LABEL a="b c" "d e"=$A
        VOLUME /v ["w"]
        STOPSIGNAL SIGINT
        USER node:extra
        SHELL ["/bin/sh", "-ec"]
        CMD echo $A
        ENTRYPOINT ["x", "y \\"z\\""]
        ONBUILD RUN  echo $A
        MAINTAINER me <a@b>
        """,
    "cmd is reset": 'CMD ["a"]\nFROM one\nENTRYPOINT b',
    "copy": """\
        COPY . /all/
        COPY d /new/deep
        COPY *.txt d /etc/
        COPY a.txt /etc/passwd
        WORKDIR /w/x
        COPY --chmod=640 b.txt a.txt ../y/
        """,
    "hard links": "COPY . /all\nRUN ln /all/a.txt /other && ln /etc/passwd /etc/same\nFROM scratch\n"
    "COPY --from=one /all /\nCOPY --from=0 /etc /etc/",
    "changes": """\
        RUN mkdir -p /t/u && echo 1 > /t/u/f && echo 2 > /t/g && chmod 2775 /t && chown 0:5 /t
        RUN rm /t/g && chmod 600 /t/u/f && ln -s g /t/h
        RUN rm -rf /t/u && mkdir /t/u && echo 3 > /t/u/new
        RUN rm -rf /t/u && echo file > /t/u; mv /t/h /t/i; mkfifo /t/p
        COPY a.txt /t/made/deep/
        RUN rm -rf /t
        """,
    "run": """\
        ARG V=1
        ENV W=$V-2
        RUN echo "$V $W" '  $V' > /o; pwd >> /o; umask >> /o; hostname >> /o
        USER node
        RUN ["/bin/sh", "-c", "echo $HOME; id -u; id -g; env | sort"]
        WORKDIR /tmp/mine
        RUN touch f
        """,
}


class Docker:
    """A dockerd of our own, with everything below `home`. No network of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log = (home / "log").open("wb")
        command = ["dockerd", "--data-root", f"{home}/data", "--exec-root", f"{home}/exec"]
        command += ["--pidfile", f"{home}/pid", "-H", f"unix://{home}/sock", "--bridge=none"]
        command += ["--iptables=false"]
        self._daemon = subprocess.Popen(command, stdout=self._log, stderr=self._log)

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.call("version", check=False).returncode:
            if time.monotonic() > deadline or self._daemon.poll() is not None:
                pytest.skip(f"dockerd does not start: {(self._home / 'log').read_text()[-200:]}")
            time.sleep(0.1)

    def call(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(self._home)}
        command = ["/usr/bin/docker", "-H", f"unix://{self._home}/sock", *words]
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert done.returncode == 0 or not check, done.stderr
        return done

    def image(self, name: str) -> tuple[dict[str, Any], list[dict[str, object]]]:
        """The config, and what each layer's tar holds."""
        with tarfile.open(fileobj=io.BytesIO(self.call("save", name).stdout)) as tar:

            def read(member: str) -> bytes:
                info = tar.getmember(member)
                if info.issym():
                    info = tar.getmember(os.path.normpath(f"{os.path.dirname(member)}/{info.linkname}"))
                file = tar.extractfile(info)
                assert file is not None
                return file.read()

            manifest = json.loads(read("manifest.json"))[0]
            return json.loads(read(manifest["Config"])), [held(read(name)) for name in manifest["Layers"]]

    def close(self) -> None:
        self._daemon.terminate()
        self._daemon.wait()
        self._log.close()


def held(tar_bytes: bytes) -> dict[str, object]:
    """Name to what a tar says of it. Of whiteouts only the names count."""
    entries: dict[str, object] = {}
    with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
        for info in tar:
            name = info.name.rstrip("/")
            file = tar.extractfile(info) if info.isreg() else None
            content = hashlib.sha256(file.read()).hexdigest() if file else info.linkname
            mode = 0 if info.issym() else info.mode & 0o7777
            about = (info.type, mode, info.uid, info.gid, content)
            entries[name] = None if "/.wh." in f"/{name}" else about
    for name in _MOUNT_POINTS:  # BuildKit makes them for a RUN, or touches what they lie in
        if not any(other.startswith(f"{name}/") for other in entries):
            entries.pop(name, None)
    return entries


@pytest.fixture(scope="module")
def docker(busybox_tar: Path) -> Iterator[Docker]:
    if not shutil.which("dockerd") or not os.path.exists("/usr/bin/docker"):
        pytest.skip("needs Debian's package docker.io")
    home = Path(tempfile.mkdtemp(prefix="cowl-docker-", dir="/tmp"))
    daemon = Docker(home)
    try:
        daemon.wait()
        daemon.call("import", str(busybox_tar), "base:1")
        yield daemon
    finally:
        daemon.close()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def cowl(busybox_tar: Path) -> Iterator[Engine]:
    home = tempfile.mkdtemp(prefix="cowl-store-", dir="/tmp")
    with Engine(home) as engine:
        with busybox_tar.open("rb") as tar:
            engine.import_image(tar, "base:1")
        yield engine
    shutil.rmtree(home)


def image(engine: Engine, directory: Path) -> tuple[dict[str, Any], list[dict[str, object]]]:
    record = engine.store.images.find(NAME)
    manifest = save_layout(engine.store, record, directory)
    blobs = [directory / "blobs" / "sha256" / layer.digest.hex for layer in manifest.layers]
    return json.loads(record.config_bytes), [held(gzip.decompress(blob.read_bytes())) for blob in blobs]


def told(config: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """What both tell alike of what the build did."""
    entries = [(each.get("created_by", ""), each.get("empty_layer", False)) for each in config["history"][1:]]
    return [(text.replace("--chmod=640 ", ""), empty) for text, empty in entries]


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in config["config"].items() if value}
    return {name: value for name, value in known.items() if name not in ("Image", "Hostname")}


@pytest.mark.parametrize("case", CASES)
def test_the_same_image(docker: Docker, cowl: Engine, tmp_path: Path, case: str) -> None:
    context = tmp_path / "context"
    for name, (mode, text) in CONTEXT.items():
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    os.link(context / "a.txt", context / "d" / "linked")
    (context / "link").symlink_to("d/x")
    dockerfile = tmp_path / "Dockerfile"
    lines = [line.strip() for line in CASES[case].splitlines()]
    dockerfile.write_text("\n".join(("FROM base:1 AS one", *lines)) + "\n")
    docker.call("build", "--network", "host", "-q", "-t", NAME, "-f", str(dockerfile), str(context))
    cowl.build(context, dockerfile=str(dockerfile), tags=[NAME])
    theirs, their_layers = docker.image(NAME)
    ours, our_layers = image(cowl, tmp_path / "layout")
    assert settings(ours) == settings(theirs)
    assert ours.get("author") == theirs.get("author")
    assert told(ours) == told(theirs)
    assert our_layers == their_layers
