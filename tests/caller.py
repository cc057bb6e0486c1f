"""A user with a store of its own, who runs cowl as a whole process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ORDINARY_ID = 64321  # no account, no subuid range: what an ordinary user is at the least


def _runtime() -> dict[str, str]:
    """COWL_RUNTIME of who runs the tests: so every test can be tried on crun and runc."""
    name = os.environ.get("COWL_RUNTIME", "")
    return {"COWL_RUNTIME": name} if name else {}


class Caller:
    """A user with a store of its own, who runs cowl as a whole process."""

    def __init__(
        self, name: str, home: Path, prefix: list[str], python: list[str], env: dict[str, str]
    ) -> None:
        self.name = name
        self.home = home
        self.store = home / "store"
        self._prefix = prefix
        self._python = python
        self.env = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(home),
            "COWL_ROOT": str(self.store),
            **_runtime(),
            **env,
        }

    def argv(self, *words: str) -> list[str]:
        """The whole command line of `cowl WORDS` as this user."""
        return [*self._prefix, *self._python, "-c", "from cowl.cli.main import main; main()", *words]

    def python_argv(self, code: str, *words: str) -> list[str]:
        """The whole command line of Python code that may import cowl, as this user."""
        return [*self._prefix, *self._python, "-c", code, *words]

    def python(self, code: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Runs Python code that may import cowl, as this user, in its home."""
        argv = self.python_argv(code, *words)
        return subprocess.run(
            argv, env=self.env, cwd=self.home, capture_output=True, check=False, timeout=120
        )

    def cowl(
        self,
        *words: str,
        status: int | None = 0,
        stdin: bytes | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs cowl; fails the test when the exit status is not `status` (None: any)."""
        done = subprocess.run(
            self.argv(*words),
            env={**self.env, **(env or {})},
            cwd=self.home,
            input=stdin if stdin is not None else b"",
            capture_output=True,
            check=False,
            timeout=120,
        )
        said = f"cowl {' '.join(words)} (as {self.name}): exit {done.returncode}\n{done.stdout!r}\n"
        said += done.stderr.decode(errors="replace")
        assert status is None or done.returncode == status, said
        assert b"Traceback" not in done.stderr, said
        return done

    def text(self, *words: str) -> str:
        """The standard output of a successful cowl, stripped."""
        return self.cowl(*words).stdout.decode().strip()

    def give(self, path: Path) -> Path:
        """Makes a tree this user's own."""
        if self.name != "root" and os.geteuid() == 0:
            for directory, _, files in os.walk(path):
                for name in (directory, *(os.path.join(directory, file) for file in files)):
                    os.chown(name, ORDINARY_ID, ORDINARY_ID, follow_symlinks=False)
        return path
