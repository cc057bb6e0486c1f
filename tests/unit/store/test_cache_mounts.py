"""Cache mounts: found by name, locked across processes, removed whole, mended after a crash."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from tests.unit.store.making import KILLED, in_child, open_store, use_cache

from cowl.accounting.usage import usage
from cowl.accounting.walk import verify
from cowl.store import Store
from cowl.store.cache_mounts import CacheMountInUse, NoSuchCacheMount


@pytest.fixture
def store(root: Path) -> Store:
    return open_store(root)


def test_one_name_is_one_directory(store: Store) -> None:
    with use_cache(store, "pip") as one:
        Path(one.path, "x").write_text("kept")
    with use_cache(store, "pip") as again, use_cache(store, "pip") as beside:
        assert again.path == beside.path == one.path and Path(again.path, "x").read_text() == "kept"
    with use_cache(store, "npm") as other, use_cache(store, "pip", base="{}") as based:
        assert len({one.path, other.path, based.path}) == 3
    assert [mount.name for mount in store.cache_mounts.list()] == ["pip", "npm", "pip"]
    assert store.check() == []


@pytest.mark.parametrize("name", ["../../etc", "/", "..", "a\nb", "x" * 5000, "\x00", "ü"])
def test_a_name_is_never_a_path(store: Store, name: str) -> None:
    with use_cache(store, name) as cache:
        assert os.path.dirname(os.path.dirname(cache.path)) == store.root + "/caches"
    assert store.cache_mounts.find(name)[0].name == name


def test_private_makes_another_and_takes_what_is_free(store: Store) -> None:
    with use_cache(store, "c", sharing="private") as one, use_cache(store, "c", sharing="private") as two:
        assert one.path != two.path
        with use_cache(store, "c") as shared:
            assert shared.path not in (one.path, two.path)
    with use_cache(store, "c", sharing="private") as third:
        assert third.path in (one.path, two.path, shared.path)
    assert len(store.cache_mounts.list()) == 3


def test_locked_waits_for_another_process(store: Store, root: Path) -> None:
    waits, told = os.pipe()
    held = use_cache(store, "c", sharing="locked")

    def tell() -> None:
        os.write(told, b"w")
        time.sleep(0.01)

    def wait() -> None:
        os.close(held._fd)  # a forked child's copy holds the lock too
        with open_store(root) as own:
            cache = own.cache_mounts.use("c", "", "locked", prepare=lambda: "", waiting=tell)
            assert Path(cache.path, "x").read_text() == "first"
            cache.close()

    child = os.fork()
    if child == 0:
        try:
            wait()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.read(waits, 1) == b"w"
    Path(held.path, "x").write_text("first")
    assert os.waitpid(child, os.WNOHANG) == (0, 0)
    held.close()
    assert os.waitpid(child, 0)[1] == 0
    os.close(waits)
    os.close(told)


def test_what_is_used_is_not_removed(store: Store) -> None:
    with use_cache(store, "c") as one:
        rows = store.cache_mounts.find("c")
        with pytest.raises(CacheMountInUse, match=r"c .* is in use"):
            store.cache_mounts.remove(rows)
        assert store.cache_mounts.remove(rows, skip_used=True) == ()
        assert store.cache_mounts.list()[0].in_use and usage(store).cache_mounts[0].in_use
        assert usage(store).reclaimable([("cache", one.id)]) == 0
    Path(one.path, "x").write_bytes(b"x" * 10_000)
    os.sync()
    predicted = usage(store).reclaimable([("cache", one.id)])
    before = verify(store.root).under("caches")[one.id]
    assert predicted == before > 10_000
    assert store.cache_mounts.remove(rows)[0].allocated_bytes == before
    assert store.cache_mounts.list() == () and store.check() == []
    with pytest.raises(NoSuchCacheMount):
        store.cache_mounts.find("c")


def test_by_prefix_of_the_id(store: Store) -> None:
    with use_cache(store, "c") as one:
        pass
    assert store.cache_mounts.find(one.id[:8])[0].id == one.id


def test_put_replaces_what_has_the_name(store: Store) -> None:
    with use_cache(store, "c") as old:
        pass
    with store.layers.stage() as stage:
        Path(stage.diff, "new").write_text("x")
        with use_cache(store, "c"), pytest.raises(CacheMountInUse):
            store.cache_mounts.put("c", "", stage.diff)
    assert [mount.id for mount in store.cache_mounts.list()] == [old.id]
    with store.layers.stage() as stage:
        Path(stage.diff, "new").write_text("x")
        row = store.cache_mounts.put("c", "", stage.diff)
    assert [mount.id for mount in store.cache_mounts.list()] == [row.id]
    assert Path(store.directory.cache(row.id), "data", "new").read_text() == "x"
    assert store.check() == []


def test_a_killed_user_lets_go_and_a_killed_maker_leaves_nothing(root: Path) -> None:
    def die_while_using() -> None:
        own = open_store(root)
        use_cache(own, "c", sharing="locked")
        os.kill(os.getpid(), signal.SIGKILL)

    def die_while_making() -> None:
        own = open_store(root)
        stage = own.layers.stage()
        os.makedirs(own.directory.cache("f" * 32))
        assert stage.diff
        os.kill(os.getpid(), signal.SIGKILL)

    open_store(root).close()
    assert in_child(die_while_using) == KILLED
    with open_store(root) as store, use_cache(store, "c", sharing="locked"):
        pass
    assert in_child(die_while_making) == KILLED
    with open_store(root) as store:
        assert [mount.name for mount in store.cache_mounts.list()] == ["c"]
        assert store.check() == []


def test_a_directory_that_is_gone_takes_its_row_along(root: Path) -> None:
    def break_and_die() -> None:
        own = open_store(root)
        with use_cache(own, "c") as cache:
            pass
        os.rename(os.path.dirname(cache.path), f"{own.directory.trash}/elsewhere")
        own.layers.stage()
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(break_and_die) == KILLED
    with open_store(root) as store:
        assert store.cache_mounts.list() == () and store.check() == []


def test_a_deletion_that_never_was_is_taken_back(root: Path) -> None:
    def die_between() -> None:
        own = open_store(root)
        with use_cache(own, "c") as cache:
            Path(cache.path, "x").write_text("kept")
        os.rename(os.path.dirname(cache.path), f"{own.directory.trash}/cache.{cache.id}.1.1.abcd")
        own.layers.stage()
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(die_between) == KILLED
    with open_store(root) as store:
        (mount,) = store.cache_mounts.list()
        assert Path(store.directory.cache(mount.id), "data", "x").read_text() == "kept"


def test_figures_are_kept_once_it_has_come_to_rest(root: Path) -> None:
    now = [1000.0]
    from cowl.config import Config

    with Store.open(Config(root=str(root)), clock=lambda: now[0]) as store:
        with use_cache(store, "c") as cache:
            Path(cache.path, "x").write_bytes(b"x" * 5000)
        os.sync()
        assert store.cache_mounts.list()[0].size_bytes == 5000
        assert store.rows().cache_mounts[0].measured_at == 0
        now[0] += 100
        assert store.cache_mounts.list()[0].size_bytes == 5000
        assert store.rows().cache_mounts[0].measured_at == now[0]
        with use_cache(store, "c"):
            assert store.rows().cache_mounts[0].measured_at == 0
