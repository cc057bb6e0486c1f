"""One repository at one place: the distribution spec's two reads, with login and choice of scheme.

OCI distribution-spec 1.1, "Pulling manifests" and "Pulling blobs".
"""

from __future__ import annotations

import json
from functools import partial

from cowl.errors import Denied, NotFound
from cowl.http.transport import Request
from cowl.oci import media_types
from cowl.registry.failures import RegistryUnavailable, UntrustedRegistry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.http.origin import Origin
    from cowl.http.transport import Reply, Transport
    from cowl.oci.digest import Digest
    from cowl.registry.auth import Authorizer
    from cowl.registry.places import Place

MAX_ERROR_BYTES = 1 << 16
_ACCEPT = ", ".join(
    (
        media_types.OCI_INDEX,
        media_types.OCI_MANIFEST,
        media_types.DOCKER_INDEX,
        media_types.DOCKER_MANIFEST,
    )
)


class ManifestUnknown(NotFound):
    """The registry has no such manifest. Field: target (a tag or digest)."""

    def __init__(self, repository: str, target: str, why: str) -> None:
        mark = "@" if ":" in target else ":"
        super().__init__(f"manifest for {repository}{mark}{target} not found: manifest unknown: {why}")
        self.target = target


class BlobUnknown(NotFound):
    """The registry does not have a blob that a manifest names. Field: digest."""

    def __init__(self, repository: str, digest: Digest) -> None:
        super().__init__(f"blob {digest} of {repository} not found: the registry does not have it")
        self.digest = digest


class AccessDenied(Denied):
    """The registry refuses the repository, which may or may not exist."""

    def __init__(self, repository: str, why: str) -> None:
        super().__init__(
            f"pull access denied for {repository}, repository does not exist or may require "
            f"'cowl login': {why}"
        )


class Repository:
    """Reads manifests and blobs. `name` is how errors call it (`node`). Safe to use from threads."""

    actions = "pull"  # what a token is asked for

    def __init__(self, name: str, place: Place, transport: Transport, authorizer: Authorizer) -> None:
        self.name = name
        self.place = place
        self._transport = transport
        self._authorizer = authorizer
        self._origin: Origin | None = None

    def manifest(self, target: str) -> Reply:
        """The unread answer for a tag or digest.

        Raises ManifestUnknown, AccessDenied and transport errors.
        """
        reply = self._get(f"manifests/{target}", (("Accept", _ACCEPT),))
        if reply.status == 404:
            raise ManifestUnknown(self.name, target, _error_text(reply) or "the registry does not know it")
        return self._expect(reply, 200)

    def blob(self, digest: Digest, offset: int = 0) -> Reply:
        """The unread answer for a blob, from `offset` on if the registry can (206) else from its start (200).

        Raises BlobUnknown, AccessDenied and transport errors.
        """
        headers = (("Range", f"bytes={offset}-"),) if offset else ()
        reply = self._get(f"blobs/{digest}", headers)
        if reply.status == 404:
            reply.close()
            raise BlobUnknown(self.name, digest)
        return self._expect(reply, *((200, 206) if offset else (200,)))

    def _get(self, what: str, headers: tuple[tuple[str, str], ...], method: str = "GET") -> Reply:
        if self._origin is not None:
            return self._authorized(self._origin, what, headers, method)
        *others, last = self.place.origins
        for origin in others:
            try:
                reply = self._authorized(origin, what, headers, method, attempts=1)
            except (RegistryUnavailable, UntrustedRegistry) as problem:
                if problem.netloc != origin.netloc:
                    raise  # a host that it pointed to, so the registry itself does speak TLS
                continue
            self._origin = origin
            return reply
        reply = self._authorized(last, what, headers, method)
        self._origin = last
        return reply

    def _authorized(
        self,
        origin: Origin,
        what: str,
        headers: tuple[tuple[str, str], ...],
        method: str,
        attempts: int = 0,
    ) -> Reply:
        """An exchange with `origin`, redirects followed; a challenge is answered once."""
        request = Request(self._url(origin, what), headers, method, verify=self.place.verify)
        request = request.replace(attempts=attempts or request.attempts)
        return self._answering(origin, partial(self._transport.follow, request))

    def _url(self, origin: Origin, what: str) -> str:
        return f"{origin}/v2/{self.place.path}/{what}"

    @property
    def _scope(self) -> str:
        """What a token is asked for."""
        return f"repository:{self.place.path}:{self.actions}"

    def _answering(self, origin: Origin, exchange: Callable[[str], Reply]) -> Reply:
        """What `exchange` gets with the header that `origin` is known to take, else with a new one."""
        scope = self._scope
        known = self._authorizer.known(origin, scope)
        reply = exchange(known)
        if reply.status != 401 or reply.origin != origin:
            return reply
        header = reply.header("WWW-Authenticate")
        reply.close()
        return exchange(self._authorizer.answer(self.place, origin, scope, header, known))

    def _expect(self, reply: Reply, *wanted: int) -> Reply:
        if reply.status in wanted:
            return reply
        why = _error_text(reply)
        if reply.status in (401, 403):
            raise self._denied(why or f"the registry answers {reply.status}")
        if reply.status == 429:
            raise RegistryUnavailable(
                reply.origin.netloc,
                f"too many requests: {why or 'it limits the rate'}",
                hint="wait, log in (cowl login), or use a mirror",
            )
        raise RegistryUnavailable(reply.origin.netloc, f"it answers {reply.status} {why}".rstrip())

    def _denied(self, why: str) -> Denied:
        return AccessDenied(self.name, why)


def _error_text(reply: Reply) -> str:
    """What the registry says in its error body: one printable line, "" if it says nothing readable."""
    try:
        body = json.loads(reply.read_at_most(MAX_ERROR_BYTES))
        first = body["errors"][0]
        text = str(first.get("message") or first.get("code") or "")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, RegistryUnavailable):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in text[:200]).strip()
