"""Ten Dockerfiles as people write them, one an ecosystem: each builds, runs, and is cached the second time.

They install from Debian's, PyPI's and npm's packages, which takes minutes: `make ecosystems`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.interop.oci_tools import needs

from ecosystems.bases import make_bases

EXAMPLES = Path(__file__).parents[2] / "examples" / "ecosystems"
CASES = sorted(path.parent.name for path in EXAMPLES.glob("*/expected.txt"))
MINUTES = 600

pytestmark = [pytest.mark.ecosystems, needs("mmdebstrap", "npm")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A store with the base images."""
    if not request.config.getoption("--ecosystems"):
        pytest.skip("takes minutes: run `make ecosystems`")
    home = tmp_path_factory.mktemp("bases")
    make_bases(lambda *words: cowl(home / "store", *words), str(home))
    return home / "store"


def cowl(store: Path, *words: str) -> tuple[str, str]:
    """Standard output and standard error of a cowl that succeeds."""
    argv = [sys.executable, "-c", "from cowl.cli.main import main; main()", "--root", str(store), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=MINUTES)
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout, done.stderr


def test_there_are_ten() -> None:
    assert len(CASES) == 10


@pytest.mark.parametrize("case", CASES)
def test_builds_runs_and_is_cached(case: str, store: Path) -> None:
    folder = EXAMPLES / case
    for base in sorted(folder.glob("*.Dockerfile")):
        cowl(store, "build", "-t", "site-base", "-f", str(base), str(folder))
    flags = (folder / "flags.txt").read_text().split() if (folder / "flags.txt").exists() else []
    words = ("build", *flags, "--progress", "plain", "-t", case, str(folder))
    cowl(store, *words)
    assert cowl(store, "run", "--rm", case)[0] == (folder / "expected.txt").read_text()
    first = cowl(store, "inspect", "-f", "{{.Id}}", case)[0]
    again = cowl(store, *words)[1]
    ran = [line for line in again.splitlines() if " DONE " in line]
    assert " CACHED" in again and all("0.0s" in line for line in ran), again
    assert cowl(store, "inspect", "-f", "{{.Id}}", case)[0] == first
    assert cowl(store, "system", "check")[0] == "0 problems\n"
