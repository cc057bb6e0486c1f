"""Authorisation: answering a registry's challenge without telling anyone else our secrets.

Distribution's token authentication: GET <realm>?service=..&scope=.. with Basic, or an OAuth 2
refresh for identity tokens; the token goes back to the registry alone.
"""

from __future__ import annotations

import json
import re
import threading
from urllib.parse import urlencode

from cowl.errors import Denied
from cowl.http.origin import Origin, check_target
from cowl.http.transport import Reply, Request
from cowl.registry.challenge import parse_challenges
from cowl.registry.failures import RegistryUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from cowl.http.transport import Transport
    from cowl.registry.challenge import Challenge
    from cowl.registry.credentials import Credential
    from cowl.registry.places import Place

    class Finder(Protocol):
        """Who knows credentials: see registry.credentials.Credentials."""

        def find(self, netloc: str, path: str = "", /) -> Credential | None:
            """That of a repository, or None."""


MAX_TOKEN_BYTES = 1 << 20
_TOKEN = re.compile(r"[\x21-\x7e]+")
_CLIENT_ID = "cowl"
# Under a country's domain these are no one's own: example.co.uk's parent is a public suffix.
_PUBLIC_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})


class Unauthorized(Denied):
    """A registry refuses us. Fields: netloc, why."""

    def __init__(self, netloc: str, why: str, *, hint: str = "") -> None:
        super().__init__(f"registry {netloc}: {why}", hint=hint or f"log in with: cowl login {netloc}")
        self.netloc = netloc
        self.why = why


class Authorizer:
    """Gives Authorization headers for (origin, scope) and remembers them. Safe to use from threads."""

    def __init__(self, transport: Transport, credentials: Finder) -> None:
        self._transport = transport
        self._credentials = credentials
        self._known: dict[tuple[Origin, str], str] = {}
        self._lock = threading.Lock()

    def known(self, origin: Origin, scope: str) -> str:
        """The header that worked before, or ""."""
        with self._lock:
            return self._known.get((origin, scope), "")

    def answer(self, place: Place, origin: Origin, scope: str, header: str, stale: str) -> str:
        """A header for the challenge `header` that `origin` sent after refusing `stale`.

        Raises Unauthorized, ForbiddenTarget, RegistryUnavailable.
        """
        with self._lock:
            current = self._known.get((origin, scope), "")
            if current and current != stale:
                return current
            fresh = self._fresh(place, origin, scope, header)
            self._known[origin, scope] = fresh
            return fresh

    def _fresh(self, place: Place, origin: Origin, scope: str, header: str) -> str:
        challenges = parse_challenges(header)
        credential = self._credentials.find(place.netloc, place.path)
        for challenge in challenges:
            if challenge.scheme == "bearer" and challenge.get("realm"):
                return "Bearer " + self._token(place, origin, scope, challenge, credential)
        if any(challenge.scheme == "basic" for challenge in challenges):
            if credential and credential.basic:
                return credential.basic
            raise Unauthorized(place.netloc, "no basic auth credentials")
        raise Unauthorized(place.netloc, "it asks for a kind of login that cowl does not know")

    def _token(
        self, place: Place, origin: Origin, scope: str, challenge: Challenge, credential: Credential | None
    ) -> str:
        if credential and credential.registry_token:
            return _checked(credential.registry_token, origin)
        realm_url = challenge.get("realm")
        realm = Origin.of(realm_url)
        check_target(origin, realm)
        own = _may_know(origin, realm)
        if not own:
            credential = self._credentials.find(realm.netloc)
        request = _request(realm_url, challenge.get("service"), scope, credential)
        request = request.replace(verify=place.verify or realm != origin)
        try:
            return _read_token(self._exchange(request, credential))
        except Unauthorized as problem:
            if own or credential:
                raise
            raise _foreign(place.netloc, realm, problem) from problem

    def _exchange(self, request: Request, credential: Credential | None) -> Reply:
        if request.method == "POST":  # the body holds a secret: not to be redirected
            return Reply(self._transport.send(request), Origin.of(request.url))
        return self._transport.follow(request, credential.basic if credential else "")


def _request(realm: str, service: str, scope: str, credential: Credential | None) -> Request:
    fields = {"service": service, "scope": scope}
    if credential and credential.identity_token:
        fields |= {
            "grant_type": "refresh_token",
            "refresh_token": credential.identity_token,
            "client_id": _CLIENT_ID,
        }
        form = (("Content-Type", "application/x-www-form-urlencoded"),)
        return Request(realm, form, method="POST", body=urlencode(fields).encode())
    if credential and credential.username:
        fields["account"] = credential.username
    query = urlencode({name: value for name, value in fields.items() if value})
    return Request(f"{realm}{'&' if '?' in realm else '?'}{query}")


def _read_token(reply: Reply) -> str:
    body = reply.read_at_most(MAX_TOKEN_BYTES)
    if reply.status in (400, 401, 403):
        raise Unauthorized(reply.origin.netloc, "the login was refused: incorrect username or password")
    if reply.status != 200:
        raise RegistryUnavailable(reply.origin.netloc, f"asked for a token, it answers {reply.status}")
    try:
        answer = json.loads(body)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    return _checked(token, reply.origin)


def _checked(token: object, origin: Origin) -> str:
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RegistryUnavailable(origin.netloc, "it gave no usable token")
    return token


def _foreign(netloc: str, realm: Origin, problem: Unauthorized) -> Unauthorized:
    return Unauthorized(
        netloc,
        f"it wants the login to be sent to {realm}, which is another host; cowl asked there without, "
        f"and {problem.why}",
        hint=f"if {realm.netloc} is to know it, log in there: cowl login {realm.netloc}",
    )


def _may_know(registry: Origin, realm: Origin) -> bool:
    """Whether the credentials of `registry` may be shown to `realm`.

    The same origin, or both on https's own port under one parent name, as registry-1.docker.io and
    auth.docker.io, or registry.gitlab.com and gitlab.com.
    """
    if registry == realm:
        return True
    if (registry.scheme, registry.port, realm.scheme, realm.port) != ("https", 443, "https", 443):
        return False
    parent = _parent(registry.host)
    below_parent = bool(parent) and (realm.host == parent or realm.host.endswith(f".{parent}"))
    return below_parent or realm.host.endswith(f".{registry.host}")


def _parent(host: str) -> str:
    """The name above `host`, or "" where that is no one's own (com, co.uk) or `host` is an address."""
    labels = host.split(".")[1:]
    if len(labels) < 2 or labels[-1].isdecimal() or host.startswith("["):
        return ""
    if len(labels) == 2 and len(labels[1]) == 2 and labels[0] in _PUBLIC_SECOND_LEVEL:
        return ""
    return ".".join(labels)
