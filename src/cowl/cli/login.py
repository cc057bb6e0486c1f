"""login and logout."""

from __future__ import annotations

import sys

from cowl import Invalid, NotFound
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call

_HUB = "https://index.docker.io/v1/"


class InvalidLogin(Invalid):
    """The flags of a login contradict each other, or there is nobody to ask."""


def login(call: Call) -> int:
    """`cowl login [-u USER] [-p PASSWORD | --password-stdin] [SERVER]`."""
    end_cleanly()
    server = call.words[0] if call.words else ""
    with call.engine() as engine:
        user, password = call.text("username"), _password(call)
        if not user:
            try:
                engine.login(server)
                print("Login Succeeded")
                return 0
            except NotFound:
                if not sys.stdin.isatty():
                    raise
        user = user or _asked("Username: ")
        if not password:
            password = _secret(server)
        helper = engine.login(server, username=user, password=password)
    if not helper:
        print(f"WARNING! The password is kept unencrypted in {engine.config.auth_file}.", file=sys.stderr)
        print("A credential helper can keep it: credsStore in that file names one.", file=sys.stderr)
    print("Login Succeeded")
    return 0


def _password(call: Call) -> str:
    given = call.text("password")
    if call.on("password-stdin"):
        if given:
            raise InvalidLogin("--password and --password-stdin are mutually exclusive")
        if not call.text("username"):
            raise InvalidLogin("Must provide --username with --password-stdin")
        return sys.stdin.read().rstrip("\r\n")
    if given:
        if not call.text("username"):
            raise InvalidLogin("Must provide --username with --password")
        print("WARNING! Using --password via the CLI is insecure. Use --password-stdin.", file=sys.stderr)
    return given


def _asked(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if not answer:
        raise InvalidLogin("username is required")
    return answer


def _secret(server: str) -> str:
    if not sys.stdin.isatty():
        raise InvalidLogin(
            "Cannot perform an interactive login from a non TTY device",
            hint=f"As in: cowl login -u USER --password-stdin {server} < FILE",
        )
    from getpass import getpass

    answer = getpass("Password: ", sys.stderr)
    if not answer:
        raise InvalidLogin("password is required")
    return answer


def logout(call: Call) -> int:
    """`cowl logout [SERVER]`."""
    server = call.words[0] if call.words else ""
    with call.engine() as engine:
        known = engine.logout(server)
    name = server or _HUB
    print(f"Removing login credentials for {name}" if known else f"Not logged in to {name}")
    return 0
