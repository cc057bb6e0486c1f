"""A pytest plugin: containers for tests, gone when the test is over, whichever way it ends.

    def test_answers(cowl_container):
        box = cowl_container("redis", port=6379)
        assert box.exec(["redis-cli", "ping"], text=True).stdout == "PONG\\n"

pytest loads this module at every start of everybody who has cowl installed: it imports nothing itself.
"""

from __future__ import annotations

import os

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Any

    import cowl
    from cowl.pytest_containers import Containers

_STARTED = pytest.StashKey["list[Containers]"]()  # by an item, and by the session


def pytest_addoption(parser: pytest.Parser) -> None:
    """The store that the fixtures use."""
    group = parser.getgroup("cowl", "containers (cowl)")
    group.addoption(
        "--cowl-root", metavar="DIR", help="cowl's store; else the ini value, COWL_ROOT, its default"
    )
    parser.addini("cowl_root", "cowl's store, relative to the ini file", default="")


@pytest.fixture(scope="session")
def cowl_engine(pytestconfig: pytest.Config) -> Iterator[cowl.Engine]:
    """An engine on the store of --cowl-root, or of the ini value cowl_root; closed with the session."""
    import cowl

    root = pytestconfig.getoption("--cowl-root")
    configured = pytestconfig.getini("cowl_root")
    if not root and configured:
        root = os.path.join(pytestconfig.rootpath, configured)
    with cowl.Engine(root or None) as engine:
        yield engine


@pytest.fixture
def cowl_container(cowl_engine: cowl.Engine, request: pytest.FixtureRequest) -> Iterator[Containers]:
    """Starts containers that are killed and removed after the test: see Containers.__call__.

    What they wrote is shown when the test fails.
    """
    yield from _containers(cowl_engine, request.node)


@pytest.fixture(scope="session")
def cowl_session_container(cowl_engine: cowl.Engine, request: pytest.FixtureRequest) -> Iterator[Containers]:
    """The same for containers that all tests share, until the session ends."""
    yield from _containers(cowl_engine, request.session)


def _containers(engine: cowl.Engine, node: pytest.Item | pytest.Session) -> Iterator[Containers]:
    from cowl.pytest_containers import Containers

    with Containers(engine) as containers:
        node.stash.setdefault(_STARTED, []).append(containers)
        yield containers


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Shows what the containers of a failed test wrote."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        known = [*item.session.stash.get(_STARTED, []), *item.stash.get(_STARTED, [])]
        report.sections.extend(section for containers in known for section in containers.sections())
