"""The same builds as root and as an ordinary user: the images say the same, whoever owns the files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller

DOCKERFILE = """\
FROM base
COPY --chown=node:extra --chmod=711 a /d/a
COPY d /d/
COPY --chown=node . /all/
USER node
WORKDIR /home/node/w
RUN echo x > made && chmod 600 made
USER root
RUN chown 7:8 /d/a && chmod 2755 /d && rm /d/x && rm -r /all && mkdir /all
COPY d /d/
"""

LOOK = """\
import json, os, sys
from cowl import Engine
from cowl.layer.ownership import for_euid
engine = Engine()
image = engine.build(sys.argv[1], tags=["built"])
view = engine.store.view([layer.key for layer in image.layers])
owners = for_euid(os.geteuid())
found = {}
for path in sys.argv[2:]:
    node = view.lookup(path, follow=False)
    found[path] = node and [*view.owner(node, owners), node.kind]
print(json.dumps({"found": found, "history": [row.created_by for row in image.history()],
                  "sizes": [layer.size_bytes for layer in image.layers[1:]],
                  "problems": len(engine.check()), "all": list(view.list("/all"))}))
engine.close()
"""


@pytest.fixture
def context(caller: Caller, busybox_tar: Path) -> Path:
    caller.cowl("import", str(busybox_tar), "base")
    root = caller.home / "context"
    (root / "d" / "sub").mkdir(parents=True)
    for name, text, mode in (("a", "a", 0o644), ("d/x", "xx", 0o400), ("d/sub/y", "yyy", 0o755)):
        (root / name).write_text(text)
        (root / name).chmod(mode)
    (root / "d" / "sub").chmod(0o555)
    (root / "d" / "link").symlink_to("x")
    (root / "Dockerfile").write_text(DOCKERFILE)
    return caller.give(root)


def look(caller: Caller, context: Path, *paths: str) -> dict[str, Any]:
    done = caller.python(LOOK, str(context), *paths)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_owners_and_modes(caller: Caller, context: Path) -> None:
    paths = ("/d", "/d/a", "/d/x", "/d/sub", "/d/sub/y", "/d/link", "/home/node/w", "/home/node/w/made")
    seen = look(caller, context, *paths)
    assert seen["found"] == {
        "/d": [1000, 2000, 0o2755, "directory"],  # made by the first COPY, for its new owner
        "/d/a": [7, 8, 0o711, "file"],
        "/d/x": [0, 0, 0o400, "file"],
        "/d/sub": [0, 0, 0o555, "directory"],
        "/d/sub/y": [0, 0, 0o755, "file"],
        "/d/link": [0, 0, 0o777, "symlink"],
        "/home/node/w": [1000, 1000, 0o755, "directory"],
        "/home/node/w/made": [1000, 1000, 0o600, "file"],
    }
    assert seen["problems"] == 0
    assert seen["all"] == []
    again = look(caller, context)
    assert again["history"] == seen["history"]
    assert again["sizes"] == seen["sizes"]


def test_a_refused_build_leaves_nothing(caller: Caller, context: Path) -> None:
    for text, said in (
        ("FROM base\nRUM true\n", "RUN"),
        ("FROM base\nCOPY nothing /\n", "not found in the build context"),
        ("FROM base\nWORKDIR /x\nRUN echo seen; exit 3\n", "exit code: 3"),
        ("FROM base\nCOPY d /etc/passwd\n", "not a directory"),
        ("FROM base\nCOPY d/x /d/.wh.x\n", "'d/.wh.x' can't be in a layer"),
        ("FROM base\nRUN touch /.wh.bin\n", "'.wh.bin' can't be in a layer"),
    ):
        (context / "Dockerfile").write_text(text)
        done = caller.cowl("build", "-t", "bad", str(context), status=None)
        assert done.returncode != 0
        assert said in done.stderr.decode()
    assert os.listdir(caller.store / "staging") == []
    assert "bad" not in caller.text("images", "--format", "{{.Repository}}").split()


def test_an_unreadable_file_is_named(ordinary_caller: Caller, busybox_tar: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to make a file that the ordinary user may not read")
    ordinary_caller.cowl("import", str(busybox_tar), "base")
    root = ordinary_caller.home / "context"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM base\nCOPY . /x/\n")
    ordinary_caller.give(root)
    (root / "secret").write_text("s")
    (root / "secret").chmod(0o600)
    done = ordinary_caller.cowl("build", str(root), status=1)
    assert "can't read secret" in done.stderr.decode()
    (root / ".dockerignore").write_text("secret\n")
    ordinary_caller.cowl("build", str(root))


def test_what_a_run_closed_to_its_owner_is_copied(caller: Caller, context: Path) -> None:
    (context / "Dockerfile").write_text(
        "FROM base AS made\nRUN mkdir -p /d/e && echo x > /d/e/f && chmod 0 /d/e/f /d/e\n"
        "FROM base\nCOPY --from=made /d /d\nRUN mkdir /all\n"
    )
    assert look(caller, context, "/d/e", "/d/e/f")["found"] == {
        "/d/e": [0, 0, 0, "directory"],
        "/d/e/f": [0, 0, 0, "file"],
    }
