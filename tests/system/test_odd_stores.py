"""Stores as they should not be: the clock jumped, names look like IDs, directories are gone or altered."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.unit.store.making import leftovers
from tests.walker import look

from cowl.config import Config
from cowl.engine import Engine
from cowl.store import Store

BASE = "node:14.16.1-alpine3.13"
DAY = 24 * 3600


@pytest.fixture
def based(root_caller: Caller, busybox_tar: Path) -> Caller:
    root_caller.cowl("import", str(busybox_tar), BASE)
    return root_caller


@pytest.fixture
def used(based: Caller) -> Iterator[Caller]:
    """A base, an image on it with two steps, a container that wrote, a volume and a snapshot."""
    where = based.home / "app"
    where.mkdir()
    (where / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo one > /one\nRUN echo two > /two\n")
    based.cowl("build", "-q", "-t", "app", str(where))
    based.cowl(
        "run", "--name", "box", "-v", "data:/data", "app", "sh", "-c", "echo x > /tmp/x; echo y > /data/y"
    )
    based.cowl("snapshot", "create", "--name", "state", "box")
    based.cowl("run", "--name", "other", "app", "sh", "-c", "echo z > /tmp/z")
    yield based


def shift(store: Path, seconds: float) -> None:
    """Moves every time in the store's rows: as if the clock had jumped by so much the other way."""
    with closing(sqlite3.connect(store / "cowl.db")) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for column in database.execute(f"PRAGMA table_info({table})").fetchall():
                if column[2] == "REAL":
                    name = column[1]
                    database.execute(f"UPDATE {table} SET {name} = {name} + ? WHERE {name} > 0", (seconds,))
        database.commit()


def check(root: Path) -> None:
    """Nothing is wrong, nothing is left over, and every byte has its owner."""
    with Engine(root) as engine:
        assert engine.check() == ()
        for _ in range(3):  # the kernel may write the database back between the two
            owners, seen = dict(engine.usage().owners), look(root).owners
            if owners == seen:
                break
        assert owners == seen
    assert leftovers(root) == {}


LISTS = (
    ("images", "-a"),
    ("ps", "-as"),
    ("history", "app"),
    ("system", "df"),
    ("system", "df", "-v"),
    ("snapshot", "ls"),
    ("volume", "ls"),
    ("inspect", "app", "box"),
    ("explain", "app"),
    ("diff", "box"),
)


@pytest.mark.parametrize("years", [-3, 3])
def test_rows_of_another_time(used: Caller, years: int) -> None:
    """Whatever the clock says, lists work, builds hit, and what is of the future is not old."""
    before = used.text("images", "-q")
    shift(used.store, years * 365 * DAY)
    for words in LISTS:
        used.cowl(*words)
    assert used.text("images", "-q") == before
    check(used.store)
    assert used.text("build", "-q", str(used.home / "app")) in used.text("images", "-q", "--no-trunc")
    plan = json.loads(used.text("gc", "--older", "7d", "--dry-run", "--json"))
    going = {each["id"] for each in plan["objects"] if each["kind"] == "container"}
    assert len(going) == (2 if years < 0 else 0)
    used.cowl("run", "--rm", "app", "cat", "/one", "/two")
    for kind in ("container", "image", "builder"):
        used.cowl(kind, "prune", "-f", *(["-a"] if kind != "container" else []))
    check(used.store)


def test_time_goes_back_between_a_build_and_a_prune(based: Caller) -> None:
    now = 2e9
    with Store.open(Config(root=str(based.store)), clock=lambda: now) as store:
        engine = Engine(based.store)
        engine._store = store
        where = based.home / "late"
        where.mkdir()
        (where / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo late > /late\n")
        engine.build(where, tags=["late"])
        now = 1e9
        engine.run("late", ["cat", "/late"], remove=False)
        before = look(based.store).content
        plan = engine.plan_removal(
            images=["late"],
            containers=[box.id for box in engine.containers(all=True)],
            steps=[step.key for step in engine.usage().cache],
        )
        receipt = plan.apply()
        assert receipt.freed_bytes == plan.frees == before - look(based.store).content > 0
        engine.close()
    check(based.store)


def test_a_container_called_like_the_id_of_another(based: Caller) -> None:
    """A name wins over the beginning of an ID, as with Docker; a whole ID over a name."""
    based.cowl("run", "--name", "first", BASE, "true")
    identity = based.text("ps", "-aq", "--no-trunc")
    based.cowl("run", "--name", identity[:12], BASE, "true")
    assert based.text("inspect", "--format", "{{.Name}}", identity[:12]) == f"/{identity[:12]}"
    assert based.text("inspect", "--format", "{{.Name}}", identity) == "/first"
    assert based.text("inspect", "--format", "{{.Name}}", identity[:13]) == "/first"
    based.cowl("rm", identity[:12])
    assert based.text("ps", "-a", "--format", "{{.Names}}") == "first"
    based.cowl("rm", identity[:12])
    assert based.text("ps", "-aq") == ""
    check(based.store)


def test_an_image_called_like_the_id_of_another(based: Caller) -> None:
    identity = based.text("images", "-q", "--no-trunc").removeprefix("sha256:")
    where = based.home / "liar"
    where.mkdir()
    (where / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo liar > /etc/name\n")
    based.cowl("build", "-q", "-t", identity[:12], "-t", "beef", str(where))
    assert based.text("run", "--rm", identity[:12], "cat", "/etc/name") == "liar"
    assert based.cowl("run", "--rm", identity[:13], "cat", "/etc/name", status=None).returncode == 1
    based.cowl("rmi", identity[:12])
    assert based.text("images", "--format", "{{.Repository}}") in ("beef\nnode", "node\nbeef")
    assert (
        based.cowl("rmi", identity[:12], status=None).stderr.decode() == ""
    )  # now it is the beginning of an ID
    assert based.text("images", "--format", "{{.Repository}}") == "beef"
    assert based.text("run", "--rm", "beef", "cat", "/etc/name") == "liar"
    check(based.store)


def test_a_volume_called_like_an_id(used: Caller) -> None:
    identity = used.text("ps", "-aq", "--no-trunc").split()[0]
    used.cowl("volume", "create", identity)
    used.cowl("volume", "rm", identity)
    assert used.text("volume", "ls", "-q") == "data"
    assert identity in used.text("ps", "-aq", "--no-trunc")
    check(used.store)


def places(root: Path) -> dict[str, list[Path]]:
    return {
        place: sorted((root / place).iterdir()) for place in ("layers", "containers", "volumes", "caches")
    }


@pytest.mark.parametrize("place", ["layers", "containers", "volumes"])
def test_a_directory_that_is_gone(used: Caller, place: str) -> None:
    """It is told, nothing is counted that is not there, and what is left can be removed."""
    gone = places(used.store)[place]
    for directory in gone:
        shutil.rmtree(directory)
    told = used.cowl("system", "check", status=None).stdout.decode()
    for directory in gone:
        assert directory.name[:12] in told
    for words in LISTS:
        used.cowl(*words, status=None)
    with Engine(used.store) as engine:
        assert engine.usage().total_allocated_bytes == look(used.store).total
        assert min(engine.usage().owners.values()) >= 0
    used.cowl("rm", "-v", "box", "other", status=None)
    used.cowl("snapshot", "rm", "-f", "state", status=None)
    used.cowl("volume", "rm", "data", status=None)
    used.cowl("builder", "prune", "-af")
    used.cowl("rmi", "-f", "app", BASE)
    assert {name: found for name, found in places(used.store).items() if found} == {}
    check(used.store)


def test_an_altered_directory(used: Caller) -> None:
    """check and df --verify name the layer; figures are those of the rows, and its removal still works."""
    layer = next(path for path in places(used.store)["layers"] if os.path.exists(path / "diff" / "two"))
    (layer / "diff" / "two").write_bytes(b"altered" * 10_000)
    (layer / "diff" / "new").mkdir()
    os.sync()
    assert layer.name[:12] in used.cowl("system", "check", status=None).stdout.decode()
    verified = used.cowl("system", "df", "--verify", status=None)
    assert verified.returncode != 0
    assert layer.name[:12] in verified.stdout.decode() + verified.stderr.decode()
    for words in LISTS:
        used.cowl(*words)
    used.cowl("rm", "box", "other")
    used.cowl("snapshot", "rm", "state")
    used.cowl("builder", "prune", "-af")
    used.cowl("rmi", "app")
    assert not layer.exists()
    check(used.store)
