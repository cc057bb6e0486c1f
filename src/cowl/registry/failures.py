"""How an exchange with a registry fails, and what a user can do about it."""

from __future__ import annotations

from cowl.http.transport import HostUnavailable, UntrustedCertificate


class RegistryUnavailable(HostUnavailable):
    """A registry can't be reached or does not answer sensibly. Fields: netloc, why."""

    what = "registry "
    advice = "registries.conf or COWL_MIRRORS can name a mirror"


class UntrustedRegistry(UntrustedCertificate):
    """TLS with a registry failed; there is no falling back to plain text. Fields: netloc, why."""

    what = "registry "

    def __init__(self, netloc: str, why: str) -> None:
        super().__init__(netloc, why)
        self.hint += (
            f"; or, if anyone may forge its answers, list {netloc} as insecure in registries.conf"
            " or COWL_INSECURE"
        )
