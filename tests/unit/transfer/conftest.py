"""Fixtures for transfer tests: a store of its own, a fake registry, and a pull that remembers its events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.registry.fake_registry import FakeRegistry, fake_registry

from cowl.config import Config
from cowl.events import Event
from cowl.oci.platform import Platform
from cowl.oci.reference import Reference
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.pull import pull


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(Config(root=str(tmp_path / "store"))) as opened:
        yield opened


class Puller:
    """Pulls from one registry into one store; `events` is what it said."""

    def __init__(self, registry: FakeRegistry, store: Store) -> None:
        self.registry = registry
        self.store = store
        self.events: list[Event] = []

    def __call__(self, rest: str = "app:1", platform: str = "") -> ImageRecord:
        self.events.clear()
        self.registry.seen.clear()
        return pull(
            Reference.parse(f"{self.registry.netloc}/{rest}"),
            Platform.parse(platform) if platform else None,
            store=self.store,
            config=Config(root=self.store.root),
            emit=self.events.append,
        )

    def blobs_fetched(self) -> int:
        return sum("/blobs/" in path for path in self.registry.paths())

    def assert_nothing_published(self) -> None:
        """No image, no layer, nothing staged, directories as the rows say."""
        self.store.collect()
        assert self.store.images.list() == ()
        assert self.store.layers.list() == ()
        assert self.store.check() == []


@pytest.fixture
def puller(registry: FakeRegistry, store: Store) -> Puller:
    return Puller(registry, store)
