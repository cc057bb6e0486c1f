"""Opening: making a store, refusing what is none, closing it to others."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from tests.caller import ORDINARY_ID
from tests.unit.store.making import add_layer, in_child, open_store

from cowl.errors import Corrupt, Denied, Invalid, Unavailable
from cowl.store import Store
from cowl.store.faults import NotAStore, StoreDamaged, StoreDenied, StoreTooNew

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_store_is_private_whatever_the_umask(root: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        open_store(root).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert {"layers", "containers", "staging", "trash", "locks", "blobs"} <= set(os.listdir(root))


def test_mountpoints_can_be_mounted_over(store: Store, root: Path) -> None:
    stubs = root / "mountpoints"
    assert sorted(os.listdir(stubs)) == ["dev", "etc", "proc", "sys"]
    assert sorted(os.listdir(stubs / "etc")) == ["hostname", "hosts", "resolv.conf"]
    assert {stat.S_IMODE((stubs / name).stat().st_mode) for name in ("", "etc", "proc")} == {0o755}
    assert store.root_mount(()).lowers == (str(stubs),)


def test_missing_parents_are_made(tmp_path: Path) -> None:
    open_store(tmp_path / "a" / "b" / "store").close()


def test_an_open_store_is_found_again(root: Path) -> None:
    open_store(root).close()
    with open_store(root) as again:
        assert again.images.list() == ()


@needs_root
def test_another_user_reaches_no_layer(store: Store, root: Path) -> None:
    """Threat 6: a setuid program of an image must not be startable by other users of the host."""
    layer = add_layer(store, "setuid")
    program = os.path.join(store.layers.directory(layer.key), "diff", "file")
    os.chmod(program, 0o4755)

    def reach() -> None:
        os.setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
        os.stat(program)

    os.chmod(root.parent, 0o755)
    assert in_child(lambda: os.stat(program)) == 0
    assert in_child(reach) == 1


def test_a_store_that_was_opened_up_is_closed_again(root: Path) -> None:
    open_store(root).close()
    root.chmod(0o755)
    open_store(root).close()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_file_is_no_store(root: Path) -> None:
    root.write_text("mine")
    with pytest.raises(NotAStore, match="not a directory") as caught:
        open_store(root)
    assert isinstance(caught.value, Invalid)
    assert root.read_text() == "mine"


def test_below_a_file_is_no_store(root: Path) -> None:
    root.write_text("mine")
    with pytest.raises(NotAStore):
        open_store(root / "store")


def test_a_directory_with_other_things_is_left_alone(root: Path) -> None:
    root.mkdir(mode=0o755)
    (root / "thesis.txt").write_text("mine")
    with pytest.raises(NotAStore, match=r"thesis\.txt"):
        open_store(root)
    assert os.listdir(root) == ["thesis.txt"]
    assert stat.S_IMODE(root.stat().st_mode) == 0o755


@needs_root
def test_a_store_of_another_user_is_refused(root: Path) -> None:
    open_store(root).close()
    os.chown(root, ORDINARY_ID, ORDINARY_ID)
    with pytest.raises(StoreDenied, match=f"uid {ORDINARY_ID}") as caught:
        open_store(root)
    assert isinstance(caught.value, Denied)


@needs_root
def test_a_place_that_may_not_be_written_is_refused() -> None:
    def attempt() -> None:
        os.setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID)
        with pytest.raises(StoreDenied):
            open_store("/usr/store")

    assert in_child(attempt) == 0


def test_a_newer_schema_is_refused_and_untouched(root: Path) -> None:
    open_store(root).close()
    with sqlite3.connect(root / "cowl.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreTooNew) as caught:
        open_store(root)
    assert (caught.value.version, isinstance(caught.value, Unavailable)) == (99, True)


def test_a_damaged_database_is_said_to_be(root: Path) -> None:
    open_store(root).close()
    (root / "cowl.db").write_bytes(b"no database " * 10_000)
    with pytest.raises(StoreDamaged) as caught:
        open_store(root)
    assert isinstance(caught.value, Corrupt)


@pytest.mark.parametrize("left", ["empty database", "directories only", "one directory"])
def test_a_store_that_was_half_made_is_finished(root: Path, left: str) -> None:
    if left == "one directory":
        (root / "locks").mkdir(parents=True)
    else:
        open_store(root).close()
        (root / "cowl.db").unlink()
        if left == "empty database":
            (root / "cowl.db").touch()
    with open_store(root) as store:
        add_layer(store, "works")
        assert store.check() == []


def test_many_processes_may_make_it_at_once(root: Path) -> None:
    children = []
    for number in range(8):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with open_store(root) as store:
                    add_layer(store, f"layer {number}")
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    with open_store(root) as store:
        assert store.check() == []


def test_close_is_idempotent_and_leaves_no_trace(root: Path) -> None:
    store = open_store(root)
    with store.layers.stage():
        pass
    store.close()
    store.close()
    assert os.listdir(root / "staging") == []
    assert os.listdir(root / "locks") == ["db.lock"]


def test_closing_changes_no_file(tmp_path: Path) -> None:
    """A report of the disk stays true after the process that made it ended."""
    root = tmp_path / "odd #%?name"
    store = open_store(root)
    store.images.add(b"{}", [add_layer(store, "kept").key], references=["kept"])
    store.close()
    with open_store(root) as store:
        assert store.images.find("kept").layers[0].size_bytes == 100
        before = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in root.glob("cowl.db*")}
    assert len(before) == 3
    assert {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in root.glob("cowl.db*")} == before


def test_the_log_of_changes_does_not_grow_for_ever(store: Store, root: Path) -> None:
    for number in range(400):
        store.images.add(b"%d" % number + b" " * 10_000, [])
    assert (root / "cowl.db-wal").stat().st_size < 1 << 19
