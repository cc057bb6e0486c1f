"""Dedupe: one inode for identical files of several layers, and nothing else that anybody could see."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.store.making import (
    KILLED,
    add_container,
    add_image,
    die,
    in_child,
    leftovers,
    open_store,
)
from tests.unit.store.sweep import before_step

from cowl import Engine
from cowl.accounting.walk import verify
from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.layer.recipe import assemble
from cowl.linux.process import ProcessId
from cowl.oci.digest import DiffId
from cowl.store import Store
from cowl.store.dedupe import run as dedupe_run
from cowl.store.dedupe.report import Deduplication, SkippedLayer
from cowl.store.dedupe.run import DedupeRunning
from cowl.store.layers import Layer

OWNERS = for_euid(os.geteuid())
BIG = b"content " * 2000
TIME = 1_000_000_000_123_456_789


class File:
    """A file of a layer to be: `link` is another path of the same layer, `holes` NULs at its beginning."""

    def __init__(
        self,
        content: bytes = BIG,
        mode: int = 0o644,
        time: int = TIME,
        link: str = "",
        xattrs: tuple[str, ...] = (),
        holes: int = 0,
    ) -> None:
        self.content, self.mode, self.time, self.link, self.xattrs = content, mode, time, link, xattrs
        self.holes = holes


def layer_of(store: Store, files: Mapping[str, File]) -> Layer:
    """A layer with a true diff_id, its directories as old as its files."""
    with store.layers.stage() as stage:
        for path, file in files.items():
            target = os.path.join(stage.diff, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if file.link:
                os.link(os.path.join(stage.diff, file.link), target)
                continue
            with open(target, "wb") as out:
                out.seek(file.holes)
                out.write(file.content)
            for value in file.xattrs:
                os.setxattr(target, "user.test", value.encode())
            os.chmod(target, file.mode)
            os.utime(target, ns=(file.time, file.time))
        for folder, _, _ in os.walk(stage.diff, topdown=False):
            os.utime(folder, ns=(TIME + 1, TIME + 1))
        packed = pack(stage.diff, None, owners=OWNERS)
        return store.layers.commit(stage, packed.diff_id, packed.tar_bytes)


def images(store: Store, *layers: Mapping[str, File]) -> list[Layer]:
    """An image of its own for each of these layers."""
    made = [layer_of(store, files) for files in layers]
    for number, layer in enumerate(made):
        add_image(store, f"image{number}", [layer])
    return made


def inode(store: Store, layer: Layer, path: str) -> int:
    return os.lstat(f"{store.layers.directory(layer.key)}/diff/{path}").st_ino


def seen(store: Store) -> dict[str, Any]:
    """All that a program can see of all layers, but for the inodes' numbers and who shares them."""
    found: dict[str, Any] = {}
    for layer in store.layers.list():
        top = store.layers.directory(layer.key)
        assert assemble(top, None, OWNERS).diff_id == layer.diff_id, layer.key
        links: dict[int, list[str]] = {}
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files, "."):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                about = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
                content = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else b""
                xattrs = {each: os.getxattr(path, each) for each in os.listxattr(path)}
                found[path] = (about, content, xattrs)
                if not stat.S_ISDIR(status.st_mode):
                    links.setdefault(status.st_ino, []).append(path)
        found[layer.key] = sorted(map(sorted, links.values()))
    return found


def blocks(store: Store) -> int:
    """What the layers take on disk, by the independent walk."""
    return sum(verify(store.root).under("layers").values())


def deduped(store: Store) -> Deduplication:
    """A dedupe that must change nothing that can be seen, and free what it says."""
    before, taken = seen(store), blocks(store)
    wanted = store.dedupe(dry_run=True)
    assert (seen(store), blocks(store)) == (before, taken)
    done = store.dedupe()
    assert seen(store) == before
    assert taken - blocks(store) == done.freed_bytes
    assert done.replace(dry_run=True) == wanted
    assert store.check() == []
    recorded = sum(layer.allocated_bytes for layer in store.layers.list())
    twice = sum(row.allocated_bytes * (len(row.layer_keys) - 1) for row in store.rows().shared_inodes)
    assert recorded - twice == blocks(store)
    return done


def test_identical_files_become_one(store: Store) -> None:
    one, two = images(
        store,
        {"same": File(), "mode": File(mode=0o600), "time": File(), "text": File(BIG + b"!")},
        {"other/place": File(), "mode": File(), "time": File(time=TIME + 1), "text": File(BIG + b"?")},
    )
    done = deduped(store)
    assert (done.layers, done.files, done.links, done.inodes) == (2, 8, 2, 2)
    assert done.freed_bytes == 2 * 16384
    assert inode(store, one, "same") == inode(store, two, "mode")
    assert inode(store, one, "time") == inode(store, two, "other/place")
    assert done.skipped == ()
    assert store.dedupe().links == 0


def test_attributes_and_owners_count(store: Store) -> None:
    one, two = images(
        store,
        {"a": File(xattrs=("1",)), "b": File(), "c": File(xattrs=("2",))},
        {"a": File(xattrs=("2",)), "b": File(xattrs=("3",)), "c": File(mode=0o4644)},
    )
    assert deduped(store).links == 1
    assert inode(store, one, "c") == inode(store, two, "a")


def test_copies_in_one_layer_stay_copies(store: Store) -> None:
    one, two = images(
        store,
        {"a": File(), "b": File(), "c": File()},
        {"b": File(), "d": File()},
    )
    assert deduped(store).links == 2
    assert inode(store, one, "b") == inode(store, two, "b")  # the same path, where there is one
    assert inode(store, one, "a") == inode(store, two, "d")
    assert inode(store, one, "a") != inode(store, one, "c")


def test_links_in_one_layer_stay_links(store: Store) -> None:
    one, two, three = images(
        store,
        {"a": File(), "b": File(link="a")},
        {"a": File(), "b": File(link="a"), "own": File(b"own")},
        {"c": File(), "d": File(b"another" * 1000)},
    )
    assert deduped(store).links == 1
    assert inode(store, three, "c") in (inode(store, one, "a"), inode(store, two, "a"))
    assert inode(store, one, "a") != inode(store, two, "a")


def test_a_stack_never_shows_one_inode_twice(store: Store) -> None:
    base = layer_of(store, {"a": File(), "b": File(BIG + b"b")})
    top = layer_of(store, {"z": File(), "b": File(BIG + b"b")})
    add_image(store, "image", [base, top])
    assert deduped(store).links == 1
    assert inode(store, base, "b") == inode(store, top, "b")  # of which a container sees the upper only
    assert inode(store, base, "a") != inode(store, top, "z")


def test_layers_of_the_cache_may_come_into_any_stack(store: Store) -> None:
    image = images(store, {"a": File(), "b": File(b"b" * 9000)})[0]
    cached = layer_of(store, {"z": File(), "b": File(b"b" * 9000)})
    store.steps.add("step", cached.key, "RUN")
    assert deduped(store).links == 1
    assert inode(store, image, "b") == inode(store, cached, "b")


def test_what_is_in_use_is_left_alone(store: Store) -> None:
    files = {"a": File()}
    own = ({**files, str(number): File(b"%d" % number)} for number in range(5))
    running, created, pinned, idle, other = images(store, *own)
    box = add_container(store, store.images.find("image0"))
    store.containers.started(box.id, ProcessId.current())
    add_container(store, store.images.find("image1"))
    with store.lease("build") as lease:
        lease.pin(pinned.key)
        done = deduped(store)
    assert set(done.skipped) == {
        SkippedLayer(running.key, "a container that runs uses it"),
        SkippedLayer(created.key, "a container that runs uses it"),
        SkippedLayer(pinned.key, "a running pull or build needs it"),
    }
    assert inode(store, idle, "a") == inode(store, other, "a")
    store.containers.exited(box.id, 0)
    store.containers.claim(box.id)  # to start it once more
    assert deduped(store).links == 1
    store.containers.unclaim(box.id)
    assert deduped(store).links == 1
    assert inode(store, idle, "a") == inode(store, running, "a")


def just_before_links(store: Store, monkeypatch: pytest.MonkeyPatch, act: Callable[[Store], object]) -> None:
    """Has another process do something when all is looked at and planned, before names move."""
    relink = dedupe_run._Dedupe._relink

    def relink_later(*words: Any) -> None:
        def child() -> None:
            with open_store(store.root) as same:
                act(same)

        assert in_child(child) == 0
        relink(*words)

    monkeypatch.setattr(dedupe_run._Dedupe, "_relink", relink_later)


def test_a_container_that_starts_in_between(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = images(store, {"a": File()}, {"a": File(), "b": File()})

    def start(same: Store) -> None:
        box = add_container(same, same.images.find("image1"))
        same.containers.started(box.id, ProcessId.of(os.getppid()))

    just_before_links(store, monkeypatch, start)
    done = store.dedupe()
    assert (done.links, done.changed) == (0, 1)
    assert inode(store, one, "a") != inode(store, two, "a")
    assert store.check() == []


@pytest.mark.parametrize("at", ["0", "1"])
def test_a_file_that_changes_in_between(store: Store, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    one, two = images(store, {"a": File()}, {"a": File(), "b": File(b"b")})

    def change(same: Store) -> None:
        image = same.images.find(f"image{at}")
        os.chmod(f"{same.layers.directory(image.layers[0].key)}/diff/a", 0o640)

    just_before_links(store, monkeypatch, change)
    done = store.dedupe()
    assert (done.links, done.changed) == (0, 1)
    assert inode(store, one, "a") != inode(store, two, "a")


def test_an_image_of_both_in_between(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = images(store, {"a": File()}, {"b": File()})
    just_before_links(store, monkeypatch, lambda same: add_image(same, "both", [one, two]))
    assert store.dedupe().links == 0
    assert store.check() == []


def test_a_removal_in_between(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    images(store, {"a": File()}, {"a": File(), "b": File()}, {"a": File(), "c": File()})
    just_before_links(store, monkeypatch, lambda same: same.images.remove(same.images.find("image0").id))
    done = store.dedupe()
    assert done.changed == 2  # what was to become one with the oldest
    assert store.check() == []
    monkeypatch.undo()
    assert deduped(store).links == 1


def test_two_at_once(store: Store) -> None:
    images(store, {"a": File()}, {"a": File(), "b": File()})
    other = os.open(f"{store.root}/layers", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(DedupeRunning):
        store.dedupe()
    os.close(other)
    assert deduped(store).links == 1


def test_removals_free_a_shared_inode_with_its_last_layer(store: Store) -> None:
    images(store, *({"a": File(), "own": File(b"%d" % number)} for number in range(4)))
    assert deduped(store).links == 3
    sets = [(len(row.layer_keys), row.inodes, row.allocated_bytes) for row in store.rows().shared_inodes]
    assert sets == [(4, 1, 16384)]
    for number, left in ((2, [3]), (0, [2]), (3, [])):
        before = blocks(store)
        assert_removed(store, f"image{number}")
        assert before - blocks(store) < 16384
        assert [len(row.layer_keys) for row in store.rows().shared_inodes] == left
    before = blocks(store)
    assert_removed(store, "image1")
    assert before - blocks(store) > 16384


def test_sets_that_become_equal_become_one(store: Store) -> None:
    same, twins = File(), File(b"twins" * 1000)
    images(store, {"a": same, "b": twins}, {"a": same, "b": twins, "c": File(b"1")}, {"a": same})
    assert deduped(store).links == 3
    assert sorted(len(row.layer_keys) for row in store.rows().shared_inodes) == [2, 3]
    store.images.remove(store.images.find("image2").id)
    assert [(len(row.layer_keys), row.inodes) for row in store.rows().shared_inodes] == [(2, 2)]
    assert store.check() == []


def test_a_sparse_copy_takes_over_the_figures(store: Store) -> None:
    holes = File(b"\0", holes=(1 << 20) - 1)
    one, two = images(store, {"a": File(bytes(1 << 20))}, {"a": holes, "b": File(b"b" * 5000)})
    assert two.allocated_bytes < one.allocated_bytes
    assert deduped(store).freed_bytes == 4096
    assert store.layers.get(two.key).allocated_bytes == one.allocated_bytes + 8192  # b


@pytest.mark.faults
def test_an_inode_with_all_the_links_it_can_have(store: Store, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--faults") != "long":
        pytest.skip("makes 65,000 links: run with --faults long")
    most = os.pathconf(store.root, "PC_LINK_MAX")
    if most > 65_000:
        pytest.skip(f"a file may have {most} links here")
    with store.layers.stage() as stage:
        Path(stage.diff, "a").write_bytes(BIG)
        os.utime(f"{stage.diff}/a", ns=(TIME, TIME))
        os.chmod(f"{stage.diff}/a", 0o644)
        for number in range(most - 1):
            os.link(f"{stage.diff}/a", f"{stage.diff}/{number}")
        full = store.layers.commit(stage, DiffId.of(b"full"), 1)
    add_image(store, "full", [full])
    two, three = images(store, {"a": File(), "b": File(b"b")}, {"a": File(), "c": File(b"c")})
    done = store.dedupe()
    assert (done.links, done.inodes, done.refused) == (1, 1, 0)
    assert inode(store, two, "a") == inode(store, three, "a") != inode(store, full, "a")
    assert store.check() == []


def test_a_file_that_can_not_be_moved(store: Store) -> None:
    one, two, three = images(
        store, {"a": File(), "1": File(b"1")}, {"a": File(), "2": File(b"2")}, {"a": File(), "3": File(b"3")}
    )
    fixed = f"{store.layers.directory(two.key)}/diff/a"
    if subprocess.run(["chattr", "+i", fixed], capture_output=True, check=False).returncode:
        pytest.skip("needs root, and a file system with immutable files")
    try:
        done = store.dedupe()
    finally:
        subprocess.run(["chattr", "-i", fixed], check=True)
    assert (done.links, done.refused) == (1, 1)
    assert inode(store, one, "a") == inode(store, three, "a") != inode(store, two, "a")
    assert store.check() == []


def assert_removed(store: Store, image: str) -> None:
    """Removes an image; what that frees was known before, to the byte."""
    taken = blocks(store)
    with Engine(store.root) as engine:
        plan = engine.plan_removal(images=[image])
        assert plan.apply().freed_bytes == plan.frees == taken - blocks(store)
    assert store.check() == []


@pytest.fixture(scope="module")
def quick_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory in memory, if there is a tmpfs that has extended attributes: many stores, many syncs."""
    path = Path(f"/dev/shm/cowl-tests-{os.urandom(4).hex()}")
    try:
        path.mkdir()
        os.setxattr(path, "user.test", b"")
    except OSError:
        path = tmp_path_factory.mktemp("stores")
    yield path
    shutil.rmtree(path)


FILES = st.builds(
    File,
    content=st.sampled_from([b"", b"a" * 5000, b"b" * 5000, b"a" * 4999 + b"b", b"c"]),
    mode=st.sampled_from([0o644, 0o755, 0o400]),
    time=st.sampled_from([TIME, TIME + 1]),
    xattrs=st.sampled_from([(), ("1",), ("2",)]),
)
PATHS = [f"{folder}{name}" for folder in ("", "d/", "d/e/") for name in ("1", "2", "3")]
TREES = st.dictionaries(st.sampled_from(PATHS), FILES, max_size=7)


@settings(max_examples=40, deadline=None)
@given(
    trees=st.lists(TREES, min_size=2, max_size=5),
    links=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["4", "d/5"])), max_size=3),
    stacks=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True), min_size=1, max_size=4),
    gone=st.integers(0, 3),
)
def test_nobody_sees_it(
    quick_path: Path,
    trees: Sequence[dict[str, File]],
    links: Sequence[tuple[int, str]],
    stacks: Sequence[Sequence[int]],
    gone: int,
) -> None:
    for at, path in links:
        if at < len(trees) and trees[at]:
            trees[at][path] = File(link=next(iter(trees[at])))
    with open_store(quick_path / os.urandom(4).hex()) as store:
        layers = [layer_of(store, {**tree, f"own{at}": File(b"%d" % at)}) for at, tree in enumerate(trees)]
        for name, stack in enumerate(stacks):
            add_image(store, f"image{name}", [layers[at % len(layers)] for at in stack])
        used = {at % len(layers) for stack in stacks for at in stack}
        for at in set(range(len(layers))) - used:
            store.steps.add(f"step{at}", layers[at].key, "RUN")
        deduped(store)
        assert store.dedupe().links == 0
        for image in store.images.list():
            shown: dict[int, set[tuple[str, str]]] = {}
            for layer in image.layers:
                top = f"{store.layers.directory(layer.key)}/diff"
                for folder, _, files in os.walk(top):
                    for file in files:
                        path = os.path.join(folder, file)
                        where = (layer.key, os.path.relpath(path, top))
                        shown.setdefault(os.lstat(path).st_ino, set()).add(where)
            for names_of in shown.values():
                by_layer: dict[str, set[str]] = {}
                for key, path in names_of:
                    by_layer.setdefault(key, set()).add(path)
                assert len({frozenset(paths) for paths in by_layer.values()}) == 1
        if gone < len(stacks):
            assert_removed(store, f"image{gone}")


def three(store: Store) -> None:
    """A store in which a dedupe has some names to move, in two directories of two layers each."""
    same = {"a": File(), "d/b": File(BIG + b"b"), "c": File(BIG + b"c", mode=0o600)}
    images(
        store,
        {**same, "s": File(bytes(70_000))},
        {**same, "s": File(b"\0", holes=69_999), "1": File(b"1")},
        {"x": File(), "e/b": File(BIG + b"b"), "2": File(b"2")},
    )


def swept(root: Path, stride: int, act: Callable[[], None], *, stay: bool) -> int:
    """Runs a dedupe of `three` in children that `act` just before each stride-th step; how many they were."""
    for step in itertools.count(0, stride):
        place = root / str(step)
        with open_store(place) as store:
            three(store)
            before = seen(store)
            for layer in store.layers.list():  # nothing is pinned by the one who made them
                assert layer.diff_id
        status = in_child(lambda: _dedupe_until(place, step, act, stay=stay))  # noqa: B023  # it runs at once
        assert status in (0, 3, KILLED), f"at step {step}"
        with open_store(place) as store:
            assert seen(store) == before, f"at step {step}"
            assert store.check() == [], f"at step {step}"
            assert leftovers(place) == {}, f"at step {step}"
            assert not store._database.rows("SELECT * FROM relinked_directories")
            store.dedupe()
            assert seen(store) == before
            assert store.check() == []
            assert len({inode(store, layer, path) for layer, path in _same(store)}) == 1
        if status == 0:
            return step // stride
    raise AssertionError


def _same(store: Store) -> list[tuple[Layer, str]]:
    """Where the file lies that all layers of `three` have."""
    places = [(layer, path) for layer in store.layers.list() for path in ("a", "x")]
    return [
        (layer, path)
        for layer, path in places
        if os.path.exists(f"{store.layers.directory(layer.key)}/diff/{path}")
    ]


def _dedupe_until(root: Path, step: int, act: Callable[[], None], *, stay: bool) -> None:
    with open_store(root) as store:
        before_step(step, act)
        try:
            store.dedupe()
        except KeyboardInterrupt:
            assert stay
            assert store.check() == [], f"at step {step}, before the store was closed"
            store.close()
            os._exit(3)
        sys.setprofile(None)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_killed_at_some_steps(quick_path: Path) -> None:
    assert swept(quick_path / "killed", 7, die, stay=False) > 5


def test_interrupted_at_some_steps(quick_path: Path) -> None:
    assert swept(quick_path / "interrupted", 7, interrupt, stay=True) > 5


@pytest.mark.faults
@pytest.mark.parametrize("act", [die, interrupt])
def test_ended_at_every_step(
    quick_path: Path, act: Callable[[], None], request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--faults") != "long":
        pytest.skip("takes a minute: run with --faults long")
    assert swept(quick_path / act.__name__, 1, act, stay=act is interrupt) > 60
