"""Bad input through the whole command line: one clear error, Docker's exit code, nothing left behind.

As root and as an ordinary user. What an error must say is held down to the words; that nothing is left
is seen in the store's directories and asked of `system check`.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.caller import ORDINARY_ID, Caller
from tests.interop.oci_tools import RealRegistry, needs, real_registry, tar_of, write_oci_layout

BASE = "busybox"
TRANSIENT = ("staging", "trash", "containers")
KEPT = ("layers", "blobs")


class Bad:
    """A caller whose store holds busybox, and who is told what is wrong."""

    def __init__(self, caller: Caller, tar: Path) -> None:
        self.caller = caller
        self.home = caller.home
        self.context = caller.home / "context"
        self.context.mkdir()
        self.write("a.txt", "a\n")
        caller.cowl("import", str(tar), BASE)
        self.before = self.look()

    def write(self, name: str, text: str) -> Path:
        """A file of the caller's in the context."""
        path = self.context / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.caller.give(self.context)
        return path

    def look(self) -> dict[str, list[str]]:
        """What lies in the store, but for what it keeps for a while of a RUN that failed: that has rows."""
        found = {name: set(os.listdir(self.caller.store / name)) for name in (*TRANSIENT, *KEPT)}
        found["layers"] -= self.failed_steps()
        return {name: sorted(names) for name, names in found.items()}

    def failed_steps(self) -> set[str]:
        """The layers that nothing but failed steps needs."""
        database = sqlite3.connect(f"file:{self.caller.store}/cowl.db?mode=ro", uri=True)
        try:
            rows = database.execute(
                "SELECT layer, min(images.id IN (SELECT image FROM failed_steps)) FROM images"
                " JOIN stack_layers USING (stack) GROUP BY layer"
            ).fetchall()
            steps = {row[0] for row in database.execute("SELECT layer FROM steps")}
        finally:
            database.close()
        return {layer for layer, only in rows if only} - steps

    def refused(self, *words: str, says: Sequence[str], status: int = 1, stdin: bytes | None = None) -> str:
        """Standard error of a cowl that fails with that status, saying all that, and leaving nothing."""
        done = self.caller.cowl(*words, status=status, stdin=stdin)
        said = done.stderr.decode()
        assert said.count("cowl: ") == 1, said
        assert "internal error" not in said and "Errno" not in said, said
        for part in says:
            assert part in said, f"no {part!r} in:\n{said}"
        assert self.look() == self.before, said
        return said

    def build(self, dockerfile: str, *says: str, words: Sequence[str] = ()) -> str:
        """The same for a build of that Dockerfile; the tag must not come into being."""
        self.write("Dockerfile", dockerfile)
        return self.refused("build", "-t", "wrong", *words, str(self.context), says=says)

    def sound(self) -> None:
        """Asks cowl: just the base, no container, no problem."""
        assert self.caller.text("images", "-a", "--format", "{{.Repository}}") == BASE
        assert self.caller.text("ps", "-aq") == ""
        assert self.caller.text("system", "check") == "0 problems"


@pytest.fixture
def bad(caller: Caller, busybox_tar: Path) -> Iterator[Bad]:
    made = Bad(caller, busybox_tar)
    yield made
    made.sound()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


# Dockerfiles


def test_a_slip_in_an_instruction(bad: Bad) -> None:
    bad.build(
        f"FROM {BASE}\n\n  RUNN echo hi\n",
        "Dockerfile:3:3: unknown instruction: RUNN\n",
        "\n    3 |   RUNN echo hi\n      |   ^^^^\n",
        "Did you mean RUN?",
    )


def test_sources_that_are_not_there(bad: Bad) -> None:
    bad.write("folder/kept.md", "x")
    bad.build(
        f"FROM {BASE}\nCOPY a.txr /x\n",
        'Dockerfile:2:6: "a.txr": not found in the build context',
        "      |      ^^^^^",
        "Did you mean a.txt?",
    )
    bad.build(
        f"FROM {BASE}\nCOPY ../a /x\n", 'Dockerfile:2:6: "../a": not found', "only the files of its context"
    )
    bad.build(f"FROM {BASE}\nCOPY a.txt none/b /x/\n", 'Dockerfile:2:12: "none/b"', "no folder none")
    bad.write(".dockerignore", "# not these\n*.md\n\n*.txt\n!b.txt\nfolder\n")
    bad.build(
        f"FROM {BASE}\nCOPY a.txt /x\n",
        'Dockerfile:2:6: "a.txt" is in the build context, but .dockerignore:4 (*.txt) excludes it',
        "!a.txt",
    )
    bad.build(f"FROM {BASE}\nCOPY folder /x\n", ".dockerignore:6 (folder) excludes it")
    os.remove(bad.context / ".dockerignore")
    os.chmod(bad.context / "a.txt", 0)
    if bad.caller.name != "root":
        bad.build(f"FROM {BASE}\nCOPY a.txt /x\n", "Dockerfile:2:", "can't read a.txt", "Permission denied")


@pytest.mark.parametrize(
    ("instruction", "says"),
    [
        ("RUN --device=vendor.com/x true", ":2:14: RUN --device"),
        ("COPY https://example.com/x /x", ":2:6: COPY fetches no URL"),
    ],
)
def test_what_is_refused(instruction: str, says: str, root_caller: Caller, busybox_tar: Path) -> None:
    bad = Bad(root_caller, busybox_tar)
    said = bad.build(f"FROM {BASE}\n{instruction}\n", f"Dockerfile{says}", "      | ")
    assert "#" not in said, "it is refused before anything runs"
    hint = said.splitlines()[-1]
    assert hint.endswith("."), said
    bad.sound()


def test_a_base_with_triggers(caller: Caller, busybox_tar: Path) -> None:
    """What a base image says comes from a stranger: its triggers may no more than a Dockerfile of ours."""
    bad = Bad(caller, busybox_tar)
    for trigger, *said in (
        ("RUN exit 3", "ONBUILD of image triggers:1: process", "exit code: 3"),
        ("COPY ../../etc/passwd /x", "ONBUILD of image triggers:1:6: ", "only the files of its context"),
    ):
        bad.write("Dockerfile", f"FROM {BASE}\nONBUILD {trigger}\n")
        caller.cowl("build", "-t", "triggers", str(bad.context))
        bad.before = bad.look()
        bad.build("FROM triggers\n", *said)


def test_copy_from_an_image_that_is_nowhere(root_caller: Caller, busybox_tar: Path) -> None:
    bad = Bad(root_caller, busybox_tar)
    said = bad.build(f"FROM {BASE}\nCOPY --from=localhost:1/x:3 /x /y\n", "Dockerfile:2:13: localhost:1/x:3")
    assert said.count("Dockerfile:2:") == 1, said
    bad.sound()


def test_a_run_that_fails(bad: Bad) -> None:
    said = bad.build(
        f"FROM {BASE}\nRUN echo to stdout; echo to stderr >&2; echo x > /left; exit 7\n",
        "Dockerfile:2:",
        "exit code: 7",
        "cowl run --rm -it",
    )
    assert len(bad.failed_steps()) == 1
    assert said.index("to stdout") < said.index("to stderr")
    bad.build(f"FROM {BASE}\nRUN nonesuch\n", "Dockerfile:2:", "nonesuch: not found", "exit code: 127")
    assert len(bad.failed_steps()) == 2
    bad.build(f'FROM {BASE}\nRUN ["/none/such"]\n', "Dockerfile:2:1: ", "/none/such", "no such file")
    bad.build(f'FROM {BASE}\nRUN ["/etc/passwd"]\n', "Dockerfile:2:1: ", "permission denied")
    bad.build(f"FROM {BASE}\nUSER nobodyknows\nRUN true\n", "Dockerfile:3:1: ", "nobodyknows", "/etc/passwd")
    bad.build(f"FROM {BASE}\nCOPY --chown=who a.txt /\n", "Dockerfile:2:", "no user 'who'", "numbers")
    assert len(bad.failed_steps()) == 2, "only of commands that ran"
    bad.caller.cowl("builder", "prune", "-f")
    assert bad.failed_steps() == set()
    assert len(os.listdir(bad.caller.store / "layers")) == len(bad.before["layers"])


# Contexts, names, flags


def test_contexts(bad: Bad) -> None:
    empty = bad.home / "empty"
    empty.mkdir()
    bad.refused("build", str(bad.home / "none"), says=[f"{bad.home}/none", "context does not exist"])
    bad.refused("build", str(bad.context / "a.txt"), says=["a.txt", "context is not a directory"])
    bad.refused("build", str(empty), says=[f"{empty}/Dockerfile: no such file", "-f"])
    bad.refused("build", "-f", "None", str(bad.context), says=["None: no such file"])
    bad.refused("build", "-f", str(empty), str(bad.context), says=[f"{empty} is a directory", "-f"])
    bad.build("", "Dockerfile", "empty")
    bad.build("# nothing\n", "Dockerfile")
    (bad.context / "Dockerfile").unlink()
    (bad.context / "Dockerfile").symlink_to("/etc/passwd")
    bad.refused("build", str(bad.context), says=["Dockerfile", "leads out"])


def test_names_and_platforms(bad: Bad) -> None:
    context = str(bad.context)
    bad.write("Dockerfile", f"FROM {BASE}\n")
    for words in (("build", "-t", "Wrong:1", context), ("tag", BASE, "Wrong:1"), ("pull", "Wrong:1")):
        bad.refused(*words, says=["'Wrong:1'", "must be lowercase", "did you mean wrong:1?"])
    bad.refused("run", "Wrong", "true", status=125, says=["must be lowercase"])
    bad.refused("import", str(bad.context / "a.txt"), "Wrong", says=["must be lowercase"])
    bad.refused("tag", BASE, "x:-1", says=["tag '-1' may hold"])
    bad.refused("pull", f"{BASE}@sha256:abc", says=["sha256 has 64 hex digits"])
    for platform in ("linux/", "a/b/c/d", "linux/a b"):
        said = [f"invalid platform '{platform}'", "such as linux/arm64"]
        bad.refused("build", "--platform", platform, context, says=said)
        bad.refused("pull", "--platform", platform, BASE, says=said)
    for name in ("-x", "a/b", "x"):
        says = [f"Invalid container name ({name})", "two characters"]
        bad.refused("run", "--rm", "--name", name, BASE, "true", status=125, says=says)
    for words in (("rmi", "none"), ("history", "none"), ("tag", "none", "x"), ("rmi", "sha256:zz")):
        bad.refused(*words, says=["No such image: ", "cowl images"])
    for words in (("rm", "none"), ("diff", "none"), ("exec", "none", "ls")):
        bad.refused(*words, says=["No such container: none"])
    bad.refused("run", "--rm", BASE, "nonesuch", status=127, says=["'nonesuch'", "not found"])
    bad.refused("run", "--rm", BASE, "/etc/passwd", status=126, says=["/etc/passwd", "permission denied"])
    bad.refused("run", "--rm", "-w", "relative", BASE, "true", status=125, says=["relative", "absolute"])
    bad.refused("run", "--rm", "-u", "who", BASE, "true", status=125, says=["who", "/etc/passwd"])


def test_an_image_in_use(bad: Bad) -> None:
    caller = bad.caller
    caller.cowl("run", "--name", "box", BASE, "true")
    bad.before = bad.look()
    bad.refused("rmi", BASE, says=[f'"{BASE}"', "must force", "container", "is using"])
    bad.refused("run", "--name", "box", BASE, "true", status=125, says=["/box", "already in use"])
    caller.cowl("rm", "box")
    argv = caller.argv("run", "--rm", "--name", "live", BASE, "sh", "-c", "echo up; exec sleep 100")
    with subprocess.Popen(argv, env=caller.env, cwd=caller.home, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"up\n"
            bad.before = bad.look()
            base = caller.text("images", "-q", "--no-trunc")
            bad.refused("rmi", "-f", base, says=["running container", "cannot be forced"])
            bad.refused("rm", "live", says=["live", "running"])
        finally:
            process.kill()
    caller.text("ps", "-aq")


# Archives


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """One entry; `fields` are those of TarInfo."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=kind, linkname=target)


def archive(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar of just these entries, whatever they say."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def hostile(canary: Path) -> dict[str, bytes]:
    """Tars that mean to write into `canary`, or to read what is there; all must be refused."""
    up = "../" * 20
    hard = tarfile.LNKTYPE
    inside = str(canary).lstrip("/")
    return {
        "../": archive(entry(f"{up}{inside}/new", b"evil")),
        "a/../../": archive(entry(f"a/{up}{inside}/file", b"evil")),
        "absolute link": archive(link("out", str(canary)), entry("out/new", b"evil")),
        "relative link": archive(link("out", f"{up}{inside}"), entry("out/file", b"evil")),
        "link to /": archive(link("out", "/"), entry(f"out/{inside}/new", b"evil")),
        "chain": archive(link("a", str(canary)), link("b", "a"), entry("b/new", b"evil")),
        "root entry": archive(link("./", str(canary)), entry("new", b"evil")),
        "hard link": archive(link("h", f"{canary}/file", hard)),
        "hard link up": archive(link("h", f"{up}{inside}/file", hard)),
        "hard link through a link": archive(link("out", str(canary)), link("h", "out/file", hard)),
        "whiteout of ..": archive(entry("a", type=tarfile.DIRTYPE), entry("a/.wh...", b"")),
        "whiteout through a link": archive(link("out", str(canary)), entry("out/.wh.file", b"")),
    }


def harmless(canary: Path) -> dict[str, bytes]:
    """Tars that name `canary`, and mean a file of the image's own by it, as for every tar."""
    return {
        "absolute name": archive(entry(f"{canary}/new", b"own")),
        "written over": archive(link("out", f"{canary}/file"), entry("out", b"own", mode=0o777)),
        "links alone": archive(link("out", str(canary)), link("up", "../" * 20)),
    }


def make_canary(caller: Caller) -> Path:
    canary = caller.home / "canary"
    canary.mkdir()
    (canary / "file").write_text("alive")
    return caller.give(canary)


def fingerprint(tree: Path) -> list[tuple[object, ...]]:
    """Everything about a tree that an attack could change."""
    found: list[tuple[object, ...]] = []
    for path in sorted((tree, *tree.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found.append((str(path), status[:6], status.st_mtime_ns, status.st_ctime_ns, content))
    return found


def test_hostile_tars_by_import(bad: Bad) -> None:
    canary = make_canary(bad.caller)
    before = fingerprint(canary)
    for name, tar in hostile(canary).items():
        path = bad.home / "hostile.tar"
        path.write_bytes(tar)
        said = bad.refused("import", str(path), "wrong", says=[f"can't import {path}: entry '"])
        assert fingerprint(canary) == before, f"{name}: {said}"
    for name, tar in harmless(canary).items():
        bad.caller.cowl("import", "-", "harmless", stdin=tar)
        assert fingerprint(canary) == before, name
        bad.caller.cowl("rmi", "harmless")


def test_files_that_are_no_tars(bad: Bad, busybox_tar: Path) -> None:
    whole = busybox_tar.read_bytes()
    packed = gzip.compress(whole, 1)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 1
    for name, data, says in (
        ("cut.tar.gz", packed[: len(packed) // 2], "can't decompress gzip: it is cut off"),
        ("flipped.tar.gz", bytes(flipped), "can't decompress gzip: "),
        ("cut.tar", whole[: len(whole) // 2], "it is cut off in the middle of an entry"),
        ("text.tar", b"just a text\n" * 1000, "it does not begin as a tar does"),
        ("short.tar", b"a", "it does not begin as a tar does"),
        ("empty.tar", b"", "it is empty"),
    ):
        path = bad.home / name
        path.write_bytes(data)
        bad.refused("import", str(path), "wrong", says=[f"can't import {path}: {says}", "the tar of a root"])
        bad.refused("import", "-", "wrong", says=[f"can't import <stdin>: {says}"], stdin=data)
    bad.refused("import", str(bad.home / "none.tar"), says=["none.tar", "No such file"])
    bad.refused("import", str(bad.home), says=[str(bad.home), "Is a directory"])
    bad.refused("import", "-c", "RUN true", str(busybox_tar), says=["RUN"])


# Registries


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    (tmp_path / "registry").mkdir()
    with real_registry(tmp_path / "registry") as running:
        yield running


def serve(
    registry: RealRegistry, directory: Path, name: str, layers: list[bytes], named: Sequence[bytes] = ()
) -> str:
    """An image of these layers in the registry, by its whole name."""
    shutil.rmtree(directory, ignore_errors=True)
    write_oci_layout(directory, layers, named=named)
    registry.fill(directory, f"{name}:1")
    return f"{registry.netloc}/{name}:1"


def test_unknown_images_and_registries(bad: Bad) -> None:
    nobody = f"127.0.0.1:{closed_port()}"
    unreachable = f"can't reach registry {nobody}: connection refused"
    bad.build(
        f"FROM {BASE} AS other\nFROM {nobody}/app:1\nRUN true\n",
        f"Dockerfile:2:6: {nobody}/app:1 is not in the store, and to pull it failed: {unreachable}",
        f"\n    2 | FROM {nobody}/app:1\n",
        "check",
    )
    bad.caller.env["https_proxy"] = f"http://{nobody}"
    bad.build("FROM nosuch:1\n", "Dockerfile:1:6: nosuch:1 is not in the store, and to pull it failed: ")
    said = bad.caller.cowl("run", "nosuch:1", "true", status=125).stderr.decode()
    assert said.startswith("Unable to find image 'nosuch:1' locally\ncowl: can't reach registry ")
    assert bad.look() == bad.before


@needs("docker-registry", "skopeo")
def test_images_that_a_registry_lacks(bad: Bad, registry: RealRegistry, tmp_path: Path) -> None:
    name = serve(registry, tmp_path / "layout", "app", [tar_of({"a": b"a"})])
    bad.refused(
        "pull", f"{registry.netloc}/none:1", says=[f"manifest for {registry.netloc}/none:1 not found"]
    )
    bad.refused("pull", f"{registry.netloc}/app:2", says=[f"manifest for {registry.netloc}/app:2 not found"])
    bad.build(f"FROM {registry.netloc}/app:2\n", "Dockerfile:1:6: manifest for", "app:2 not found")
    bad.refused("pull", "--platform", "linux/s390x", name, says=["linux/s390x"])


@needs("docker-registry", "skopeo")
def test_a_blob_that_rotted_on_the_registrys_disk(bad: Bad, registry: RealRegistry, tmp_path: Path) -> None:
    layers = [tar_of({"good": b"g" * 100_000}), tar_of({"bad": os.urandom(3 << 20)})]
    name = serve(registry, tmp_path / "layout", "app", layers)
    blob = max((tmp_path / "registry" / "storage").rglob("data"), key=lambda path: path.stat().st_size)
    digest = f"sha256:{blob.parent.name}"
    whole = blob.read_bytes()
    for at in (20, len(whole) // 2, len(whole) - 5):
        rotten = bytearray(whole)
        rotten[at] ^= 0x10
        blob.write_bytes(rotten)
        bad.refused("pull", name, says=[digest])
        bad.build(f"FROM {name}\n", "Dockerfile:1:6: ", digest)
    blob.write_bytes(whole[: len(whole) // 2])
    bad.refused("pull", name, says=[digest])
    blob.write_bytes(whole)
    bad.caller.cowl("pull", name)
    bad.caller.cowl("rmi", name)


@needs("docker-registry", "skopeo")
def test_layers_that_are_not_what_they_should_be(bad: Bad, registry: RealRegistry, tmp_path: Path) -> None:
    canary = make_canary(bad.caller)
    before = fingerprint(canary)
    good = tar_of({"etc/name": b"base\n"}, directories=["etc"])
    for number, (what, tar) in enumerate(hostile(canary).items()):
        name = serve(registry, tmp_path / "layout", f"hostile{number}", [good, tar])
        bad.refused("pull", name, says=["layer sha256:", ": bad layer: entry '"])
        assert fingerprint(canary) == before, what
    name = serve(registry, tmp_path / "layout", "text", [good, b"just a text\n" * 100])
    bad.refused("pull", name, says=["layer sha256:", "does not begin as a tar does"])
    other = tar_of({"etc/name": b"other\n"}, directories=["etc"])
    name = serve(registry, tmp_path / "layout", "claims", [good, other], named=[good, good + bytes(512)])
    bad.refused("pull", name, says=["layer sha256:", "config says sha256:"])
    name = serve(registry, tmp_path / "layout", "short", [good, other], named=[good])
    bad.refused("pull", name, says=["short:1", "config names 1 layers, its manifest 2"])


# Stores


def test_places_that_can_be_no_store(caller: Caller, busybox_tar: Path) -> None:
    home = caller.home
    (home / "file").write_text("x")
    (home / "full").mkdir()
    (home / "full" / "letter").write_text("x")
    caller.give(home)
    theirs = home / "theirs"
    theirs.mkdir(mode=0o777)
    theirs.chmod(0o777)
    if os.geteuid() == 0:
        os.chown(theirs, *([ORDINARY_ID] * 2 if caller.name == "root" else [0, 0]))
    cases = [
        (home / "file", ["can't be the store", "not a directory", "--root"]),
        (home / "file" / "store", [f"{home}/file", "--root"]),
        (home / "full", ["can't be the store", "holds 'letter'", "--root"]),
        (Path("/proc/store"), ["the store /proc/store", "No such file"]),
    ]
    if os.geteuid() == 0:
        cases.append((theirs, ["can't use the store", "belongs to uid", "--root"]))
    if caller.name != "root":
        cases.append((Path("/store"), ["can't use the store /store", "Permission denied", "--root"]))
        (home / "locked").mkdir()
        caller.give(home / "locked")
        os.chmod(home / "locked", 0o500)
        cases.append((home / "locked", ["can't use the store", "Permission denied"]))
    for place, says in cases:
        for words in (("images",), ("import", str(busybox_tar), "x"), ("run", "--rm", "x", "true")):
            done = caller.cowl("--root", str(place), *words, status=125 if words[0] == "run" else 1)
            said = done.stderr.decode()
            assert said.count("cowl: ") == 1 and "Errno" not in said, said
            assert all(part in said for part in says), said
    assert os.listdir(home / "full") == ["letter"]
    assert os.listdir(theirs) == []
    assert (home / "file").read_text() == "x"


def test_a_store_of_a_newer_cowl(caller: Caller, busybox_tar: Path) -> None:
    bad = Bad(caller, busybox_tar)
    with sqlite3.connect(caller.store / "cowl.db") as database:
        (ours,) = database.execute("PRAGMA user_version").fetchone()
        database.execute("PRAGMA user_version = 999")
    database.close()
    caller.give(caller.store)
    for words in (("images",), ("build", str(bad.context)), ("system", "df")):
        bad.refused(*words, says=["newer cowl", "999", str(caller.store), "upgrade"])
    with sqlite3.connect(caller.store / "cowl.db") as database:
        database.execute(f"PRAGMA user_version = {ours}")
    database.close()
    caller.give(caller.store)
    bad.sound()


# Ctrl-C, and two at once

ENTRY = (Path(__file__).parents[2] / "bin" / "cowl").read_text().partition("\n")[2]
STARTED = b"\n"  # what an interpreter says when it is up and runs cowl next
DOCKERFILE = (
    f"FROM {BASE}\nWORKDIR /app\nCOPY . .\nRUN echo one > one; sleep 0.05\nRUN rm one; echo two > two\n"
)
STAGES = (
    f"FROM {BASE} AS one\nCOPY . /files\nRUN echo one > /one; sleep 0.03\n"
    f"FROM {BASE} AS two\nRUN echo two > /two; sleep 0.05\n"
    f"FROM {BASE}\nRUN rm -r /root; sleep 0.02\nCOPY --from=one /one /\nCOPY --from=two /two /\n"
)


def interrupt(caller: Caller, words: Sequence[str], seconds: float, presses: int) -> tuple[bool, int, str]:
    """Ctrl-C to cowl after so many seconds: (whether it still ran, exit status, what it said)."""
    code = f"import os; os.write(2, {STARTED!r})\n{ENTRY}"
    with subprocess.Popen(
        caller.python_argv(code, *words),
        env=caller.env,
        cwd=caller.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert os.read(process.stderr.fileno(), 1) == STARTED
        select.select((), (), (), seconds)
        ran = process.poll() is None
        for _ in range(presses):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                select.select((), (), (), 0.002)
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    return ran, process.returncode, said.decode()


def test_interrupted_at_any_moment(
    bad: Bad, busybox_tar: Path, tmp_path: Path, registry: RealRegistry, request: pytest.FixtureRequest
) -> None:
    rounds = 40 if request.config.getoption("--faults") == "long" else 4
    caller = bad.caller
    layers = [tar_of({f"file{number}": os.urandom(1 << 20)}) for number in range(4)]
    name = serve(registry, tmp_path / "layout", "app", layers)
    for number in range(20):
        (bad.context / f"file{number}").write_bytes(os.urandom(50_000))
    bad.write("Dockerfile", DOCKERFILE)
    stages = bad.write("stages", STAGES)
    workloads = [
        (["build", "--no-cache", "-t", "wrong", "-f", str(stages), str(bad.context)], 0.5),
        (["build", "--no-cache", "-t", "wrong", str(bad.context)], 0.4),
        (["pull", name], 0.3),
        (["import", str(busybox_tar), "wrong"], 0.12),
        (["run", "--rm", BASE, "sh", "-c", "trap 'exit 130' INT; echo x > /x; sleep 0.3 & wait"], 0.2),
    ]
    seed = int(time.time())
    dice = random.Random(seed)
    hits = late = 0
    for number in range(rounds * len(workloads)):
        words, longest = workloads[number % len(workloads)]
        presses = 1 if words[0] == "run" else dice.randint(1, 2)  # an impatient one changes nothing
        ran, status, said = interrupt(caller, words, dice.uniform(0, longest), presses)
        where = f"seed {seed}, round {number}, {words[0]}: exit {status}\n{said}"
        late += ran and status == 0  # it was done when Ctrl-C came
        assert status in (0, 130), where
        assert "Traceback" not in said and "Error" not in said and "cowl: " not in said, where
        hits += status == 130
        left = bad.look()
        assert {name: left[name] for name in TRANSIENT} == {name: [] for name in TRANSIENT}, where
        assert caller.text("system", "check") == "0 problems", where
        caller.cowl("rmi", "-f", "wrong", name, status=None)
        caller.cowl("builder", "prune", "-f")
        assert bad.look() == bad.before, where
    assert hits >= rounds, f"only {hits} of {rounds * len(workloads)} were interrupted"
    assert late <= rounds, f"{late} of {rounds * len(workloads)} went on after Ctrl-C"


RUN_RM = ("run", "--rm", "--network", "none")  # an ordinary user without a device for one is told so


def test_a_container_that_ignores_ctrl_c_goes_at_the_third(bad: Bad) -> None:
    caller = bad.caller
    with subprocess.Popen(
        caller.argv(*RUN_RM, BASE, "sh", "-c", "trap '' INT; sleep 0.3; echo up; sleep 100"),
        env=caller.env,
        cwd=caller.home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.1)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 137
    assert said.count(b"\n") == 1 and b"killing the container" in said, said
    assert bad.look() == bad.before


def at_once(caller: Caller, *words: str) -> list[tuple[int, str]]:
    """Two of the same command at the same time: status and standard error of each."""
    started = [
        subprocess.Popen(
            caller.argv(*words),
            env=caller.env,
            cwd=caller.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[1].decode() for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


def test_two_builds_of_one_context(caller: Caller, busybox_tar: Path) -> None:
    bad = Bad(caller, busybox_tar)
    bad.write("Dockerfile", DOCKERFILE)
    for words in ((), ("--no-cache",)):
        for status, said in at_once(caller, "build", "-t", "twice", *words, str(bad.context)):
            assert status == 0, said
    assert caller.text("run", "--rm", "twice", "cat", "two") == "two"
    assert all(not bad.look()[name] for name in TRANSIENT)
    assert caller.text("system", "check") == "0 problems"


@needs("docker-registry", "skopeo")
def test_two_pulls_of_one_image(bad: Bad, registry: RealRegistry, tmp_path: Path) -> None:
    layers = [tar_of({f"file{number}": os.urandom(1 << 20)}) for number in range(4)]
    name = serve(registry, tmp_path / "layout", "app", layers)
    for status, said in at_once(bad.caller, "pull", name):
        assert status == 0, said
    assert len(bad.look()["layers"]) == len(bad.before["layers"]) + len(layers)
    assert bad.caller.text("system", "check") == "0 problems"
    bad.caller.cowl("rmi", name)
    assert bad.look() == bad.before
