"""A build, an import and a pull on a full 64 MB disk: one clear error, nothing left, deletion works."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import needs, real_registry, tar_of, write_oci_layout

BASE = "busybox"


@pytest.fixture
def small(root_caller: Caller) -> Iterator[Caller]:
    """root with its store on an ext4 of 64 MB, unmounted afterwards."""
    image = root_caller.home / "disk.img"
    mount = root_caller.home / "small"
    mount.mkdir()
    with open(image, "wb") as disk:
        disk.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
    root_caller.store = mount / "store"
    root_caller.env["COWL_ROOT"] = str(root_caller.store)
    yield root_caller
    subprocess.run(["umount", "-l", str(mount)], check=True)


@pytest.mark.root
@needs("docker-registry", "skopeo")
def test_a_full_disk_loses_nothing(small: Caller, busybox_tar: Path, tmp_path: Path) -> None:
    small.cowl("import", str(busybox_tar), BASE)
    context = small.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {BASE}\nCOPY big /big\n")
    (context / "big").write_bytes(os.urandom(80 << 20))
    before = sorted(os.listdir(small.store / "layers"))

    done = small.cowl("build", "-t", "big", str(context), status=1)
    assert b"No space left" in done.stderr or b"full" in done.stderr
    assert sorted(os.listdir(small.store / "layers")) == before
    assert os.listdir(small.store / "staging") == []

    (context / "Dockerfile").write_text(f"FROM {BASE}\nRUN head -c 80000000 /dev/zero > /big\n")
    small.cowl("build", "-t", "big", str(context), status=1)
    assert os.listdir(small.store / "staging") == []

    tar = small.home / "big.tar"
    subprocess.run(["tar", "-cf", str(tar), "-C", str(context), "big"], check=True)
    small.cowl("import", str(tar), "big", status=1)
    assert os.listdir(small.store / "staging") == []

    layout = tmp_path / "layout"
    layout.mkdir()
    write_oci_layout(
        layout, [busybox_tar.read_bytes(), tar_of({"big": os.urandom(80 << 20)})], ["linux/amd64"]
    )
    with real_registry(tmp_path) as registry:
        registry.fill(layout, "big:1")
        done = small.cowl("pull", f"{registry.netloc}/big:1", status=1)
    assert b"No space left" in done.stderr or b"full" in done.stderr
    assert os.listdir(small.store / "staging") == []
    assert sorted(os.listdir(small.store / "layers")) == before

    # filled to the last block by somebody else: removal still works and gives the space back
    filler = small.store.parent / "filler"
    with open(filler, "wb", buffering=0) as out:
        try:
            while True:
                out.write(b"\0" * 4096)
        except OSError:
            pass
    assert small.text("rmi", BASE).startswith("Untagged:")
    filler.unlink()
    small.cowl("import", str(busybox_tar), BASE)
    assert small.text("run", "--rm", BASE, "echo", "well") == "well"
