"""Fixtures for registry tests: fake registries, names that lead to loopback, clients that never sleep."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.unit.registry.fake_registry import FakeRegistry, fake_registry

from cowl.config import Config
from cowl.registry.client import Client


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with fake_registry() as running:
        yield running


@pytest.fixture
def other() -> Iterator[FakeRegistry]:
    """A second host, where no credentials belong."""
    with fake_registry() as running:
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every host under `.test` is this machine: a name that is not loopback's, for TLS and redirects."""
    real = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if str(text).endswith(".test") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Makes clients; the naps that they would take are in `.slept`."""
    with ExitStack() as stack:

        def make(slept: list[float] | None = None, tls: Any = None, **config: Any) -> Client:
            naps = [] if slept is None else slept
            made = Client(Config(root="/nonexistent", **config), tls=tls, sleep=naps.append)
            return stack.enter_context(made)

        yield make
