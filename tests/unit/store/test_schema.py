"""The schema: a store of any older version is lifted to ours, and keeps what it holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.unit.store.making import add_layer, open_store

from cowl.store import schema


def tables(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        rows: list[tuple[str, str]] = found.fetchall()
    database.close()
    return rows


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_an_older_store_is_lifted(root: Path, tmp_path: Path, version: int) -> None:
    with open_store(root) as store:
        layer = add_layer(store, "kept")
        store.steps.add("k", layer.key, "RUN kept")
    ours = tables(root / "cowl.db")
    old = tmp_path / "old.db"
    with sqlite3.connect(old) as database:
        scripts = (schema.TABLES, *schema.CHANGES)[:version]
        database.executescript("PRAGMA journal_mode = WAL;" + ";".join(scripts))
        database.execute(f"PRAGMA user_version = {version}")
        database.execute("ATTACH ? AS new", (str(root / "cowl.db"),))
        for table in ("meta", "owners", "layers", "steps"):
            columns = ", ".join(row[1] for row in database.execute(f"PRAGMA table_info({table})"))
            database.execute(f"INSERT INTO {table} SELECT {columns} FROM new.{table}")
    database.close()
    for name in ("cowl.db", "cowl.db-wal", "cowl.db-shm"):
        (root / name).unlink(missing_ok=True)
    old.rename(root / "cowl.db")
    with open_store(root) as store:
        assert store.steps.find("k") == layer
        assert store.check() == []
    assert tables(root / "cowl.db") == ours
