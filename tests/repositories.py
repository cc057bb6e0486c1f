"""Git repositories made in a test, served on loopback by git's own servers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DATE = 1_234_567_890  # of every commit
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@test",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@test",
    "GIT_AUTHOR_DATE": f"{DATE} +0000",
    "GIT_COMMITTER_DATE": f"{DATE} +0000",
    "GIT_ALLOW_PROTOCOL": "file",
}


class Repository:
    """A repository with a work tree, at `path`; its first branch is `main`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", ".")

    def git(self, *words: str) -> str:
        """Runs git in it; what it prints, stripped."""
        done = subprocess.run(
            ["git", *words], cwd=self.path, env=_ENVIRONMENT, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def commit(self, message: str = "more") -> str:
        """Commits all that is there; the commit's ID."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


class Server:
    """Serves the repositories below `root`: `git` is the address of git daemon, `http` of git http-backend.

    `seen` are the request lines of http; `anonymous` False asks for a password.
    """

    def __init__(self, root: Path, port: int, web: ThreadingHTTPServer) -> None:
        self.root = root
        self.git = f"git://127.0.0.1:{port}"
        self.http = f"http://127.0.0.1:{web.server_address[1]}"
        self.netloc = f"127.0.0.1:{web.server_address[1]}"
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.anonymous = True


@contextmanager
def served(root: Path) -> Iterator[Server]:
    """The servers, until the block ends."""
    if not shutil.which("git"):
        pytest.skip("needs Debian's package git")
    root.mkdir(exist_ok=True)
    port = _free_port()
    command = ["git", "daemon", f"--base-path={root}", "--export-all", "--reuseaddr", "--listen=127.0.0.1"]
    daemon = subprocess.Popen(
        [*command, f"--port={port}"],
        env=_ENVIRONMENT | {"GIT_CONFIG_COUNT": "1"} | _SAFE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    web = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    web.daemon_threads = True
    server = Server(root, port, web)
    web.RequestHandlerClass = _handler(server)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        _await(port)
        yield server
    finally:
        web.shutdown()
        thread.join()
        web.server_close()
        daemon.terminate()
        daemon.wait()


_SAFE = {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(port: int) -> None:
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise AssertionError("git daemon does not listen")


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    """A web server that knows one CGI program: git http-backend."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_words: object) -> None:
            pass

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self._serve(b"".join(parts))
            else:
                self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _serve(self, body: bytes) -> None:
            server.seen.append(self.path)
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            if not server.anonymous and "Authorization" not in self.headers:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="test"')
                self.end_headers()
                return
            path, _, query = self.path.partition("?")
            done = subprocess.run(
                ["git", "http-backend"],
                input=body,
                capture_output=True,
                check=True,
                env={
                    **_ENVIRONMENT,
                    **_SAFE,
                    "GIT_CONFIG_COUNT": "1",
                    "GIT_PROJECT_ROOT": str(server.root),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": path,
                    "QUERY_STRING": query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                },
            )
            head, _, rest = done.stdout.partition(b"\r\n\r\n")
            lines = [line.partition(": ") for line in head.decode().split("\r\n")]
            status = next((int(value[:3]) for name, _, value in lines if name == "Status"), 200)
            self.send_response(status)
            for name, _, value in lines:
                if name != "Status":
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(rest)

    return Handler
