"""The engine's calls about removing things, and what that frees."""

from __future__ import annotations

from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.accounting.planning import Planning
    from cowl.accounting.removal import RemovalPlan
    from cowl.store.apply import Receipt


class RemovalCalls(Wiring):
    """See Engine."""

    def plan_removal(
        self,
        *,
        images: Sequence[str] = (),
        containers: Sequence[str] = (),
        snapshots: Sequence[str] = (),
        steps: Sequence[str] = (),
        cache_mounts: Sequence[str] = (),
        force: bool = False,
    ) -> RemovalPlan:
        """What removing these would do, by Docker's rules: exact objects, exact bytes, what stays and why.

        images        names or IDs, as `docker rmi` takes them: a name is untagged, and the image goes with
                      its last one
        containers    names or IDs; a running one only with `force`, which kills it when the plan is applied
        snapshots     names or IDs
        steps         keys of the build cache
        cache_mounts  names or IDs
        force         as Docker's -f: images that stopped containers use, several names of an ID
        Each is judged by what those before it leave, containers first. What may not go is in `stays` and
        `refusals`, and makes `apply` raise. What was written lately is brought to disk first, so that the
        figures are exact. Raises NotFound for what is not there, Invalid for a prefix that several have.
        """
        return self._planning().removal(
            images=images,
            containers=containers,
            snapshots=snapshots,
            steps=steps,
            cache_mounts=cache_mounts,
            force=force,
        )

    def remove_image(self, name: str, *, force: bool = False) -> Receipt:
        """Removes a name, and with its last name the image and the layers that nothing else needs.

        As `plan_removal` and `apply` do it, again when the store changed in between. Raises NotFound,
        Conflict.
        """
        from cowl.accounting.planning import at_once

        planning = self._planning(settle=False)
        return at_once(lambda: planning.removal(images=[name], force=force))

    def _planning(self, *, settle: bool = True) -> Planning:
        from cowl.accounting.planning import Planning

        return Planning(self.store, lambda identity: self._containers.stop_now(identity), settle=settle)
