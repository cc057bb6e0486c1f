"""Containers made straight on the runtime: a busybox root, no store, no image."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.caller import Caller

PRELUDE = """
import json, os, sys, threading, time
from cowl.config import Config
from cowl.errors import CowlError, Denied, NotFound
from cowl.linux.probe import rung
from cowl.linux.root_mount import RootMount
from cowl.runtime.choice import runtime_for
from cowl.runtime.options import Bind, ContainerOptions, ProcessOptions
from cowl.runtime.spec import Bundle, container_spec, process_spec
from cowl.runtime.stdio import Stdio
from cowl.runtime.user import User

HOME = os.getcwd()
ENV = ("PATH=/bin",)
runtime = runtime_for(Config(root=HOME))

def root(lowers=("base",), upper=True):
    trees = tuple(os.path.join(HOME, name) for name in lowers)
    box = os.path.join(HOME, "box")
    return RootMount(trees, box + "/upper", box + "/work") if upper else RootMount(trees)

def bundle(args, root=None, user=(0, 0), **options):
    options.setdefault("env", ENV)
    options = ContainerOptions(args=tuple(args), user=User(*user), rung=rung(), **options)
    return Bundle("box", container_spec(options), root or globals()["root"](), HOME)

def start(args, stdio=(0, 1, 2), **options):
    return runtime.start(bundle(args, **options), Stdio(*stdio))

def enter(box, args, stdio=(0, 1, 2), user=(0, 0), cwd="/"):
    process = ProcessOptions(args=tuple(args), env=ENV, user=User(*user), cwd=cwd)
    return runtime.exec(box.process, process_spec(process), Stdio(*stdio))
"""

MAIN = """
options = json.loads(sys.argv[1])
options["binds"] = tuple(Bind(*words) for words in options.get("binds", ()))
lowers = options.pop("lowers", ("base",))
upper = options.pop("upper", True)
try:
    box = start(options.pop("args"), root=root(lowers, upper), **options)
except CowlError as error:
    sys.stderr.write(f"{type(error).__name__}: {error.message}")
    sys.exit(127 if isinstance(error, NotFound) else 126 if isinstance(error, Denied) else 125)
sys.exit(box.wait().code)
"""

UNPACK = """
import os, sys, tarfile
with tarfile.open(sys.argv[1]) as tar:
    tar.extractall("base")
for name in ("proc", "sys", "dev"):
    os.mkdir("base/" + name)
os.makedirs("box/upper")
os.makedirs("box/work")
"""


class Boxes:
    """One caller's root file system in its home: base, box/upper, box/work."""

    def __init__(self, caller: Caller, tar: Path) -> None:
        self.caller = caller
        self.home = caller.home
        self.base = caller.home / "base"
        self.upper = caller.home / "box" / "upper"
        done = caller.python(UNPACK, str(tar))
        assert done.returncode == 0, done.stderr.decode()

    @property
    def is_root(self) -> bool:
        """Whether the caller is root."""
        return self.caller.name == "root"

    def argv(self, code: str, *words: str) -> list[str]:
        """Python code of the caller's, with the prelude's names."""
        return [*self.caller.argv()[:-1], PRELUDE + code, *words]

    def script(self, code: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Runs such code; it must succeed."""
        done = self._run(self.argv(code, *words), stdin)
        assert done.returncode == 0, f"{done.stdout!r}\n{done.stderr.decode(errors='replace')}"
        return done

    def popen(self, code: str, *words: str) -> subprocess.Popen[bytes]:
        """Starts such code, for a test that ends it."""
        return subprocess.Popen(
            self.argv(code, *words),
            env=self.caller.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def run(self, *args: str, stdin: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
        """Runs a container to its end; a refusal gives 125, 126 or 127 and its error on stderr."""
        words = json.dumps({"args": list(args), **options})
        return self._run(self.argv(MAIN, words), stdin)

    def text(self, command: str, **options: Any) -> str:
        """The output of a shell command in a container, which must succeed."""
        done = self.run("sh", "-c", command, **options)
        assert done.returncode == 0, f"{done.stdout!r}\n{done.stderr.decode(errors='replace')}"
        return done.stdout.decode()

    def _run(self, argv: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            argv,
            env=self.caller.env,
            cwd=self.home,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def own(self, path: Path) -> Path:
        """Gives what the test made to the caller."""
        if not self.is_root and os.geteuid() == 0:
            self.caller.give(path) if path.is_dir() else os.chown(path, *self._ids())
        return path

    def _ids(self) -> tuple[int, int]:
        status = self.home.stat()
        return status.st_uid, status.st_gid
