"""The examples of the pages under docs/ do what the pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import needs

import cowl
from ecosystems.bases import make_debian

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """The page's examples in one language, in order."""
    found = BLOCK.findall((DOCS / page).read_text())
    return [text for kind, text in found if kind == language]


@pytest.mark.parametrize("page", ["untrusted-code.md", "forks.md"])
def test_examples_run(page: str, caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", str(busybox_tar), "busybox")
    done = caller.python("\n".join(blocks(page, "python")))
    assert done.returncode == 0, done.stderr.decode()
    assert caller.text("ps", "-aq") == "" and caller.text("system", "check") == "0 problems"


@pytest.mark.parametrize("page", ["untrusted-code.md", "forks.md", "databases.md"])
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (DOCS / page).read_text()):
        assert (DOCS / target).exists(), target


@pytest.mark.ecosystems
@needs("mmdebstrap", "npm")
def test_databases(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The real PostgreSQL and Redis of Debian, built by the page's Dockerfiles and asked by its tests."""
    if not request.config.getoption("--ecosystems"):
        pytest.skip("takes minutes: run `make ecosystems`")
    store = tmp_path / "store"
    words = [sys.executable, "-c", "from cowl.cli.main import main; main()", "--root", str(store)]
    make_debian(lambda *more: subprocess.run([*words, *more], check=True, capture_output=True), str(tmp_path))
    with cowl.Engine(store) as engine:
        for text in blocks("databases.md", "dockerfile"):
            name = text.partition("\n")[0].removeprefix("# ")
            engine.build(None, dockerfile=text.encode(), tags=[name])
    (tmp_path / "test_page.py").write_text("\n".join(blocks("databases.md", "python")))
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cowl", "-p", "cowl.pytest_plugin"]
    done = subprocess.run(
        [*run, "-c", "/dev/null", "--rootdir", ".", "--cowl-root", str(store), "test_page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    with cowl.Engine(store) as engine:
        assert engine.containers(all=True) == []
