"""Volumes: named, filled once from a hostile tree, never removed from under a container, mended."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.store.making import KILLED, add_image, add_layer, in_child, leftovers, open_store
from tests.unit.store.sweep import before_step, killed_at

from cowl.accounting.walk import verify
from cowl.config import Config
from cowl.layer.view import WrongKind
from cowl.linux.process import ProcessId
from cowl.store import Store
from cowl.store.containers import ContainerRecord
from cowl.store.volume_record import Claim, InvalidVolumeName, NoSuchVolume, VolumeDamaged, VolumeInUse

CAPABILITY = bytes.fromhex("0100000200040000" + "0" * 24)  # cap_net_bind_service=ep
NOBODY = 2**22 - 1  # a pid that is not given out


def box(store: Store, *claims: Claim, name: str = "", auto_remove: bool = False) -> ContainerRecord:
    """A created container with these volumes."""
    image = add_image(store, "app", [add_layer(store, "app")])
    return store.containers.create(
        name, image.id, image.layer_keys, {}, auto_remove=auto_remove, volumes=claims
    )


def run(store: Store, record: ContainerRecord) -> None:
    """Starts it with this process as its first one."""
    store.containers.started(record.id, ProcessId.current())


def names(store: Store) -> list[str]:
    return [volume.name for volume in store.volumes.list()]


def tree(path: Path, **files: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def fill(store: Store, volume: str, top: Path, path: str = "/data") -> None:
    store.volumes.fill(volume, store.view((), str(top)), path)


def inside(store: Store, volume: str) -> Path:
    return Path(store.volumes.get(volume).path)


# Names, rows, removal


def test_create_is_idempotent_and_keeps_the_first_labels(store: Store) -> None:
    one = store.volumes.create("data", {"a": "1"})
    (Path(one.path) / "kept").write_text("x")
    again = store.volumes.create("data", {"b": "2"})
    assert again == one and again.labels == (("a", "1"),) and not again.anonymous
    assert os.listdir(one.path) == ["kept"]
    assert stat.S_IMODE(os.stat(one.path).st_mode) == 0o755
    made_up = store.volumes.create()
    assert made_up.anonymous and len(made_up.name) == 64 and set(made_up.name) <= set("0123456789abcdef")
    assert store.check() == [] and leftovers(store.root) == {}


@pytest.mark.parametrize(
    "name", ["a", "../x", "a/b", "/etc", "..", ".hidden", "-rf", "a b", "a\n", "ü", "a\0b", "x" * 201]
)
def test_a_name_is_a_plain_word(store: Store, name: str) -> None:
    with pytest.raises(InvalidVolumeName):
        store.volumes.create(name)
    with pytest.raises(InvalidVolumeName):
        box(store, Claim(name, "/data"))
    assert os.listdir(f"{store.root}/volumes") == [] and store.containers.list() == ()


def test_a_long_name_with_dots_goes_through_the_trash_and_back(root: Path) -> None:
    name = "v1.2." + "x" * 195

    def die_between() -> None:
        own = open_store(root)
        (Path(own.volumes.create(name).path) / "x").write_text("kept")
        os.rename(own.directory.volume(name), f"{own.directory.trash}/volume.{name}.1.1.abcd")
        own.layers.stage()
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die_between) == KILLED
    with open_store(root) as store:
        assert (inside(store, name) / "x").read_text() == "kept"
        store.volumes.remove(name)
        assert names(store) == [] and leftovers(root) == {}


def test_what_a_container_has_is_not_removed(store: Store) -> None:
    record = box(store, Claim("data", "/a"), Claim("data", "/b"))
    assert store.volumes.get("data").containers == (record.id,)
    with pytest.raises(VolumeInUse, match=rf"volume is in use - \[{record.id[:12]}\]"):
        store.volumes.remove("data")
    store.containers.remove(record.id)
    assert names(store) == ["data"]
    store.volumes.remove("data")
    assert not os.path.exists(store.directory.volume("data")) and not os.listdir(f"{store.root}/trash")
    with pytest.raises(NoSuchVolume):
        store.volumes.remove("data")


def test_anonymous_volumes_go_with_their_container_when_asked(store: Store) -> None:
    kept = box(store, Claim("a" * 64, "/a", anonymous=True))
    store.containers.remove(kept.id)
    assert names(store) == ["a" * 64]
    asked = box(store, Claim("b" * 64, "/a", anonymous=True), Claim("named", "/b"))
    store.containers.remove(asked.id, volumes=True)
    auto = box(store, Claim("c" * 64, "/a", anonymous=True), auto_remove=True)
    store.containers.remove(auto.id)
    assert names(store) == ["a" * 64, "named"] and store.check() == []


def test_an_anonymous_volume_that_somebody_names_is_kept(store: Store) -> None:
    first = box(store, Claim("a" * 64, "/a", anonymous=True))
    second = box(store, Claim("a" * 64, "/x"))
    store.containers.remove(first.id, volumes=True)
    store.containers.remove(second.id, volumes=True)
    assert names(store) == ["a" * 64] and not store.volumes.get("a" * 64).anonymous


def test_a_container_that_could_not_be_made_leaves_no_volume(store: Store) -> None:
    box(store, name="taken")
    with pytest.raises(Exception, match="already in use"):
        box(store, Claim("new", "/a"), name="taken")
    assert names(store) == [] and os.listdir(f"{store.root}/volumes") == []


def test_lost_files_are_told(store: Store) -> None:
    store.volumes.create("data")
    os.rename(store.directory.volume("data"), f"{store.root}/elsewhere")
    assert [(p.kind, p.name) for p in store.check()] == [("volume", "data")]
    with pytest.raises(VolumeDamaged, match="data/data"):
        box(store, Claim("data", "/a"))
    store.volumes.remove("data")
    assert store.check() == []


# Filling


def test_filled_once_with_all_that_a_file_is(store: Store, tmp_path: Path) -> None:
    data = tree(tmp_path / "image" / "data", one="1", two="2")
    (data / "sub").mkdir(mode=0o750)
    os.link(data / "one", data / "sub" / "same")
    os.symlink("/etc/passwd", data / "link")
    os.mkfifo(data / "pipe", 0o620)
    os.setxattr(data / "one", "user.mine", b"x")
    os.chmod(data / "two", 0o4711)
    if os.geteuid() == 0:
        for number, name in enumerate(("one", "link", "pipe", "sub", ".")):
            os.chown(data / name, 1000 + number, 2000 + number, follow_symlinks=False)
        os.setxattr(data / "one", "security.capability", CAPABILITY)
    data.chmod(0o1777)
    os.utime(data / "two", (1, 2))
    store.volumes.create("vol")
    fill(store, "vol", tmp_path / "image")
    seen = inside(store, "vol")
    for name in ("one", "two", "link", "pipe", "sub", "."):
        want, got = os.lstat(data / name), os.lstat(seen / name)
        assert (got.st_mode, got.st_uid, got.st_gid) == (want.st_mode, want.st_uid, want.st_gid), name
    assert os.readlink(seen / "link") == "/etc/passwd" and os.getxattr(seen / "one", "user.mine") == b"x"
    assert os.stat(seen / "one").st_ino == os.stat(seen / "sub" / "same").st_ino
    assert os.stat(seen / "two").st_mtime == 2
    if os.geteuid() == 0:
        assert os.getxattr(seen / "one", "security.capability") == CAPABILITY
    (data / "one").write_text("changed")
    (data / "three").write_text("3")
    (seen / "two").unlink()
    fill(store, "vol", tmp_path / "image")
    assert (seen / "one").read_text() == "1" and sorted(os.listdir(seen)) == ["link", "one", "pipe", "sub"]
    assert store.check() == [] and os.listdir(store.directory.volume("vol")) == ["data"]


def test_layers_show_as_one_and_whiteouts_hold(store: Store) -> None:
    low = add_layer(store, "low", {"data/a": 3, "data/gone": 3, "data/sub/x": 3})
    with store.layers.stage() as stage:
        os.makedirs(f"{stage.diff}/data")
        os.mknod(f"{stage.diff}/data/gone", stat.S_IFCHR, 0)
        top = store.layers.commit(stage, "sha256:" + "1" * 64, 1024)
    store.volumes.create("vol")
    store.volumes.fill("vol", store.view([low.key, top.key]), "/data/../data")
    assert sorted(os.listdir(inside(store, "vol"))) == ["a", "sub"]
    assert os.listdir(inside(store, "vol") / "sub") == ["x"]


def test_nothing_is_followed_out_of_a_hostile_tree(store: Store, tmp_path: Path) -> None:
    canary = tree(tmp_path / "canary", secret="s")
    image = tree(tmp_path / "image")
    os.symlink(canary, image / "direct")
    os.symlink("../" * 40 + str(canary)[1:], image / "up")
    os.symlink("/proc/self/root" + str(canary), image / "magic")
    os.symlink("loop", image / "loop")
    os.symlink("/inner", image / "well")
    tree(image / "inner", mine="m")
    if os.geteuid() == 0:
        os.mknod(image / "inner" / "disk", stat.S_IFBLK | 0o666, os.makedev(7, 0))
        os.mknod(image / "inner" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for path in ("/direct", "/up", "/magic", "/../../.." + str(canary), "/proc/self/fd/0"):
        store.volumes.create("vol")
        fill(store, "vol", image, path)
        assert os.listdir(inside(store, "vol")) == []
    with pytest.raises(Exception, match="too many symbolic links"):
        fill(store, "vol", image, "/loop")
    fill(store, "vol", image, "/well")
    assert os.listdir(inside(store, "vol")) == ["mine"]
    assert sorted(os.listdir(canary)) == ["secret"]


def test_a_file_is_no_volume(store: Store, tmp_path: Path) -> None:
    store.volumes.create("vol")
    with pytest.raises(WrongKind, match="/data in the image is a file"):
        fill(store, "vol", tree(tmp_path / "image", data="x"))
    assert leftovers(store.root).get("trash") is None


def test_what_another_wrote_meanwhile_stays(store: Store, tmp_path: Path) -> None:
    """A container that runs may write between our look and our move (CVE-2020-1726's class)."""
    image = tree(tmp_path / "image")
    tree(image / "data", mine="image", other="image")
    store.volumes.create("vol")
    directory = store.directory.volume("vol")
    os.rename(tree(tmp_path / "staged", mine="image", other="image"), f"{directory}/fill")
    os.symlink("/etc/passwd", f"{directory}/data/mine")
    inode = os.stat(f"{directory}/data").st_ino
    fill(store, "vol", image)
    assert os.readlink(f"{directory}/data/mine") == "/etc/passwd"
    assert Path(directory, "data", "other").read_text() == "image"
    assert os.stat(f"{directory}/data").st_ino == inode and os.listdir(directory) == ["data"]


def test_two_fill_at_once_and_one_wins(store: Store, root: Path, tmp_path: Path) -> None:
    for number in range(2):
        tree(tmp_path / str(number) / "data", **{f"{name}": str(number) for name in "abcdef"})
    store.volumes.create("vol")
    pids = []
    for number in range(2):
        pid = os.fork()
        if pid == 0:
            with open_store(root) as own:
                fill(own, "vol", tmp_path / str(number))
            os._exit(0)
        pids.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 0]
    texts = {(inside(store, "vol") / name).read_text() for name in "abcdef"}
    assert len(texts) == 1 and len(os.listdir(inside(store, "vol"))) == 6
    assert os.listdir(store.directory.volume("vol")) == ["data"]


# Figures


def test_figures_are_kept_once_it_has_come_to_rest(root: Path) -> None:
    now = [1000.0]
    with Store.open(Config(root=str(root)), clock=lambda: now[0]) as store:
        record = box(store, Claim("vol", "/v"))
        run(store, record)
        (inside(store, "vol") / "x").write_bytes(b"x" * 5000)
        os.sync()
        now[0] += 100
        assert store.volumes.measure("vol") == (5000, verify(str(root)).under("volumes")["vol"])
        assert store.rows().volumes[0].measured_at == 0, "it runs"
        store.containers.exited(record.id, 0)
        assert store.volumes.measure("vol")[0] == 5000 and store.rows().volumes[0].measured_at == 0
        now[0] += 100
        assert store.volumes.measure("vol")[0] == 5000
        assert store.rows().volumes[0].measured_at == now[0] and store.check() == []
        (inside(store, "vol") / "behind").write_bytes(b"x" * 9000)
        os.sync()
        assert [(problem.kind, problem.name) for problem in store.check()] == [("volume", "vol")]
        box(store, Claim("vol", "/v"))
        assert store.volumes.measure("vol")[0] == 14000 and store.check() == []


# Crashes


def volume_work(root: Path, image: Path) -> Callable[[], None]:
    def work() -> None:
        with open_store(root) as store:
            store.volumes.create("named", {"a": "b"})
            claims = (Claim("named", "/data"), Claim("run", "/r"), Claim("f" * 64, "/x", anonymous=True))
            record = box(store, *claims, auto_remove=True)
            store.volumes.fill("named", store.view((), str(image)), "/data")
            store.containers.started(record.id, ProcessId.current().replace(pid=NOBODY))
            store.containers.remove(record.id)
            store.volumes.remove("run")

    return work


def whole(store: Store, when: str) -> None:
    """Nothing is left half-made, and no volume half filled; then all of it is removed."""
    assert store.check() == [] and leftovers(store.root) == {}, when
    assert set(names(store)) <= {"named", "run"}, when
    for record in store.containers.list():
        store.containers.remove(record.id)
    for volume in store.volumes.list():
        assert len(os.listdir(volume.path)) in (0, 3), when
        assert os.listdir(store.directory.volume(volume.name)) == ["data"], when
        store.volumes.remove(volume.name)
    for image in store.images.list():
        store.images.remove(image.id)
    assert os.listdir(f"{store.root}/volumes") == [], when


def test_killed_at_some_steps(root: Path, tmp_path: Path) -> None:
    image = tree(tmp_path / "image")
    tree(image / "data", a="1", b="2", c="3")
    work = volume_work(root, image)
    for step in range(0, 1000, 17):
        if not killed_at(step, work):
            assert step > 100
            break
        with open_store(root) as store:
            whole(store, f"killed at step {step}")


def test_interrupted_at_some_steps(root: Path, tmp_path: Path) -> None:
    """Right after a call too: what it did is done, and its name for it may be lost."""
    image = tree(tmp_path / "image")
    tree(image / "data", a="1", b="2", c="3")
    work = volume_work(root, image)
    interrupted = 3

    def interrupt() -> None:
        raise KeyboardInterrupt

    def child() -> None:
        before_step(step, interrupt, event="c_return")
        try:
            work()
            sys.setprofile(None)
        except KeyboardInterrupt:
            os._exit(interrupted)

    for step in range(0, 1000, 13):
        status = in_child(child)
        assert status in (0, interrupted), f"interrupted at step {step}"
        if status == 0:
            assert step > 100
            break
        with open_store(root) as store:
            whole(store, f"interrupted at step {step}")


def test_a_volume_half_filled_is_finished(root: Path, tmp_path: Path) -> None:
    def die_half() -> None:
        own = open_store(root)
        directory = own.directory.volume(own.volumes.create("vol").name)
        os.rename(tree(tmp_path / "staged", a="1", b="2"), f"{directory}/fill")
        os.rename(f"{directory}/fill/a", f"{directory}/data/a")
        own.layers.stage()
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die_half) == KILLED
    with open_store(root) as store:
        assert sorted(os.listdir(inside(store, "vol"))) == ["a", "b"]
        assert os.listdir(store.directory.volume("vol")) == ["data"]


def test_a_dead_user_lets_go(root: Path) -> None:
    def die_running() -> None:
        own = open_store(root)
        record = box(own, Claim("named", "/n"), Claim("e" * 64, "/a", anonymous=True), auto_remove=True)
        run(own, record)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die_running) == KILLED
    with open_store(root) as store:
        assert names(store) == ["named"] and store.volumes.get("named").containers == ()
        assert store.rows().volumes[0].measured_at == 0 and store.check() == []
