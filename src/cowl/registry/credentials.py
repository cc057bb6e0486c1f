"""Credentials: from Docker's config.json and credential helpers, for the host and port they belong to.

Format: docker login's config.json (auths, credHelpers, credsStore) and the protocol of
docker-credential-helpers; keys with a path as in containers-auth.json(5).
"""

from __future__ import annotations

import base64
import json
import re

from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_HUB = "docker.io"
_HUB_NAMES = (_HUB, "index.docker.io", "registry-1.docker.io")
HUB_SERVER = "https://index.docker.io/v1/"
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HELPER_SECONDS = 60
_TOKEN_USER = "<token>"


class InvalidAuthFile(Invalid):
    """config.json can't be read. Its content is not quoted, for it holds secrets."""


class Credential(Value):
    """What proves who we are: name and password, or one of Docker's two kinds of token."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r}, ...)"

    @property
    def basic(self) -> str:
        """The value of an Authorization header, or "" without a name."""
        if not self.username:
            return ""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


class Credentials:
    """The credentials of one config.json, read when first asked. `warn` hears of broken helpers."""

    def __init__(self, auth_file: str, warn: Callable[[str], None]) -> None:
        self._auth_file = auth_file
        self._warn = warn
        self._loaded: dict[str, Any] | None = None

    def find(self, netloc: str, path: str = "") -> Credential | None:
        """The credential of the repository `path` at host[:port] `netloc`, or None. Raises InvalidAuthFile.

        The most specific key wins; a key without a port never matches another port.
        """
        keys = _keys(netloc, path)
        config = self._config()
        helper = helper_for(config, netloc, path)
        if helper:
            found = self._ask(helper, HUB_SERVER if keys[-1] == _HUB else netloc)
            if found:
                return found
        stored = _normal(_dict(config.get("auths")))
        return next((found for key in keys if key in stored and (found := _stored(stored[key]))), None)

    def _config(self) -> dict[str, Any]:
        if self._loaded is None:
            self._loaded = read_auth_file(self._auth_file) if self._auth_file else {}
        return self._loaded

    def _ask(self, helper: str, server: str) -> Credential | None:
        """What docker-credential-`helper` says; trouble with it is a warning, and no credential."""
        command = f"docker-credential-{helper}"
        try:
            code, output = run_helper(helper, "get", server.encode())
        except OSError as problem:
            why = problem.strerror or "no answer in time"
            self._warn(f"credential helper {command}: {why}; going on without credentials for {server}")
            return None
        return None if code else self._answer(command, output)

    def _answer(self, command: str, output: bytes) -> Credential | None:
        try:
            answer = json.loads(output)
            username, secret = answer["Username"], answer["Secret"]
        except (ValueError, LookupError, TypeError):
            self._warn(f"credential helper {command}: its answer can't be read; going on without it")
            return None
        if username == _TOKEN_USER:
            return Credential(identity_token=str(secret))
        return Credential(str(username), str(secret))


def helper_for(config: dict[str, Any], netloc: str, path: str = "") -> str:
    """The credential helper that a config.json names for a repository, or "". Raises InvalidAuthFile."""
    helpers = _normal(_dict(config.get("credHelpers")))
    found = next((helpers[key] for key in _keys(netloc, path) if key in helpers), config.get("credsStore"))
    if not isinstance(found, str) or not found:
        return ""
    if not _HELPER.fullmatch(found):
        raise InvalidAuthFile(f"config.json: {found[:60]!r} is not a credential helper's name")
    return found


def run_helper(helper: str, verb: str, data: bytes) -> tuple[int, bytes]:
    """(exit code, output) of docker-credential-`helper`. Raises OSError, TimeoutError among them."""
    import subprocess

    command = [f"docker-credential-{helper}", verb]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_HELPER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    return done.returncode, done.stdout


def key_of(server: str) -> str:
    """What entries of config.json for the same registry have in common."""
    return next(iter(_normal({server: None})))


def read_auth_file(path: str) -> dict[str, Any]:
    """The JSON object of a config.json; an empty one of a file that is missing. Raises InvalidAuthFile."""
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read())
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise InvalidAuthFile(f"can't read {path}: {problem.strerror}") from problem
    except (ValueError, RecursionError):
        raise InvalidAuthFile(f"can't read {path}: not valid JSON") from None
    return _dict(document)


def _keys(netloc: str, path: str) -> list[str]:
    """host/a/b, host/a, host: what a key may be, the most specific first."""
    host = _host(netloc)
    parts = path.split("/") if path else []
    return ["/".join((host, *parts[:count])) for count in range(len(parts), -1, -1)]


def _normal(entries: dict[str, Any]) -> dict[str, Any]:
    """Entries by host[:port][/path]: a key that is a URL stands for its host, as for Docker."""
    normal: dict[str, Any] = {}
    for key, value in entries.items():
        scheme, separator, rest = key.partition("://")
        host, _, path = (rest if separator else scheme).partition("/")
        path = "" if separator else path.strip("/")
        normal.setdefault(
            f"{_host(host)}/{path}" if path and path not in ("v1", "v2") else _host(host), value
        )
    return normal


def _host(netloc: str) -> str:
    netloc = netloc.lower().removesuffix(":443")
    return _HUB if netloc in _HUB_NAMES else netloc


def _stored(entry: Any) -> Credential | None:
    entry = _dict(entry)
    username, password = _text(entry.get("username")), _text(entry.get("password"))
    if auth := _text(entry.get("auth")):
        try:
            pair = base64.b64decode(auth, validate=True).decode()
        except ValueError:
            pair = ""
        username, _, password = pair.partition(":")
    credential = Credential(
        username, password.strip("\0"), _text(entry.get("identitytoken")), _text(entry.get("registrytoken"))
    )
    return credential if credential != Credential() else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
