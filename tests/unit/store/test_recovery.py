"""Recovery: the next open finishes what a crash left, and disturbs nobody who lives."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.store.making import (
    KILLED,
    add_container,
    add_image,
    add_layer,
    die,
    in_child,
    leftovers,
    open_store,
)

from cowl.linux.process import ProcessId
from cowl.store import Store

OTHER_BOOT = "00000000-0000-0000-0000-000000000000"


def edit(root: Path, sql: str, *values: object) -> None:
    """Changes rows behind the store's back."""
    database = sqlite3.connect(root / "cowl.db", isolation_level=None)
    database.execute(sql, values)
    database.close()


def sleeper() -> int:
    """The pid of a child that sleeps until it is killed."""
    pid = os.fork()
    if pid == 0:
        time.sleep(300)
        os._exit(0)
    return pid


def reap(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def stages(store: Store) -> None:
    Path(store.layers.stage().diff, "half").write_bytes(b"x" * 10_000)


def commits(store: Store) -> None:
    add_layer(store, "lonely")


def leases(store: Store) -> None:
    store.lease("pull").pin(add_layer(store, "leased").key)


def creates_to_remove(store: Store) -> None:
    image = store.images.find("image")
    store.containers.create("gone", image.id, image.layer_keys, {}, auto_remove=True)


def runs_to_remove(store: Store) -> None:
    creates_to_remove(store)
    store.containers.started(store.containers.find("gone").id, ProcessId.current())


def loses_directory(store: Store) -> None:
    os.rename(add_container(store, store.images.find("image")).directory, f"{store.root}/trash/x")


@pytest.mark.parametrize(
    "work", [stages, commits, leases, creates_to_remove, runs_to_remove, loses_directory]
)
def test_what_a_dead_process_left_is_gone(root: Path, work: Callable[[Store], None]) -> None:
    with open_store(root) as store:
        image = add_image(store, "image", [add_layer(store, "base")])

    def child() -> None:
        work(open_store(root))
        die()

    assert in_child(child) == KILLED
    with open_store(root) as store:
        assert leftovers(root) == {}
        assert store.check() == []
        assert store.containers.list() == ()
        assert store.layers.list() == image.layers
        assert store.images.list() == (store.images.get(image.id),)


def test_a_container_of_a_dead_process_was_killed(root: Path) -> None:
    def child() -> None:
        store = open_store(root)
        box = add_container(store, add_image(store, "image", [add_layer(store, "base")]), "box", 500)
        store.containers.started(box.id, ProcessId.current())
        die()

    assert in_child(child) == KILLED
    with open_store(root) as store:
        box = store.containers.find("box")
        assert (box.state, box.exit_code) == ("exited", 137)
        assert os.listdir(box.upper) == ["written"]
        store.containers.remove(box.id)
        assert leftovers(root) == {}


def test_a_container_that_only_was_created_stays(root: Path) -> None:
    def child() -> None:
        store = open_store(root)
        add_container(store, add_image(store, "image", []), "box")
        die()

    assert in_child(child) == KILLED
    for _ in range(2):
        with open_store(root) as store:
            assert store.containers.find("box").state == "created"
            assert store.check() == []


def test_an_orphan_is_ended_with_its_owner(root: Path) -> None:
    """A container's first process may outlive a killed owner by a moment: not longer."""
    orphan = sleeper()

    def child() -> None:
        store = open_store(root)
        image = add_image(store, "image", [])
        box = store.containers.create("box", image.id, (), {}, auto_remove=True)
        store.containers.started(box.id, ProcessId.of(orphan))
        die()

    assert in_child(child) == KILLED
    with open_store(root) as store:
        assert store.containers.list() == ()
    assert reap(orphan) == KILLED


def test_a_recycled_pid_survives(root: Path) -> None:
    """Threat 37: a stranger that got the pid of a dead owner or container is neither."""
    stranger = sleeper()
    try:
        identity = ProcessId.of(stranger)

        def child() -> None:
            store = open_store(root)
            box = add_container(store, add_image(store, "image", []), "box")
            store.containers.started(box.id, identity.replace(start_time=identity.start_time - 1))
            die()

        assert in_child(child) == KILLED
        edit(root, "UPDATE owners SET pid = ?, start_time = ?", identity.pid, identity.start_time - 1)
        with open_store(root) as store:
            assert store.containers.find("box").state == "exited"
        assert identity.alive()
    finally:
        os.kill(stranger, 9)
        reap(stranger)


def test_the_living_are_not_disturbed(store: Store, root: Path) -> None:
    image = add_image(store, "image", [add_layer(store, "base")])
    box = add_container(store, image)
    store.containers.started(box.id, ProcessId.current())
    with store.lease("pull") as lease, store.layers.stage() as stage:
        mine = add_layer(store, "mine")
        lease.pin(mine.key)
        held = add_layer(store, "held")

        def child() -> None:
            stages(open_store(root))
            die()

        assert in_child(child) == KILLED
        with open_store(root) as other:
            assert other.containers.get(box.id).state == "running"
            assert set(other.layers.list()) == {mine, held, *image.layers}
        assert os.path.isdir(stage.diff)
        assert len(os.listdir(root / "staging")) == 1
    store.containers.exited(box.id, 0)


def test_another_boot_is_a_full_reconciliation(root: Path) -> None:
    """After a power cut rows of containers may be older than directories, and the other way around."""
    with open_store(root) as store:
        image = add_image(store, "image", [add_layer(store, "base")])
        kept, lost = add_container(store, image, "kept"), add_container(store, image, "lost")
    os.rename(lost.directory, root / "staging" / "elsewhere")
    for stranger in ("layers/" + "a" * 64, "containers/" + "b" * 64, "staging/c", "trash/d"):
        (root / stranger / "diff").mkdir(parents=True)
    (root / "locks" / "owner-0123").touch()
    edit(root, "UPDATE meta SET value = ? WHERE name = 'boot_id'", OTHER_BOOT)
    with open_store(root) as store:
        assert store.check() == []
        assert leftovers(root) == {}
        assert [box.id for box in store.containers.list()] == [kept.id]
    assert sorted(os.listdir(root / "layers")) == [layer.key for layer in image.layers]


def test_processes_of_another_boot_are_dead(root: Path) -> None:
    with open_store(root) as store:
        box = add_container(store, add_image(store, "image", []), "box")
        store.containers.started(box.id, ProcessId.current().replace(boot_id=OTHER_BOOT))
        edit(root, "UPDATE owners SET boot_id = ?", OTHER_BOOT)
    with open_store(root) as store:
        assert store.containers.find("box").state == "exited"


def test_a_layer_that_was_not_yet_deleted_comes_back(root: Path) -> None:
    """Killed between the rename into the trash and the commit: the rows say that it is there."""
    with open_store(root) as store:
        image = add_image(store, "image", [add_layer(store, "base")])
    key = image.layers[0].key
    os.rename(root / "layers" / key, root / "trash" / f"layer.{key}.1.1.00000000")
    with open_store(root) as store:
        assert store.check() == []
        assert leftovers(root) == {}


@pytest.mark.parametrize("rebooted", [False, True])
def test_a_container_that_was_not_yet_removed_comes_back(root: Path, rebooted: bool) -> None:
    """After a power cut the row means nothing: it is not waited for to be gone before files are unlinked."""
    with open_store(root) as store:
        box = add_container(store, add_image(store, "image", []))
    os.rename(box.directory, root / "trash" / f"container.{box.id}.1.1.00000000")
    if rebooted:
        edit(root, "UPDATE meta SET value = ? WHERE name = 'boot_id'", OTHER_BOOT)
    with open_store(root) as store:
        assert len(store.containers.list()) == (0 if rebooted else 1)
        assert store.check() == []
        assert leftovers(root) == {}


def test_an_owner_in_another_pid_namespace_is_judged_by_its_lock(store: Store, root: Path) -> None:
    """Its pid means nothing here, so only the kernel can say whether it lives."""
    with store.layers.stage() as stage:
        edit(root, "UPDATE owners SET pid_namespace = 1, pid = 4194303")
        open_store(root).close()
        assert os.path.isdir(stage.path)

    def child() -> None:
        stages(open_store(root))
        edit(root, "UPDATE owners SET pid_namespace = 1, pid = 1, start_time = 0")
        die()

    assert in_child(child) == KILLED
    open_store(root).close()
    assert len(os.listdir(root / "staging")) == 1, "only that of the open store"


def test_an_open_without_a_crash_changes_nothing(root: Path) -> None:
    with open_store(root) as store:
        add_image(store, "image", [add_layer(store, "base")])
    before = [(root / name).read_bytes() for name in ("cowl.db", "cowl.db-wal")]
    open_store(root).close()
    assert [(root / name).read_bytes() for name in ("cowl.db", "cowl.db-wal")] == before


def test_a_fork_during_work_does_not_keep_the_dead_alive(root: Path) -> None:
    """A child that outlives its parent holds copies of the parent's locks, but is not the parent."""
    reading, writing = os.pipe()

    def child() -> None:
        store = open_store(root)
        stages(store)
        pid = sleeper()
        os.write(writing, str(pid).encode())
        die()

    assert in_child(child) == KILLED
    grandchild = int(os.read(reading, 20))
    try:
        open_store(root).close()
        assert leftovers(root) == {}
    finally:
        os.kill(grandchild, 9)
        os.close(reading)
        os.close(writing)
