"""The engines under test behind one face: prepare an image, say the command of each workload, clean up."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

BASE = "node:14.16.1-alpine3.13"


class Engine:
    """One engine with a store of its own below `home`; everything that it starts ends with `close`."""

    name = ""
    verbatim = False  # does it build the seed's Dockerfile as it stands?

    def __init__(self, home: str) -> None:
        self.home = home
        self._kept: subprocess.Popen[bytes] | None = None
        os.makedirs(home, exist_ok=True)

    def command(self, *words: str) -> list[str]:
        """The whole command line for `words`, in the engine's own store."""
        raise NotImplementedError

    def environ(self) -> Mapping[str, str]:
        return {}

    def build(self, context: str, *flags: str) -> list[str]:
        return self.command("build", "--network", "host", "-q", "-t", "seed", *flags, context)

    def drop_cache(self) -> None:
        """Makes the next build a cold one; the base image stays."""

    def sh(self, *words: str) -> str:
        env = {**os.environ, **self.environ()}
        done = subprocess.run(self.command(*words), env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name} {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def import_base(self, tar: str) -> None:
        self.sh("import", tar, BASE)

    def keep_running(self, name: str, image: str) -> None:
        """Starts a container that lives until `close`."""
        words = ("run", "--rm", "--name", name, "--network", "none", image, "sleep", "3600")
        self._kept = subprocess.Popen(
            self.command(*words), env={**os.environ, **self.environ()}, stdin=subprocess.DEVNULL
        )
        for _ in range(100):
            if name in self.sh("ps", "--format", "{{.Names}}").split():
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name}: the container {name} does not come up")

    def end_running(self) -> None:
        """Ends what `keep_running` started. Idempotent."""
        if self._kept is not None:
            self.sh("rm", "-f", "bench")
            self._kept.wait(20)
            self._kept = None

    def close(self) -> None:
        """Ends what runs and removes all that the engine stored."""
        self.end_running()
        shutil.rmtree(self.home, ignore_errors=True)


class Cowl(Engine):
    name = "cowl"
    verbatim = True

    def command(self, *words: str) -> list[str]:
        script = os.path.join(os.path.dirname(sys.executable), "cowl")
        return [script, "--root", os.path.join(self.home, "store"), *words]

    def drop_cache(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.sh("rmi", "-f", "seed")
        self.sh("builder", "prune", "-f")


class Docker(Engine):
    """Docker with BuildKit, its daemon started by hand; the daemon's start is not timed."""

    name = "docker"

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self.socket = os.path.join(home, "sock")
        self._log = open(os.path.join(home, "log"), "wb")  # noqa: SIM115  # lives as long as the daemon
        self._daemon = subprocess.Popen(
            [
                "dockerd", "--data-root", f"{home}/data", "--exec-root", f"{home}/exec", "--bridge=none",
                "--pidfile", f"{home}/pid", "-H", f"unix://{self.socket}", "--iptables=false",
            ],
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        for _ in range(100):
            with contextlib.suppress(RuntimeError):
                self.sh("info")
                return
            time.sleep(0.2)
        self.close()
        raise RuntimeError("dockerd does not answer")

    def command(self, *words: str) -> list[str]:
        return ["/usr/bin/docker", "-H", f"unix://{self.socket}", *words]

    def environ(self) -> Mapping[str, str]:
        return {"DOCKER_BUILDKIT": "1"}

    def drop_cache(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.sh("rmi", "-f", "seed")
        self.sh("builder", "prune", "-af")

    def close(self) -> None:
        self.end_running()
        self._daemon.send_signal(signal.SIGTERM)
        try:
            self._daemon.wait(20)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._log.close()
        super().close()


class Podman(Engine):
    name = "podman"

    def __init__(self, home: str) -> None:
        super().__init__(home)
        self._conf = os.path.join(home, "containers.conf")
        with open(self._conf, "w") as conf:
            conf.write('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')

    def command(self, *words: str) -> list[str]:
        base = ["podman", "--root", f"{self.home}/data", "--runroot", f"{self.home}/run", "--runtime", "runc"]
        return [*base, "--cgroup-manager", "cgroupfs", *words]

    def environ(self) -> Mapping[str, str]:
        return {"CONTAINERS_CONF": self._conf}

    def build(self, context: str, *flags: str) -> list[str]:
        return super().build(context, "--layers", *flags)

    def drop_cache(self) -> None:
        with contextlib.suppress(RuntimeError):
            self.sh("rmi", "-f", "seed")
        self.sh("image", "prune", "-f")

    def import_base(self, tar: str) -> None:
        self.sh("import", tar, f"docker.io/library/{BASE}")

    def close(self) -> None:
        self.end_running()
        with contextlib.suppress(RuntimeError):
            self.sh("system", "reset", "-f")
        super().close()


def available(home: str, wanted: Sequence[str]) -> list[Engine]:
    """cowl, and the peers that are installed here (and this process may start)."""
    engines: list[Engine] = [Cowl(os.path.join(home, "cowl"))]
    root = os.geteuid() == 0
    if "docker" in wanted and root and shutil.which("dockerd") and os.path.exists("/usr/bin/docker"):
        engines.append(Docker(os.path.join(home, "docker")))
    if "podman" in wanted and root and shutil.which("podman"):
        engines.append(Podman(os.path.join(home, "podman")))
    return engines
