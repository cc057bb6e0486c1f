"""Login and logout: what a registry takes, kept for the next pull and push."""

from __future__ import annotations

from cowl.errors import NotFound
from cowl.events import Warned
from cowl.registry.credentials import Credential, Credentials
from cowl.registry.login import check_login, netloc_of
from cowl.registry.logins import forget, keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config
    from cowl.events import Emit


class NotLoggedIn(NotFound):
    """Nothing is kept for a registry. Field: netloc."""

    def __init__(self, netloc: str) -> None:
        super().__init__(f"not logged in to {netloc}", hint="name a user: -u USER")
        self.netloc = netloc


def log_in(server: str, username: str, password: str, *, config: Config, emit: Emit) -> str:
    """See Engine.login."""
    netloc = netloc_of(server)
    if username:
        credential = Credential(username, password)
        check_login(netloc, credential, config)
        return keep(config.auth_file, netloc, credential)
    known = Credentials(config.auth_file, lambda text: emit(Warned(text))).find(netloc)
    if known is None:
        raise NotLoggedIn(netloc)
    check_login(netloc, known, config)
    return ""


def log_out(server: str, config: Config) -> bool:
    """See Engine.logout."""
    return forget(config.auth_file, netloc_of(server))
