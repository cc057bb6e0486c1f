"""The flags of `cowl build` about its RUNs: hosts, entitlements, secrets, agents, limits."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cowl.cli.call import Call

_FLAGS = ("add-host", "allow", "secret", "shm-size", "ssh", "ulimit")


def run_options(call: Call) -> dict[str, Any]:
    """The keywords of `Engine.build` for them; empty when none is given, which costs nothing."""
    if not any(call.given(flag) for flag in _FLAGS):
        return {}
    return {
        "add_hosts": [_host(word) for word in call.many("add-host")],
        "allow": [name for word in call.many("allow") for name in word.split(",") if name],
        "secrets": dict(_secret(word, os.environ) for word in call.many("secret")),
        "shm_size": call.text("shm-size") or 0,
        "ssh": dict(_agent(word, os.environ) for word in call.many("ssh")),
        "ulimits": dict(_ulimit(word) for word in call.many("ulimit")),
    }


def _invalid(message: str, hint: str = "") -> Exception:
    from cowl import Invalid

    return Invalid(message, hint=hint)


def _host(word: str) -> tuple[str, str]:
    """ "name=address" or Docker's older "name:address"; an IPv6 address may stand in brackets."""
    name, found, address = word.partition("=")
    if not found:
        name, found, address = word.partition(":")
    if not (found and name and address):
        raise _invalid(f"bad format for add-host: {word!r}", "Write --add-host db:10.0.0.2 or db=fd00::2.")
    return name, address


def _secret(word: str, environ: Mapping[str, str]) -> tuple[str, str | os.PathLike[str]]:
    """id=, with src= (source=) or env=, and type=: as buildx reads them."""
    fields = _fields("secret", word, ("id", "src", "source", "env", "type"))
    identity = fields.get("id", "")
    source = fields.get("src", fields.get("source", ""))
    kind = fields.get("type", "")
    if not identity:
        raise _invalid(f"a secret needs an id: {word!r}", "Write --secret id=NAME,src=FILE.")
    if kind not in ("", "file", "env"):
        raise _invalid(f"unsupported secret type {kind!r}", "It is file or env.")
    variable = fields.get("env", "")
    if kind == "env" and not variable:
        variable, source = source or identity, ""
    if not variable and not source and not kind and identity in environ:
        variable = identity
    if not variable:
        return identity, _Path(os.path.abspath(source or identity))
    if variable not in environ:
        raise _invalid(f"the secret {identity!r} can't be read: there is no variable {variable} here")
    return identity, environ[variable]


class _Path:
    """A path that is not a string, as the API wants the file of a secret; pathlib would cost 8 ms."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path


def _agent(word: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """ "default", "ID=SOCKET", "ID=KEY,KEY"; without a path the agent of SSH_AUTH_SOCK."""
    identity, equals, paths = word.partition("=")
    if equals and paths:
        return identity, [os.path.abspath(path) for path in paths.split(",")]
    if not environ.get("SSH_AUTH_SOCK"):
        raise _invalid(
            f"--ssh {word}: there is no agent here: SSH_AUTH_SOCK is not set",
            f"Start one (eval $(ssh-agent)), or name keys: --ssh {identity}=KEY.",
        )
    return identity, [environ["SSH_AUTH_SOCK"]]


def _ulimit(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not (equals and name and value):
        raise _invalid(f"invalid ulimit argument: {word}", "Write --ulimit nofile=1024:2048.")
    return name, value


def _fields(flag: str, word: str, known: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in _split(flag, word):
        key, equals, value = field.partition("=")
        if not equals or key.lower() not in known:
            raise _invalid(f"invalid field {field!r} in --{flag}", f"It knows {', '.join(known)}.")
        found[key.lower()] = value
    return found


def _split(flag: str, word: str) -> list[str]:
    """The fields of a CSV line."""
    if '"' not in word:
        return word.split(",")
    import csv

    try:
        return next(csv.reader([word], strict=True), [])
    except csv.Error:
        raise _invalid(f"the quotes in --{flag} are not those of CSV: {word!r}") from None
