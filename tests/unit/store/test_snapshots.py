"""Snapshots: a rename, rows and directories that stay equal whatever happens, and forks that cost uppers."""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path

import pytest
from tests.unit.store.making import add_container, add_image, add_layer, in_child, leftovers, open_store
from tests.unit.store.sweep import before_step, killed_at

from cowl.accounting.usage import usage
from cowl.accounting.walk import verify
from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.linux.process import ProcessId
from cowl.store import Store
from cowl.store.container_hold import ContainerBusy, ContainerHold, ContainerNotStopped
from cowl.store.container_record import ContainerRecord
from cowl.store.images import UnhashedLayer
from cowl.store.snapshot_record import (
    AmbiguousSnapshotId,
    InvalidSnapshotName,
    NoSuchSnapshot,
    SnapshotInUse,
    SnapshotNameInUse,
    StackTooDeep,
)

DATA = b"w" * 5000


def boxed(store: Store, name: str = "box") -> ContainerRecord:
    """A container of an image of one layer, which wrote a file."""
    image = add_image(store, "app", [add_layer(store, "base")])
    return add_container(store, image, name, len(DATA))


def ends(store: Store, record: ContainerRecord, measured: bool = True) -> ContainerRecord:
    """The container, as if it had run and ended."""
    store.containers.started(record.id, ProcessId.current())
    store.containers.exited(record.id, 0, store.measure_upper(record) if measured else None)
    return store.containers.get(record.id)


def sees(store: Store, record: ContainerRecord, path: str) -> bytes:
    return store.view(record.layer_keys, record.upper).read_file(path)


def is_sound(store: Store) -> None:
    """Rows and directories are equal, and so are the ledger's figures and the disk's."""
    assert store.check() == []
    found, walked = usage(store), verify(store.root)
    assert {layer.key: layer.allocated_bytes for layer in found.layers} == walked.under("layers")
    assert {box.id: box.allocated_bytes for box in found.containers} == walked.under("containers")


def test_a_snapshot_is_the_renamed_upper(store: Store) -> None:
    box = boxed(store)
    before = os.stat(f"{box.upper}/written")
    taken = store.snapshots.freeze(box.id, "first", "with a file")
    after = store.containers.get(box.id)
    layer = taken.layers[-1]
    assert os.stat(f"{store.layers.directory(layer.key)}/diff/written").st_ino == before.st_ino
    assert (layer.diff_id, layer.size_bytes, layer.files) == ("", len(DATA), 1)
    assert os.listdir(after.upper) == []
    assert after.layers == taken.layers
    assert (after.image_layers, taken.image_layers) == (1, 1)
    assert sees(store, after, "/written") == DATA
    assert [(change.kind, change.path) for change in store.changes(after)] == [("A", "/written")]
    assert (taken.name, taken.message, taken.container_id) == ("first", "with a file", box.id)
    is_sound(store)


def test_what_was_measured_at_rest_is_not_measured_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is looked at: the cost is that of the rename, however many there are."""
    now = [1000.0]
    from cowl.config import Config

    with Store.open(Config(root=str(root)), clock=lambda: now[0]) as store:
        box = ends(store, boxed(store))
        now[0] += 100
        store.measures.containers(store.rows().containers)

        def never(_path: str) -> None:
            raise AssertionError

        monkeypatch.setattr("cowl.layer.measure.measure", never)
        store.snapshots.freeze(box.id)
        monkeypatch.undo()
        is_sound(store)


def test_figures_are_exact_right_after_the_exit(store: Store) -> None:
    box = boxed(store)
    for number in range(50):
        Path(box.upper, f"file{number}").write_bytes(b"x" * 4000)
    store.snapshots.freeze(ends(store, box).id)
    is_sound(store)


def test_an_untouched_upper_makes_no_layer(store: Store) -> None:
    box = boxed(store)
    first = store.snapshots.freeze(box.id)
    second = store.snapshots.freeze(box.id)
    assert first.layers == second.layers
    os.chmod(store.containers.get(box.id).upper, 0o711)  # the root itself was changed
    assert len(store.snapshots.freeze(box.id).layers) == len(first.layers) + 1
    is_sound(store)


def test_forks_cost_their_uppers(store: Store) -> None:
    taken = store.snapshots.freeze(boxed(store).id)
    before = usage(store)
    about = (taken.image_id, taken.layer_keys, taken.settings)
    forks = [store.containers.create("", *about, snapshot=taken) for _ in range(5)]
    after = usage(store)
    empty = sum(os.lstat(f"{forks[0].directory}{place}").st_blocks * 512 for place in ("", "/upper", "/work"))
    assert after.owners["container"] - before.owners["container"] == 5 * empty
    assert after.owners["snapshot"] == before.owners["snapshot"]
    assert {fork.snapshot_id for fork in forks} == {taken.id}
    (counted,) = after.snapshots
    assert (counted.size_bytes, set(counted.containers)) == (len(DATA), {fork.id for fork in forks})
    assert sees(store, forks[3], "/written") == DATA
    Path(forks[0].upper, "own").touch()
    assert [change.path for change in store.changes(forks[1])] == ["/written"]
    is_sound(store)


def test_a_restored_container_forgets_what_it_wrote(store: Store) -> None:
    box = boxed(store)
    first = store.snapshots.freeze(box.id, "first")
    Path(store.containers.get(box.id).upper, "second").write_bytes(DATA)
    store.snapshots.freeze(box.id, "second")
    Path(store.containers.get(box.id).upper, "third").write_bytes(DATA)
    restored = store.snapshots.restore(box.id, first.id)
    assert restored.layers == first.layers
    assert restored.snapshot_id == first.id
    assert os.listdir(restored.upper) == []
    assert [change.path for change in store.changes(restored)] == ["/written"]
    assert "trash" not in leftovers(store.root)
    is_sound(store)
    store.snapshots.remove(store.snapshots.find("second").id)
    assert len(store.layers.list()) == 2  # what only the second snapshot held went with it


def test_a_layer_is_hashed_when_somebody_asks(store: Store) -> None:
    box = boxed(store)
    taken = store.snapshots.freeze(box.id)
    key = taken.layers[-1].key
    with pytest.raises(UnhashedLayer, match=key[:12]):
        store.images.add(b"{}", taken.layer_keys)
    expected = pack(f"{store.layers.directory(key)}/diff", None, owners=for_euid(os.geteuid()), clean=False)
    hashed = store.layers.hashed(key)
    assert (hashed.key, hashed.diff_id, hashed.tar_bytes) == (key, expected.diff_id, expected.tar_bytes)
    assert store.layers.get(key) == store.layers.hashed(key) == hashed
    assert store.layers.find(expected.diff_id, "sha256:" + "0" * 64) == hashed
    with store.layers.stage() as stage:
        Path(stage.diff, "written").write_bytes(DATA)
        assert store.layers.commit(stage, expected.diff_id, expected.tar_bytes) == hashed
    is_sound(store)


def test_two_that_need_the_hash_make_it_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    import cowl.layer.pack

    key = store.snapshots.freeze(boxed(store).id).layers[-1].key
    real, calls = cowl.layer.pack.pack, []

    def counted(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(cowl.layer.pack, "pack", counted)
    threads = [threading.Thread(target=store.layers.hashed, args=(key,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_a_stack_grows_no_higher_than_it_can_be_mounted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cowl.store.snapshots.MOST_LAYERS", 3)
    box = boxed(store)
    for number in range(2):
        store.snapshots.freeze(box.id)
        Path(store.containers.get(box.id).upper, f"more{number}").touch()
    with pytest.raises(StackTooDeep, match="box stands on 3 layers"):
        store.snapshots.freeze(box.id)
    assert os.listdir(store.containers.get(box.id).upper) == ["more1"]
    is_sound(store)


def test_names_and_ids(store: Store) -> None:
    box = boxed(store)
    taken = store.snapshots.freeze(box.id, "name")
    for text in ("name", taken.id, taken.id[:12]):
        assert store.snapshots.find(text) == taken
    with pytest.raises(SnapshotNameInUse, match=taken.id[:12]):
        store.snapshots.freeze(box.id, "name")
    for wrong in ("abcdef012345", "a" * 64, "x", "-x", "a/b", "ü1"):
        with pytest.raises(InvalidSnapshotName):
            store.snapshots.freeze(box.id, wrong)
    for missing in ("", "nothing", "0" * 64):
        with pytest.raises(NoSuchSnapshot):
            store.snapshots.find(missing)
    for _ in range(20):
        store.snapshots.freeze(box.id)
    firsts = [each.id[0] for each in store.snapshots.list()]
    with pytest.raises(AmbiguousSnapshotId):
        store.snapshots.find(max(firsts, key=firsts.count))


def test_what_stands_on_a_snapshot_keeps_it(store: Store) -> None:
    box = boxed(store)
    taken = store.snapshots.freeze(box.id, "kept")
    about = (taken.image_id, taken.layer_keys, taken.settings)
    fork = store.containers.create("fork", *about, snapshot=taken)
    with pytest.raises(SnapshotInUse, match="fork"):
        store.snapshots.remove(taken.id)
    store.snapshots.remove(taken.id, force=True)
    fork = store.containers.get(fork.id)
    assert (fork.snapshot_id, sees(store, fork, "/written")) == ("", DATA)
    store.containers.remove(fork.id)
    store.containers.remove(box.id)
    assert len(store.layers.list()) == 1
    with pytest.raises(NoSuchSnapshot):
        store.containers.create("late", *about, snapshot=taken)
    is_sound(store)


def test_a_snapshot_outlives_container_and_image(store: Store) -> None:
    box = boxed(store)
    taken = store.snapshots.freeze(box.id)
    store.containers.remove(box.id)
    store.images.remove(taken.image_id)
    about = (taken.image_id, taken.layer_keys, taken.settings)
    assert sees(store, store.containers.create("fork", *about, snapshot=taken), "/file")
    is_sound(store)


def test_what_runs_or_is_held_is_not_moved(store: Store) -> None:
    box = boxed(store)
    taken = store.snapshots.freeze(box.id)
    with ContainerHold(box):
        for act in (
            lambda: store.snapshots.freeze(box.id),
            lambda: store.snapshots.restore(box.id, taken.id),
        ):
            with pytest.raises(ContainerBusy):
                act()
    store.containers.started(box.id, ProcessId.current())
    for act in (lambda: store.snapshots.freeze(box.id), lambda: store.snapshots.restore(box.id, taken.id)):
        with pytest.raises(ContainerNotStopped):
            act()


def work(store: Store) -> None:
    """A life with snapshots, to be killed in."""
    box = store.containers.find("box")
    first = store.snapshots.freeze(box.id, "first")
    Path(store.containers.get(box.id).upper, "more").write_bytes(DATA)
    store.snapshots.freeze(box.id, "second")
    store.layers.hashed(first.layers[-1].key)
    with store.layers.stage() as stage:
        store.snapshots.publish(store.copy_upper(box.id, stage), stage)
    about = (first.image_id, first.layer_keys, first.settings)
    store.containers.create("fork", *about, snapshot=first)
    store.snapshots.restore(box.id, first.id)
    store.containers.remove(store.containers.find("fork").id)
    store.snapshots.remove(first.id, force=True)
    store.snapshots.remove(store.snapshots.find("second").id)


def is_whole(root: Path, at: str) -> None:
    """Rows and directories are equal, and what the container had written before is there."""
    with open_store(root) as store:
        try:
            is_sound(store)
        except AssertionError as problem:
            raise AssertionError(at) from problem
        assert leftovers(root) == {}, at
        box = store.containers.find("box")
        assert sees(store, box, "/written") == DATA, at
        for name in ("fork", "box"):
            for record in store.containers.list():
                if record.name == name:
                    store.containers.remove(record.id)
        for snapshot in store.snapshots.list():
            store.snapshots.remove(snapshot.id, force=True)
        assert len(store.layers.list()) == 1, at
        assert store.rows().pinned == frozenset(), at


def prepared(root: Path) -> None:
    with open_store(root) as store:
        if store.images.list():
            add_container(store, store.images.find("app"), "box", len(DATA))
        else:
            boxed(store)


def test_killed_at_some_steps(root: Path) -> None:
    killed = sweep(root, 17)
    assert killed > 10


@pytest.mark.faults
def test_killed_at_every_step(root: Path, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--faults") != "long":
        pytest.skip("takes a minute: run with --faults long")
    assert sweep(root, 1) > 140


def sweep(root: Path, stride: int) -> int:
    for step in itertools.count(0, stride):
        prepared(root)

        def life() -> None:
            with open_store(root) as store:
                work(store)

        ended = not killed_at(step, life)
        is_whole(root, f"killed at step {step}")
        if ended:
            return step // stride
    raise AssertionError


@pytest.mark.parametrize("event", ["c_call", "c_return"])
def test_interrupted_at_some_steps(root: Path, event: str) -> None:
    for step in itertools.count(0, 29):
        prepared(root)
        ended = in_child(lambda: _interrupted(root, step, event)) == 0  # noqa: B023  # it runs at once
        is_whole(root, f"interrupted at step {step}")
        if ended:
            assert step > 100
            return


def _interrupted(root: Path, step: int, event: str) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with open_store(root) as store:
        before_step(step, interrupt, event=event)
        try:
            work(store)
            sys.setprofile(None)
        except KeyboardInterrupt:
            _go_on(store)
            os._exit(3)


def _go_on(store: Store) -> None:
    """The same process goes on with the same store, which is whole at once."""
    box = store.containers.find("box")
    assert sees(store, box, "/written") == DATA
    assert not store.check()
    store.close()
