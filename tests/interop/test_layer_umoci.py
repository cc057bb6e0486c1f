"""umoci and skopeo as oracles: they unpack what we pack, and we unpack as they do."""

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
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.layer.tars import entry, folder, hardlink, snapshot, symlink, tar

from cowl.layer.compression import GZIP, UNCOMPRESSED, ZSTD, CompressedWriter, open_decompressed
from cowl.layer.ownership import RealOwners
from cowl.layer.pack import pack
from cowl.layer.unpack import unpack
from cowl.layer.view import MergedView, Node
from cowl.layer.whiteout import make_whiteout
from cowl.linux.files import remove_tree

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="real owners need root")]

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


@pytest.fixture
def place() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="cowl-umoci-", dir="/tmp"))
    yield path
    remove_tree(str(path))


def needs(tool: str) -> str:
    found = shutil.which(tool)
    if not found:
        pytest.skip(f"needs {tool}")
    return found


def blob(layout: Path, data: bytes, media_type: str) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def write_layout(layout: Path, tars: list[bytes], compression: str) -> None:
    """An OCI layout of these layers, bottom first, tagged `test`."""
    (layout / "blobs/sha256").mkdir(parents=True)
    suffix = f"+{compression}" if compression else ""
    layers = []
    for data in tars:
        parts: list[bytes] = []
        writer = CompressedWriter(parts.append, compression)
        writer.write(data)
        writer.close()
        layers.append(blob(layout, b"".join(parts), "application/vnd.oci.image.layer.v1.tar" + suffix))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest() for data in tars],
        },
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(layout, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    }
    described = blob(layout, json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    described["annotations"] = {"org.opencontainers.image.ref.name": "test"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def umoci_unpack(layout: Path, bundle: Path) -> Path:
    command = [needs("umoci"), "unpack", "--image", f"{layout}:test", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return bundle / "rootfs"


def mounted(place: Path, tars: list[bytes]) -> Path:
    """What we make of the layers: each unpacked on those below, then all of them merged by overlayfs."""
    trees: list[str] = []
    for number, data in enumerate(tars):
        diff = place / f"layer{number}" / "diff"
        diff.mkdir(parents=True)
        unpack(io.BytesIO(data), str(diff), owners=RealOwners(), below=MergedView(trees))
        trees.insert(0, str(diff))
    return merge(place, trees)


def merge(place: Path, trees: list[str]) -> Path:
    """The merged tree, as overlayfs shows it, copied so that no mount outlives the test."""
    (place / "empty").mkdir(exist_ok=True)
    lower = ":".join([*trees, str(place / "empty")])
    mount = f"mount -t overlay -o userxattr,ro,lowerdir={lower} none {place}/mnt"
    script = f"{mount} && cp -a {place}/mnt {place}/merged"
    (place / "mnt").mkdir()
    subprocess.run(["unshare", "--mount", "sh", "-c", script], check=True)
    return place / "merged"


def comparable(tree: Path, drop: tuple[str, ...] = ()) -> dict[str, tuple[object, ...]]:
    """A tree without its root (no layer says how that is) and without overlayfs's own marks."""
    found = snapshot(str(tree))
    found.pop(".")
    return {
        name: (*node[:6], tuple(pair for pair in node[6] if pair[0] != "user.overlay.opaque"))
        for name, node in found.items()
        if name not in drop
    }


def base_tar() -> bytes:
    capable, data = entry("usr/bin/ping", b"ping", mode=0o755)
    capable.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1")}
    fine, _ = entry("usr/fine", b"x")
    fine.pax_headers = {"mtime": "1234567890.123456789", "SCHILY.xattr.user.note": "hello"}
    return tar(
        folder("bin", mode=0o755, mtime=50),
        folder("usr"),
        folder("usr/bin"),
        (capable, data),
        (fine, b"x"),
        folder("usr/lib", mode=0o750, uid=5, gid=6, mtime=1234),
        entry("usr/lib/a", b"a" * 5000, mode=0o4755, uid=1000, gid=1000),
        hardlink("usr/lib/b", "usr/lib/a", mode=0o4755, uid=1000, gid=1000),
        entry("usr/lib/c", b"c"),
        symlink("lib", "usr/lib", uid=3, gid=4, mtime=77),
        folder("tmp", mode=0o1777),
        folder("var"),
        folder("var/cache"),
        entry("var/cache/old", b"old"),
        entry("var/pipe", kind=tarfile.FIFOTYPE, mode=0o600),
        entry("n" * 150, b"long"),
        entry("etc/passwd", b"root"),
    )


def second_tar() -> bytes:
    return tar(
        folder("usr"),
        folder("usr/lib", mode=0o700, uid=5, gid=6, mtime=4321),
        entry("usr/lib/.wh.c"),
        entry("usr/lib/d", b"d"),
        folder("var"),
        folder("var/cache"),
        entry("var/cache/.wh..wh..opq"),
        entry("var/cache/new", b"new"),
        entry("lib/through-a-link", b"x"),
        entry(".wh.tmp"),
        entry("bin", b"a file instead of a directory"),
    )


@pytest.mark.parametrize("compression", [UNCOMPRESSED, GZIP])  # Debian 12's umoci has no zstd
def test_we_unpack_as_umoci_does(place: Path, compression: str) -> None:
    tars = [base_tar(), second_tar()]
    write_layout(place / "layout", tars, compression)
    theirs = comparable(umoci_unpack(place / "layout", place / "bundle"))
    ours = comparable(mounted(place, tars))
    # umoci gives directories that a layer implies the time of the unpacking
    implied = ("etc",)
    assert sorted(ours) == sorted(theirs)
    for name in ours:
        if name in implied:
            assert ours[name][:3] == theirs[name][:3]
        else:
            assert ours[name] == theirs[name], name


def upper(place: Path) -> Path:
    """A tree as overlayfs leaves it, over `base_tar`."""
    diff = place / "upper"
    (diff / "usr/lib").mkdir(parents=True)
    os.chmod(diff / "usr/lib", 0o2755)
    os.chown(diff / "usr/lib", 11, 12)
    (diff / "usr/lib/new").write_bytes(b"new" * 1000)
    os.chmod(diff / "usr/lib/new", 0o6711)
    os.link(diff / "usr/lib/new", diff / "usr/lib/twin")
    os.setxattr(diff / "usr/lib/new", "user.k", b"v")
    os.setxattr(diff / "usr/lib/new", "security.capability", CAPABILITY)
    os.setxattr(diff / "usr/lib/new", "user.overlay.origin", b"junk")
    make_whiteout(str(diff / "usr/lib/c"))
    (diff / "var/cache").mkdir(parents=True)
    os.setxattr(diff / "var/cache", "user.overlay.opaque", b"y")
    (diff / "var/cache/only").write_bytes(b"only")
    (diff / ("d" * 120) / ("e" * 120)).mkdir(parents=True)
    (diff / ("d" * 120) / ("e" * 120) / "f").write_bytes(b"far")
    os.symlink("t" * 140, diff / "longlink")
    os.lchown(diff / "longlink", 5_000_000, 3)
    (diff / os.fsdecode(b"caf\xe9")).write_bytes(b"latin")
    os.mkfifo(diff / "pipe")
    make_whiteout(str(diff / "tmp"))
    for number, path in enumerate(sorted(diff.rglob("*"), reverse=True)):
        os.utime(path, ns=(0, 1_600_000_000_000_000_000 + number * 1_000_000_007), follow_symlinks=False)
    return diff


def packed(tree: Path) -> bytes:
    parts: list[bytes] = []
    pack(str(tree), parts.append, owners=RealOwners())
    return b"".join(parts)


def test_umoci_unpacks_what_we_pack(place: Path) -> None:
    diff = upper(place)
    data = packed(diff)
    write_layout(place / "layout", [base_tar(), data], GZIP)
    theirs = comparable(umoci_unpack(place / "layout", place / "bundle"))
    below = place / "below"
    below.mkdir()
    unpack(io.BytesIO(base_tar()), str(below), owners=RealOwners())
    ours = comparable(merge(place, [str(diff), str(below)]))
    assert sorted(ours) == sorted(theirs)
    for name in ours:
        if name == "etc":
            continue  # implied by the base, see above
        assert _without_notes(ours[name]) == theirs[name], name


def _without_notes(node: tuple[object, ...]) -> tuple[object, ...]:
    *rest, xattrs = node
    assert isinstance(xattrs, tuple)
    return (*rest, tuple(pair for pair in xattrs if not pair[0].startswith("user.overlay.")))


@pytest.mark.parametrize("compression", [UNCOMPRESSED, GZIP, ZSTD])
def test_skopeo_reads_what_we_pack(place: Path, compression: str) -> None:
    """skopeo checks every digest, and gives the tars back."""
    tars = [base_tar(), packed(upper(place))]
    write_layout(place / "layout", tars, compression)
    source, copy = f"oci:{place}/layout:test", place / "copy"
    skopeo = [needs("skopeo"), "--insecure-policy"]
    shown = subprocess.run([*skopeo, "inspect", source], check=True, capture_output=True).stdout
    assert len(json.loads(shown)["Layers"]) == 2
    subprocess.run(
        [*skopeo, "copy", "--dest-decompress", source, f"dir:{copy}"], check=True, capture_output=True
    )
    assert [(copy / hashlib.sha256(data).hexdigest()).read_bytes() for data in tars] == tars


def test_we_read_what_skopeo_compresses(place: Path) -> None:
    tars = [base_tar(), packed(upper(place))]
    write_layout(place / "layout", tars, UNCOMPRESSED)
    skopeo = [needs("skopeo"), "--insecure-policy"]
    for compression in (GZIP, ZSTD):
        copy = place / compression
        flags = ["--dest-compress", f"--dest-compress-format={compression}"]
        subprocess.run(
            [*skopeo, "copy", *flags, f"oci:{place}/layout:test", f"dir:{copy}"],
            check=True,
            capture_output=True,
        )
        layers = json.loads((copy / "manifest.json").read_text())["layers"]
        for described, data in zip(layers, tars, strict=True):
            with open(copy / described["digest"].removeprefix("sha256:"), "rb") as stream:
                assert open_decompressed(stream).read() == data


def test_gzip_of_other_programs(place: Path) -> None:
    data = base_tar()
    for level in (1, 9):
        assert open_decompressed(io.BytesIO(gzip.compress(data, level))).read() == data


def test_the_view_shows_what_overlayfs_mounts(place: Path) -> None:
    tars = [base_tar(), second_tar(), packed(upper(place))]
    merged = mounted(place, tars)
    view = MergedView([str(place / f"layer{number}" / "diff") for number in (2, 1, 0)])
    found: dict[str, Node] = {}
    root = view.lookup("/")
    assert root is not None
    pending = [root]
    while pending:
        for node in view.children(pending.pop()):
            found[node.path[1:]] = node
            if node.is_directory:
                pending.append(node)
    assert sorted(found) == sorted(comparable(merged))
    for name, node in found.items():
        there = os.lstat(merged / name)
        here = node.status
        assert (here.st_mode, here.st_uid, here.st_gid) == (there.st_mode, there.st_uid, there.st_gid), name
        if node.is_file:
            assert view.read_file(name) == (merged / name).read_bytes()
