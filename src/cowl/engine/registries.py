"""The engine's calls about registries, but for pulls."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.image.pushed import Pushed
    from cowl.outputs import BlobForm


class RegistryCalls(Wiring):
    """See Engine."""

    def push(
        self, reference: str, *, all_tags: bool = False, form: BlobForm | None = None
    ) -> tuple[Pushed, ...]:
        """Stores an image at the registry that its name leads to, as `docker push`.

        all_tags  all names of the repository that `reference` is, which has no tag then
        form      how layers become blobs; None: gzip, with OCI's media types
        What the registry has is not sent again, and a blob that it has in another repository is mounted.
        An image that was pulled keeps the digest of its manifest where its blobs are the same. Raises
        NotFound, Invalid kinds, Denied, Unavailable. Emits BlobProgress.
        """
        from cowl.image.pushed import Pushed
        from cowl.transfer.push_names import push_names

        done = push_names(
            reference,
            all_tags=all_tags,
            form=form,
            store=self.store,
            config=self.config,
            emit=self._emit,
        )
        for name, _ in done:
            self.store.events.note("image", "push", name.familiar, {"name": name.familiar_repository})
        return tuple(Pushed(str(name), str(stored.digest), stored.size) for name, stored in done)

    def login(self, server: str = "", *, username: str = "", password: str = "") -> str:
        """Has a registry check a login and keeps it where Docker does. "" is Docker Hub.

        Without a username the login that is kept already is tried again. Gives where it is kept now: the
        name of a credential helper, or "" for config.json, where it can be read. Nothing is kept of a login
        that was refused. Raises Denied, Unavailable, Invalid kinds, NotFound when nothing is kept.
        """
        from cowl.transfer.login import log_in

        return log_in(server, username, password, config=self.config, emit=self._emit)

    def logout(self, server: str = "") -> bool:
        """Removes what `login` or Docker kept for a registry; False if that was nothing."""
        from cowl.transfer.login import log_out

        return log_out(server, self.config)
