"""`cowl save` and `cowl load`, as at a shell."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.caller import Caller


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    """With an image box:1, which is other:2 too."""
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text('FROM base:1\nRUN echo hi > /x; chown 12:34 /x\nCMD ["cat", "/x"]\n')
    caller.cowl("import", str(busybox_tar), "base:1")
    caller.cowl("build", "-q", "-t", "box:1", "-t", "other:2", str(context))
    return caller


def test_there_and_back(based: Caller) -> None:
    """Into another store: same IDs, and what runs there is what was saved."""
    file, home = str(based.home / "saved.tar"), str(based.home / "another")
    assert based.cowl("save", "-o", file, "box:1", "other").stdout == b""
    names = "Loaded image: box:1\nLoaded image: other:2\n"
    assert based.cowl("--root", home, "load", "-i", file).stdout.decode() == names
    packed = gzip.compress(based.cowl("save", "box:1").stdout, 1)
    found = based.cowl("--root", home, "load", "-q", stdin=packed)
    assert (found.stdout, found.stderr) == (b"Loaded image: box:1\n", b"")
    assert based.cowl("--root", home, "run", "--rm", "box:1").stdout == b"hi\n"
    ids = [based.cowl("--root", root, "images", "-q", "box").stdout for root in (home, str(based.store))]
    assert ids[0] == ids[1]
    assert based.cowl("--root", home, "system", "check").stdout == b"0 problems\n"


def test_a_layout_and_its_forms(based: Caller) -> None:
    place = based.home / "layout"
    based.cowl("save", "--format", "oci-dir", "--compression", "zstd", "-o", str(place), "box:1")
    kinds = {json.loads(path.read_bytes())["layers"][0]["mediaType"] for path in manifests(place)}
    assert kinds == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    based.cowl("rmi", "-f", "box:1")
    assert based.cowl("load", "--input", str(place)).stdout == b"Loaded image: box:1\n"
    refused = based.cowl("load", "-i", str(place), "--platform", "linux/s390x", status=1)
    assert refused.stdout == b""
    assert b"has no image for linux/s390x" in refused.stderr


def manifests(layout: Path) -> list[Path]:
    """The manifests that a layout's index names."""
    index = json.loads((layout / "index.json").read_bytes())
    return [layout / "blobs/sha256" / entry["digest"].partition(":")[2] for entry in index["manifests"]]


REFUSED = (
    (("save", "nothing:1"), "No such image: nothing:1"),
    (("save", "--format", "rar", "base:1"), "unknown format 'rar'"),
    (("save", "--format", "oci-dir", "base:1"), "needs a path"),
    (("save", "--compression", "lzma", "base:1"), "compression 'lzma' is not supported"),
    (("save", "-o", "/", "base:1"), "/ is a directory"),
    (("load", "-i", "/no/such"), "/no/such: No such file or directory"),
    (("load", "-i", "/etc/passwd"), "can't load /etc/passwd: it is no sound tar"),
    (("load",), "can't load standard input: it is empty"),
)


def test_what_is_refused(caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", str(busybox_tar), "base:1")
    for words, message in REFUSED:
        done = caller.cowl(*words, status=1)
        assert done.stdout == b""
        assert message in done.stderr.decode()
        assert b"Traceback" not in done.stderr
