"""Logins kept: written to Docker's config.json, or handed to the credential helper that it names.

The file is Docker's own, so what else it holds stays, and `docker` finds what was logged in here.
"""

from __future__ import annotations

import base64
import json
import os

from cowl.errors import Unavailable
from cowl.registry.credentials import (
    HUB_SERVER,
    InvalidAuthFile,
    helper_for,
    key_of,
    read_auth_file,
    run_helper,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.registry.credentials import Credential

_NOT_FOUND = "credentials not found in native keychain"


class HelperFailed(Unavailable):
    """A credential helper did not take or give up a login. Field: helper."""

    def __init__(self, helper: str, why: str) -> None:
        super().__init__(
            f"docker-credential-{helper}: {why or 'it failed without a word'}",
            hint="it is what config.json names under credsStore or credHelpers",
        )
        self.helper = helper


class NoAuthFile(InvalidAuthFile):
    """There is no place for logins."""

    def __init__(self) -> None:
        super().__init__("no place to keep a login", hint="set HOME or DOCKER_CONFIG, or Config.auth_file")


def keep(auth_file: str, netloc: str, credential: Credential) -> str:
    """Keeps a login; gives the helper that has it now, or "" when it is in the file, where it can be read.

    The file is replaced whole, mode 0600. Raises InvalidAuthFile, HelperFailed, OSError.
    """
    config = _config(auth_file)
    server = server_of(netloc)
    helper = helper_for(config, netloc)
    if helper:
        secret = {"ServerURL": server, "Username": credential.username, "Secret": credential.password}
        _run(helper, "store", json.dumps(secret).encode())
        return helper
    pair = f"{credential.username}:{credential.password}".encode()
    auths = config.setdefault("auths", {})
    auths[server] = {"auth": base64.b64encode(pair).decode()}
    _write(auth_file, config)
    return ""


def forget(auth_file: str, netloc: str) -> bool:
    """Removes a login from the file and its helper; False if neither had one. Raises as `keep`."""
    config = _config(auth_file)
    auths = config.get("auths")
    known = [key for key in auths if key_of(key) == key_of(netloc)] if isinstance(auths, dict) else []
    helper = helper_for(config, netloc)
    erased = bool(helper) and _erase(helper, server_of(netloc))
    for key in known:
        del config["auths"][key]
    if known:
        _write(auth_file, config)
    return bool(known) or erased


def server_of(netloc: str) -> str:
    """The name that Docker keeps a login under."""
    return HUB_SERVER if key_of(netloc) == key_of(HUB_SERVER) else netloc


def _config(auth_file: str) -> dict[str, Any]:
    if not auth_file:
        raise NoAuthFile()
    config = read_auth_file(auth_file)
    if not isinstance(config.get("auths", {}), dict):
        raise InvalidAuthFile(f"can't change {auth_file}: its auths are no JSON object")
    return config


def _erase(helper: str, server: str) -> bool:
    code, _ = run_helper(helper, "get", server.encode())
    if code:
        return False
    _run(helper, "erase", server.encode())
    return True


def _run(helper: str, verb: str, data: bytes) -> None:
    try:
        code, said = run_helper(helper, verb, data)
    except OSError as problem:
        raise HelperFailed(helper, problem.strerror or "no answer in time") from problem
    text = said.decode("utf-8", "replace").strip()
    if code and text != _NOT_FOUND:
        raise HelperFailed(helper, text[:300])


def _write(path: str, config: dict[str, Any]) -> None:
    path = os.path.realpath(path)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    part = f"{path}.{os.urandom(4).hex()}.part"
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "w") as file:
            json.dump(config, file, indent="\t")
            file.write("\n")
            file.flush()
            os.fsync(fd)
        os.rename(part, path)
    except BaseException:
        os.unlink(part)
        raise
