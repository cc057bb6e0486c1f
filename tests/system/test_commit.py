"""commit and promote: what a container changed becomes an image, with Docker's config and history."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller
from tests.system.test_snapshots import told

BASE = "app"
DOCKERFILE = """FROM busybox
ENV PATH=/bin KEPT=yes
WORKDIR /work
EXPOSE 80
VOLUME /data
LABEL one=1
SHELL ["/bin/ash", "-c"]
ONBUILD RUN false
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo from the image"]
"""


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), "busybox")
    context = caller.home / "app"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    caller.give(context)
    caller.cowl("build", "-q", "-t", BASE, str(context))
    return caller


def inspected(caller: Caller, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(caller.text("inspect", name))[0]
    return found


def history(caller: Caller, name: str) -> list[dict[str, Any]]:
    lines = caller.text("history", "--no-trunc", "--format", "json", name).splitlines()
    return [json.loads(line) for line in lines]


def test_the_image_is_what_the_container_was(based: Caller) -> None:
    script = "head -c 5000 /dev/zero > /five; rm /etc/group"
    based.cowl("run", "--name", "box", "-e", "NEW=1", "-l", "two=2", "-v", "/mine", BASE, script)
    before = inspected(based, "box")
    found = based.text("commit", "-m", "why", "-a", "who", "box", "made:1")
    image = inspected(based, "made:1")
    assert found == image["Id"]
    base = inspected(based, BASE)
    assert image["RootFS"]["Layers"][:-1] == base["RootFS"]["Layers"]
    assert image["Size"] - base["Size"] == 5000
    assert image["Author"] == "who"
    config = image["Config"]
    assert config["Env"] == ["PATH=/bin", "KEPT=yes", "NEW=1"]
    assert config["Cmd"] == [script]
    assert config["Entrypoint"] == ["/bin/sh", "-c"]
    assert config["WorkingDir"] == "/work"
    assert config["Labels"] == {"one": "1", "two": "2"}
    assert sorted(config["Volumes"]) == ["/data", "/mine"]
    assert list(config.get("ExposedPorts", {})) == ["80/tcp"]
    assert not config.get("OnBuild")
    assert not config.get("Shell")
    newest, *older = history(based, "made:1")
    assert (newest["CreatedBy"], newest["Comment"], newest["Size"]) == (script, "why", "5kB")
    assert len(older) == len(history(based, BASE))
    assert inspected(based, "box") == before
    assert {"C /etc", "D /etc/group", "A /five"} <= set(based.text("diff", "box").splitlines())
    assert based.text("run", "--rm", "--entrypoint", "ls", "made:1", "-l", "/five").split()[4] == "5000"
    assert based.text("system", "check") == "0 problems"


def test_an_untouched_container_adds_no_layer(based: Caller) -> None:
    based.cowl("run", "--name", "box", "busybox", "true")
    based.cowl("commit", "box", "same")
    assert inspected(based, "same")["RootFS"] == inspected(based, "busybox")["RootFS"]
    assert history(based, "same")[0]["Size"] == "0B"
    assert inspected(based, "same")["Id"] != inspected(based, "busybox")["Id"]


def test_changes_are_dockerfile_instructions(based: Caller) -> None:
    based.cowl("run", "--name", "box", BASE, "true")
    based.cowl("commit", "-c", "ENV KEPT=no", "--change", 'ENTRYPOINT ["cat"]', "box", "changed")
    config = inspected(based, "changed")["Config"]
    assert "KEPT=no" in config["Env"]
    assert (config["Entrypoint"], config["Cmd"]) == (["cat"], None)  # as in a Dockerfile
    based.cowl("commit", "-c", 'CMD ["/x"]', "-c", 'ENTRYPOINT ["cat"]', "box", "changed")
    config = inspected(based, "changed")["Config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["cat"], ["/x"])
    done = based.cowl("commit", "-c", "FROM x", "box", status=1)
    assert b"FROM is not a valid change command" in done.stderr
    based.cowl("commit", "--pause", "--no-pause", "box", status=1)
    based.cowl("commit", "nothing", status=1)
    based.cowl("commit", "box", "Bad Name", status=1)
    assert len(based.text("images", "-q").splitlines()) == 4  # those of the fixture and of two commits


def test_files_belong_to_whom_a_run_would_give_them(based: Caller) -> None:
    """The layer of a commit has the owners and modes that the same command has in a build."""
    context = based.home / "same"
    context.mkdir()
    script = "mkdir /tmp/d && umask 027 && echo x > /tmp/d/f && ln -s f /tmp/d/l && chmod 1770 /tmp/d"
    (context / "Dockerfile").write_text(f"FROM busybox\nUSER node\nRUN {script}\n")
    based.give(context)
    based.cowl("build", "-q", "-t", "ran", str(context))
    found = told(
        based,
        f"""
import io, tarfile
from cowl.transfer.layer_blob import rebuild

def entries(layer):
    "Names, owners and modes in a layer's tar, which must hash to its diff_id."
    data = io.BytesIO()
    rebuild(engine.store, layer, data.write)
    data.seek(0)
    with tarfile.open(fileobj=data) as tar:
        return [[each.name, each.uid, each.gid, each.mode, each.linkname] for each in tar]

with engine:
    box = made("box", {script!r}, user="node")
    committed = engine.store.images.get(box.commit("made").id)
    promoted = engine.store.images.get(box.snapshot("kept").promote("promoted").id)
    ran = engine.store.images.find("ran")
    print(json.dumps([entries(image.layers[-1]) for image in (ran, committed, promoted)]))
""",
    )
    ran, committed, promoted = found
    assert ["tmp/d/f", 1000, 1000, 0o640, ""] in ran
    assert committed == ran
    assert promoted == ran


def test_a_running_container_is_paused_for_the_copy(based: Caller) -> None:
    found = told(
        based,
        """
script = '''[ -e /first ] && exec sleep 60
n=0
while :; do n=$((n+1)); echo $n > /new; mv /new /first; echo $n > /new; mv /new /second; done'''
with engine, engine.start("busybox", ["sh", "-c", script]) as box:
    while "/second" not in {change.path for change in box.diff()}:
        time.sleep(0.01)
    pairs = []
    for number in range(4):
        image = box.commit(f"at:{number}", pause=True)
        view = engine.store.view(engine.store.images.get(image.id).layer_keys)
        pairs.append([int(view.read_file(path)) for path in ("/first", "/second")])
    box.commit("torn", pause=False)
    print(json.dumps([pairs, box.state, engine.check() == ()]))
""",
    )
    pairs, state, sound = found
    assert all(first - second in (0, 1) for first, second in pairs)
    assert (state, sound) == ("running", True)


def test_promoted_snapshots_are_images_like_others(based: Caller) -> None:
    """Layers are shared, hashed once, and outlive snapshot, container and base."""
    found = told(
        based,
        """
with engine:
    box = made("box", "echo one > /state")
    first = box.snapshot("first")
    with box.start():
        box.wait()
    second = box.snapshot("second", message="more")
    one = first.promote("one")
    two = second.promote("two", message="said", changes=["CMD cat /state"])
    again = second.promote("three")
    layers = [engine.store.images.get(each.id).layer_keys for each in (one, two, again)]
    frozen = [layer.key for layer in second._record.layers[1:]]
    for name in ("first", "second"):
        engine.remove_snapshot(name)
    engine.remove_container("box")
    engine.remove_image("busybox", force=True)
    said = engine.run("two").stdout.decode()
    print(json.dumps([layers, frozen, said, engine.check() == ()]))
""",
    )
    (one, two, three), frozen, said, sound = found
    assert two == three
    assert two[1:] == frozen
    assert one == two[:2]
    assert (said, sound) == ("one\n", True)
    newest, older, base = history(based, "two")
    assert (newest["Comment"], older["Comment"]) == ("said", "a snapshot")
    assert base["Size"] != "0B"


def test_what_removed_images_leave_can_still_be_promoted(based: Caller) -> None:
    found = told(
        based,
        """
with engine:
    made("box", "echo one > /state").snapshot("kept")
    engine.remove_container("box")
    engine.remove_image("busybox", force=True)
    engine.snapshot("kept").promote("rescued", changes=["CMD cat /state"])
    print(json.dumps([engine.run("rescued").stdout.decode()]))
""",
    )
    assert found == ["one\n"]
    assert len(history(based, "rescued")) == 2


def test_builds_stand_on_promoted_images_and_take_them_along(based: Caller) -> None:
    """A frozen layer's key says nothing of its content: cache, archive and import go by its diff_id."""
    told(
        based,
        """
with engine:
    made("box", "echo one > /state").snapshot("kept").promote("promoted")
    print(json.dumps([]))
""",
    )
    context = based.home / "on-top"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM promoted\nRUN cat /state > /copy\n")
    based.give(context)
    based.cowl("build", "-t", "built", str(context))
    again = based.cowl("build", "-t", "built", "--output", "type=oci,dest=out.tar", str(context))
    assert b"CACHED" in again.stderr
    diff_ids = inspected(based, "built")["RootFS"]["Layers"]
    with tarfile.open(based.home / "out.tar") as archive:

        def member(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file is not None
            return file.read()

        manifest = json.loads(member("index.json"))["manifests"][0]["digest"]
        layers = json.loads(member(f"blobs/sha256/{manifest[7:]}"))["layers"]
        blobs = [gzip.decompress(member(f"blobs/sha256/{layer['digest'][7:]}")) for layer in layers]
    assert [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in blobs] == diff_ids
    assert inspected(based, "promoted")["RootFS"]["Layers"] == diff_ids[:-1]
    (key,) = told(
        based,
        f"""
with engine:
    found = engine.store.layers.find({diff_ids[1]!r}, None)
    assert found.key not in found.diff_id
    print(json.dumps([found.key]))
""",
    )
    assert key in based.text("snapshot", "inspect", "kept")
