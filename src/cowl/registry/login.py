"""Whether a registry takes a login. OCI distribution-spec 1.1, "Determining Support" (GET /v2/)."""

from __future__ import annotations

from cowl.errors import Denied, Invalid
from cowl.http.transport import Transport
from cowl.oci.reference import InvalidReference, Reference
from cowl.registry.auth import Authorizer
from cowl.registry.credentials import key_of
from cowl.registry.failures import RegistryUnavailable, UntrustedRegistry
from cowl.registry.places import places_for
from cowl.registry.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config
    from cowl.http.origin import Origin
    from cowl.registry.credentials import Credential

_HUB = "docker.io"


class InvalidServer(Invalid):
    """A text is no registry's name. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:200]!r} is not a registry", hint="write host or host:port, as in localhost:5000"
        )
        self.text = text


class LoginRefused(Denied):
    """The registry does not take the login. Field: netloc."""

    def __init__(self, netloc: str, why: str) -> None:
        super().__init__(f"login to {netloc} refused: {why}")
        self.netloc = netloc


def netloc_of(server: str) -> str:
    """host[:port] of what a user calls a registry: "", a URL or the name itself. Raises InvalidServer."""
    bare = server.partition("://")[2] or server
    netloc = bare.partition("/")[0].lower() or _HUB
    if key_of(netloc) == _HUB:
        return _HUB
    try:
        if Reference.parse(f"{netloc}/x").domain == netloc:
            return netloc
    except InvalidReference:
        pass
    raise InvalidServer(server)


def check_login(netloc: str, credential: Credential, config: Config) -> None:
    """Asks the registry itself, no mirror. Raises Denied, RegistryUnavailable, UntrustedRegistry."""
    import time

    transport = Transport(
        proxies=config.proxies,
        tls=None,
        sleep=time.sleep,
        clock=time.time,
        unavailable=RegistryUnavailable,
        untrusted=UntrustedRegistry,
    )
    try:
        place = places_for(Reference(netloc, "x"), config)[-1]
        _Root(netloc, place, transport, Authorizer(transport, _Given(netloc, credential))).check()
    finally:
        transport.close()


class _Given:
    """The one credential that is to be tried, for the registry that it is meant for."""

    def __init__(self, netloc: str, credential: Credential) -> None:
        self._netloc = netloc
        self._credential = credential

    def find(self, netloc: str, _path: str = "") -> Credential | None:
        return self._credential if key_of(netloc) == key_of(self._netloc) else None


class _Root(Repository):
    """The registry's own address, where a login means no repository."""

    def check(self) -> None:
        reply = self._get("", ())
        self._expect(reply, 200).close()

    def _url(self, origin: Origin, _what: str) -> str:
        return f"{origin}/v2/"

    @property
    def _scope(self) -> str:
        return ""

    def _denied(self, why: str) -> Denied:
        return LoginRefused(self.name, why)
