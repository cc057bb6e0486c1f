"""Contexts that are no directory: streams, URLs, git repositories; Dockerfiles that come without one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.building import as_fixture
from tests.caller import Caller
from tests.repositories import DATE, Repository, Server, served
from tests.unit.registry.fake_registry import Answer, FakeRegistry, fake_registry

import cowl
from cowl.build.context import NoContext, NoDockerfile
from cowl.build.definition import AmbiguousDockerfile
from cowl.build.remote.contexts import BadContextArchive, EmptyContext
from cowl.build.remote.git_program import GitFailed
from cowl.build.remote.repository import LinkInRepository
from cowl.build.sources import SourceNotFound
from cowl.build.unarchive import BadArchive
from cowl.errors import CowlError, Denied

zstd = pytest.importorskip("backports.zstd")
builder = as_fixture()
DOCKERFILE = "FROM scratch\nCOPY . /all/\n"


def member(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode, info.uid = len(data), 1_000_000_000, 0o640, 1234
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


CONTEXT = tar(
    member("Dockerfile", DOCKERFILE.encode()),
    member(".dockerignore", b"a.txt\n"),
    member("a.txt", b"a"),
    member("d", type=tarfile.DIRTYPE, mode=0o750),
    member("d/run", b"#!", mode=0o4711),
    member("d/Other", b"FROM scratch\nCOPY a.txt /other\n"),
    member("link", type=tarfile.SYMTYPE, linkname="a.txt"),
    member(".wh.file", b"a plain name here"),
)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: bytes(zstd.compress(data)),
}


class Building:
    """Builds through the engine, from any context."""

    def __init__(self, engine: cowl.Engine) -> None:
        self.engine = engine

    def files(self, context: Any, **options: Any) -> dict[str, str]:
        """Builds; the texts of all files in the image, by path."""
        image = self.engine.build(context, **options)
        record = self.engine.store.images.find(image.id)
        view = self.engine.store.view(record.layer_keys)
        found = {}
        pending = ["/"]
        while pending:
            node = view.lookup(pending.pop(), follow=False)
            assert node is not None
            if node.is_directory:
                pending += [child.path for child in view.children(node)]
            elif node.is_file:
                found[node.path] = view.read_file(node.path).decode(errors="replace")
        return found

    def leftovers(self) -> list[str]:
        staging = Path(self.engine.store.root, "staging")
        return [str(path) for owner in staging.iterdir() for path in owner.iterdir()]


@pytest.fixture
def building(tmp_path: Path) -> Iterator[Building]:
    with cowl.Engine(tmp_path / "store") as engine:
        yield Building(engine)


@pytest.fixture
def web() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("git")) as running:
        made = Repository(running.root / "app.git")
        made.write("Dockerfile", DOCKERFILE)
        made.write(".dockerignore", "a.txt\n")
        made.write("a.txt", "a")
        made.write("sub/Dockerfile", "FROM scratch\nCOPY page .dockerignore* /\n")
        made.write("sub/page", "page")
        os.symlink("/etc/passwd", made.path / "evil")
        os.symlink("sub", made.path / "link")
        made.commit()
        made.git("tag", "v1")
        made.write("a.txt", "b")
        made.commit()
        yield running


ALL = ("/all/.dockerignore", "/all/.wh.file", "/all/Dockerfile", "/all/a.txt", "/all/d/Other", "/all/d/run")


@pytest.mark.parametrize("packer", PACKERS)
def test_a_stream_of_an_archive(building: Building, packer: str) -> None:
    data = PACKERS[packer](tar(*_members(without=".wh.file")))
    found = building.files(io.BytesIO(data), tags=["one"])
    assert sorted(found) == [name for name in ALL if "wh" not in name]  # .dockerignore has no say
    assert found["/all/a.txt"] == "a"
    assert building.leftovers() == []


def _members(without: str = "") -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(CONTEXT)) as archive:
        found = []
        for info in archive:
            file = archive.extractfile(info) if info.isfile() else None
            if info.name != without:
                found.append((info, file.read() if file else b""))
        return found


def test_owners_and_modes_and_times(building: Building, tmp_path: Path) -> None:
    image = building.engine.build(io.BytesIO(CONTEXT), dockerfile=b"FROM scratch\nCOPY d a.txt /\n")
    record = building.engine.store.images.find(image.id)
    view = building.engine.store.view(record.layer_keys)
    for path, mode in (("/run", 0o4711), ("/a.txt", 0o640)):
        node = view.lookup(path)
        assert node is not None
        assert (node.status.st_uid, node.status.st_gid) == (0, 0)  # as the files of a directory
        assert node.status.st_mode & 0o7777 == mode
        assert node.status.st_mtime == 1_000_000_000


def test_the_same_files_from_anywhere_are_the_same_steps(
    building: Building, web: FakeRegistry, tmp_path: Path
) -> None:
    data = tar(member("Dockerfile", DOCKERFILE.encode(), mode=0o644), member("a.txt", b"a", mode=0o644))
    web.answers["/c"] = Answer(body=gzip.compress(data))
    here = tmp_path / "here"
    here.mkdir()
    for name, text in (("Dockerfile", DOCKERFILE), ("a.txt", "a")):
        (here / name).write_text(text)
        (here / name).chmod(0o644)
    images = {building.engine.build(source).id for source in (str(here), io.BytesIO(data), f"{web.url}/c")}
    assert len(images) == 1


def test_a_stream_of_a_dockerfile(building: Building) -> None:
    text = b"FROM scratch\nLABEL a=b\n"
    image = building.engine.build(io.BytesIO(text))
    assert dict(image.attrs()["Config"]["Labels"]) == {"a": "b"}
    with pytest.raises(SourceNotFound, match=r"^Dockerfile:2:6: .*not found in the build context"):
        building.engine.build(io.BytesIO(b"FROM scratch\nCOPY a /\n"))
    with pytest.raises(AmbiguousDockerfile):
        building.engine.build(io.BytesIO(text), dockerfile="Other")
    assert building.leftovers() == []


def test_no_context_at_all(building: Building) -> None:
    assert building.files(None, dockerfile=b"FROM scratch\nCOPY <<x /\nhi\nx\n") == {"/x": "hi\n"}
    with pytest.raises(NoDockerfile, match="Dockerfile in the empty context"):
        building.engine.build(None)


def test_a_dockerfile_as_text_beside_a_context(building: Building, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / ".dockerignore").write_text("b.txt\nstore\n")
    text = b"FROM scratch\nCOPY *.txt /\n"
    assert building.files(tmp_path, dockerfile=text) == {"/a.txt": "a"}
    assert building.files(tmp_path, dockerfile=io.BytesIO(text)) == {"/a.txt": "a"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other/Dockerfile").write_bytes(text)
    assert building.files(tmp_path, dockerfile=tmp_path / "other/Dockerfile") == {"/a.txt": "a"}


def test_another_dockerfile_of_the_archive(building: Building) -> None:
    assert building.files(io.BytesIO(CONTEXT), dockerfile="d/Other") == {"/other": "a"}
    with pytest.raises(NoDockerfile, match="nope in the stream with the context"):
        building.engine.build(io.BytesIO(CONTEXT), dockerfile="nope")


def test_streams_that_are_no_context(building: Building) -> None:
    for data, kind in (
        (b"", EmptyContext),
        (gzip.compress(b"FROM scratch\n"), BadContextArchive),
        (gzip.compress(CONTEXT)[:200], CowlError),
        (CONTEXT[:2000], BadArchive),
        (b"\0" * 4000, CowlError),
    ):
        with pytest.raises(kind):
            building.engine.build(io.BytesIO(data))
        assert building.leftovers() == []


def test_hostile_archives_reach_nothing(building: Building, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "file").write_text("canary")
    before = (canary / "file").stat()
    at, up = str(canary), "../" * 40 + str(canary)[1:]
    dockerfile = member("Dockerfile", DOCKERFILE.encode())
    for members in (
        [member(f"{up}/file", b"x")],
        [member("a", type=tarfile.SYMTYPE, linkname=up), member("a/file", b"x")],
        [member("a", type=tarfile.LNKTYPE, linkname=f"{up}/file")],
        [member("ok"), member("f", type=b"Z")],
    ):
        with pytest.raises(BadArchive, match="can't unpack the stream with the context: "):
            building.engine.build(io.BytesIO(tar(dockerfile, *members)))
    found = building.files(
        io.BytesIO(
            tar(
                dockerfile,
                member("a", type=tarfile.SYMTYPE, linkname=at),
                member("a/file", b"inside"),
                member("secret", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
                member("disk", type=tarfile.BLKTYPE, devmajor=8),
            )
        )
    )
    assert sorted(found) == ["/all/Dockerfile", f"/all{at}/file"]
    for name in ("Dockerfile", "x/Dockerfile"):
        evil = tar(member(name, type=tarfile.SYMTYPE, linkname="../../../../etc/passwd"))
        with pytest.raises((Denied, NoDockerfile)):
            building.engine.build(io.BytesIO(evil), dockerfile=name)
    assert (canary / "file").stat() == before
    assert building.leftovers() == []


def test_urls(building: Building, web: FakeRegistry) -> None:
    web.answers["/context.tgz"] = Answer(body=gzip.compress(CONTEXT))
    web.answers["/Dockerfile"] = Answer(body=b"FROM scratch\nCOPY . /x/\n")
    web.answers["/empty"] = Answer(body=b"")
    found = building.files(f"{web.url}/context.tgz?canary", dockerfile="d/Other")
    assert found == {"/other": "a"}
    # a Dockerfile is a context with one file in it, called as BuildKit calls it
    assert building.files(f"{web.url}/Dockerfile") == {"/x/context": "FROM scratch\nCOPY . /x/\n"}
    with pytest.raises(NoDockerfile, match=r"nope in http://.*/context.tgz: no such file") as caught:
        building.engine.build(f"{web.url}/context.tgz?canary", dockerfile="nope")
    assert "canary" not in caught.value.message
    assert "staging" not in caught.value.message
    with pytest.raises(EmptyContext):
        building.engine.build(f"{web.url}/empty")
    with pytest.raises(CowlError, match="the server answers 404"):
        building.engine.build(f"{web.url}/nope")
    assert building.leftovers() == []


def test_git_repositories(building: Building, git: Server) -> None:
    found = building.files(f"{git.http}/app.git#v1")
    names = (".dockerignore", "Dockerfile", "a.txt", "sub/Dockerfile", "sub/page")
    assert sorted(found) == [f"/all/{name}" for name in names]
    assert found["/all/a.txt"] == "a"
    assert building.files(f"{git.http}/app.git")["/all/a.txt"] == "b"
    assert building.files(f"{git.http}/app.git#:sub") == {"/page": "page"}
    assert building.files(f"{git.git}/app.git?subdir=sub&tag=v1") == {"/page": "page"}
    kept = building.files(f"{git.http}/app.git", build_args={"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1"})
    assert "/all/.git/HEAD" in kept
    image = building.engine.build(f"{git.http}/app.git#:sub")
    view = building.engine.store.view(building.engine.store.images.find(image.id).layer_keys)
    node = view.lookup("/page")
    assert node is not None
    assert node.status.st_mtime == DATE
    assert building.leftovers() == []


def test_git_contexts_that_lead_out(building: Building, git: Server, tmp_path: Path) -> None:
    with pytest.raises(LinkInRepository):
        building.engine.build(f"{git.http}/app.git#:link")
    with pytest.raises((Denied, NoDockerfile)):
        building.engine.build(f"{git.http}/app.git", dockerfile="evil")
    with pytest.raises((GitFailed, CowlError)):
        building.engine.build(f"{git.http}/app.git#--upload-pack=touch")
    with pytest.raises(NoContext):
        building.engine.build("ext::sh -c date")
    with pytest.raises(NoContext):
        building.engine.build(f"file://{tmp_path}")
    assert building.leftovers() == []


def test_a_password_in_a_context_stays_secret(building: Building, git: Server) -> None:
    git.anonymous = False
    try:
        url = f"http://user:canary@{git.netloc}/app.git"
        events: list[object] = []
        engine = cowl.Engine(building.engine.store.root, on_event=events.append)
        with engine:
            image = engine.build(url, tags=["secret"])
            with pytest.raises(CowlError) as caught:
                engine.build(url.replace("/app", "/nope"))
        assert "canary" not in f"{caught.value.message}{caught.value.hint}{events}{image.attrs()}"
        for path in Path(building.engine.store.root).rglob("*"):
            if path.is_file() and not path.is_symlink():
                assert b"canary" not in path.read_bytes(), path
    finally:
        git.anonymous = True


def test_named_contexts(building: Building, git: Server, web: FakeRegistry, tmp_path: Path) -> None:
    web.answers["/c.tgz"] = Answer(body=gzip.compress(CONTEXT))
    text = b"FROM scratch AS x\nFROM scratch\nCOPY --from=repo page /\nCOPY --from=web a.txt /\n"
    contexts = {"repo": f"{git.http}/app.git#:sub", "web": f"{web.url}/c.tgz"}
    found = building.files(None, dockerfile=text, build_contexts=contexts)
    assert found == {"/page": "page", "/a.txt": "a"}
    assert building.leftovers() == []


def test_checks(building: Building, git: Server) -> None:
    findings = building.engine.check_dockerfile(io.BytesIO(b"FROM scratch\nMAINTAINER me\n"))
    assert [each.rule for each in findings] == ["MaintainerDeprecated"]
    assert building.engine.check_dockerfile(f"{git.http}/app.git#:sub") == ()


# The command line


def test_the_command_line(caller: Caller, web: FakeRegistry, shared_dir: Path) -> None:
    context = gzip.compress(tar(*_members(without=".wh.file")))
    caller.cowl("build", "-t", "tar", "-", stdin=context)
    caller.cowl("build", "-t", "plain", "-", stdin=b"FROM scratch\nLABEL a=b\n")
    assert caller.text("inspect", "-f", "{{.Config.Labels}}", "plain") == "map[a:b]"
    here = caller.home / "here"
    here.mkdir()
    (here / "a.txt").write_text("a")
    caller.give(here)
    caller.cowl("build", "-t", "both", "-f", "-", str(here), stdin=b"FROM scratch\nCOPY a.txt /\n")
    caller.cowl("build", "-t", "other", "-f", "d/Other", "-", stdin=context)
    web.answers["/c"] = Answer(body=context)
    caller.cowl("build", "-t", "url", "-f", "d/Other", f"{web.url}/c")
    assert caller.text("images", "-q", "url") == caller.text("images", "-q", "other")
    for words, stdin, said in (
        (("-f", "-", "-"), b"FROM scratch", b"can't use stdin for both build context and dockerfile"),
        (("-f", "x", "-"), b"FROM scratch", b"there are two Dockerfiles"),
        (("-",), b"", b"the stream with the context is empty"),
        (("nowhere",), b"", b"the build context does not exist"),
        ((str(here / "a.txt"),), b"", b"the build context is not a directory"),
    ):
        done = caller.cowl("build", *words, stdin=stdin, status=None)
        assert done.returncode != 0
        assert said in done.stderr


def test_a_crash_leaves_nothing(root_caller: Caller, shared_dir: Path) -> None:
    """Killed while the context comes in, what was unpacked is gone with the next command."""
    data = tar(member("Dockerfile", b"FROM scratch\n"), member("big", b"x" * 3_000_000), member("more", b"y"))
    process = subprocess.Popen(
        root_caller.argv("build", "-"),
        env=root_caller.env,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(data[:2_000_000])
    process.stdin.flush()
    staging = root_caller.store / "staging"
    for _ in range(500):
        if list(staging.glob("*/*/diff/big")):
            break
        time.sleep(0.01)
    else:
        process.kill()
        pytest.fail("nothing was unpacked")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    root_caller.cowl("images")
    assert list(staging.iterdir()) == []
