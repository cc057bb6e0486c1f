"""What `cowl info` says about the machine, asked by each kind of caller."""

from __future__ import annotations

import json
import os

from tests.caller import Caller

CODE = """
import json
from cowl.linux.probe import probe
print(json.dumps(probe().as_dict()))
"""


def test_the_rung_in_force_and_what_blocks_the_next(caller: Caller) -> None:
    done = caller.python(CODE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kernel"] == os.uname().release
    if caller.name == "root":
        assert (found["rung"], found["root"]) == ("root", "available")
        assert found["idmap"] == "available"
    else:
        assert found["rung"] == "single-id"
        assert found["root"].startswith("not root (uid ")
    assert [found[name] for name in ("userns", "overlay", "proc", "network", "seccomp")] == ["available"] * 5
