"""The engine's calls about removing things, and what that frees."""

from __future__ import annotations

import time

from cowl.engine.wiring import Wiring
from cowl.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        volumes: Sequence[str] = (),
        steps: Sequence[str] = (),
        cache_mounts: Sequence[str] = (),
        force: bool = False,
        anonymous: bool = False,
        exact: bool = True,
    ) -> RemovalPlan:
        """What removing these would do, by Docker's rules: exact objects, exact bytes, what stays and why.

        images        names or IDs, as `docker rmi` takes them: a name is untagged, and the image goes with
                      its last one
        containers    names or IDs; a running one only with `force`, which kills it when the plan is applied
        snapshots     names or IDs
        volumes       names; one that a container has stays, unless that goes too
        steps         keys of the build cache
        cache_mounts  names or IDs
        force         as Docker's -f: images that stopped containers use, several names of an ID
        anonymous     with containers their anonymous volumes too, but what others have
        Each is judged by what those before it leave, containers first. What may not go is in `stays` and
        `refusals`, and makes `apply` raise.
        exact         what was written lately is brought to disk first, so that the figures are those of the
                      receipt, to the byte. Without, those of what has just been written may be off
        Raises NotFound for what is not there, Invalid for a prefix that several have.
        """
        return self._planning(exact=exact).removal(
            images=images,
            containers=containers,
            snapshots=snapshots,
            volumes=volumes,
            steps=steps,
            cache_mounts=cache_mounts,
            force=force,
            anonymous=anonymous,
        )

    def remove_container(self, name: str, *, force: bool = False, volumes: bool = False) -> Receipt:
        """Deletes a container with its upper; a running one only with `force`, which kills it.

        With `volumes` its anonymous volumes go too. As `remove_image`.
        """
        return self.at_once(
            lambda: self.plan_removal(containers=[name], force=force, anonymous=volumes, exact=False)
        )

    def remove_volume(self, name: str, *, force: bool = False) -> Receipt:
        """Deletes a volume with all that is in it; one that a container has, running or not, stays.

        `force`: that there is none is no error. As `remove_image`.
        """
        try:
            return self.at_once(lambda: self.plan_removal(volumes=[name], exact=False))
        except NotFound:
            if not force:
                raise
        from cowl.store.apply import Receipt

        return Receipt()

    def remove_snapshot(self, name: str, *, force: bool = False) -> Receipt:
        """Deletes a snapshot; one that containers were forked from or restored to only with `force`.

        As `remove_image`.
        """
        return self.at_once(lambda: self.plan_removal(snapshots=[name], force=force, exact=False))

    def plan_prune(
        self,
        *kinds: str,
        all: bool = False,  # noqa: A002  # Docker's flag
        filters: Sequence[str] = (),
        keep_bytes: int | None = None,
        exact: bool = True,
    ) -> RemovalPlan:
        """What Docker's prunes would do: `kinds` of "containers", "images", "volumes" and "build-cache".

        all         images that have names too; named volumes too; cached steps too whose layer an image has
        filters     "key=value": until, label, label!; of images dangling, of volumes all, of the build
                    cache type, id and shared. Several values of label must all fit, one of label! is enough
        keep_bytes  of the build cache only what was used longest ago goes, until it takes no more than this
        exact       as of `plan_removal`
        Nothing in use goes: running containers and those being started, what running builds, pulls and
        commits need, the images and volumes of containers that stay. Raises Invalid.
        """
        return self._planning(exact=exact).prune(
            kinds, every=all, filters=filters, keep_bytes=keep_bytes, now=time.time()
        )

    def plan_gc(
        self,
        *,
        keep_bytes: int | None = None,
        older: str = "",
        protect: Sequence[str] = (),
        filters: Sequence[str] = (),
        volumes: bool = False,
        exact: bool = True,
    ) -> RemovalPlan:
        """What a policy would remove: what was used longest ago first, of all that prunes may take.

        keep_bytes  stop as soon as the whole store takes no more than this on disk; None: all that may goes
        older       only what was not used for this long: "7d", "36h"
        protect     patterns of the names of images, containers, volumes and cache mounts that stay
        filters     "label=...", "label!=...", "until=..." as of prunes, but by the last use
        volumes     anonymous volumes that no container has may go too
        exact       as of `plan_removal`
        Stopped containers may go, with images that only they use; running ones, snapshots and volumes with
        names never. With `keep_bytes` nothing is removed that frees nothing. Raises Invalid.
        """
        from cowl.accounting.gc import make_policy

        policy = make_policy(keep_bytes, older, protect, filters, volumes, time.time())
        return self._planning(exact=exact).gc(policy)

    def prune_build_cache(self, *, steps: bool = True, mounts: bool = True) -> int:
        """Forgets all cached steps, and removes the cache mounts; not what a running build uses.

        Gives the bytes freed on disk, of steps those of the layers that nothing else needs. For one kind
        alone, or by age, see `plan_prune`.
        """
        types = [
            f"type={name}" for name, wanted in (("regular", steps), ("exec.cachemount", mounts)) if wanted
        ]
        if not types:
            return 0
        return self.at_once(
            lambda: self.plan_prune("build-cache", all=True, filters=types, exact=False)
        ).freed_bytes

    def at_once(self, plan: Callable[[], RemovalPlan]) -> Receipt:
        """Plans and applies, and plans again where others changed the store in between.

        For what nobody is to be shown first: `engine.at_once(lambda: engine.plan_prune("images"))`. Raises
        what `RemovalPlan.apply` does; StoreChanged only when the others never cease.
        """
        from cowl.accounting.planning import at_once

        return at_once(plan)

    def remove_image(self, name: str, *, force: bool = False) -> Receipt:
        """Removes a name, and with its last name the image and the layers that nothing else needs.

        As `plan_removal` and `apply` do it, again when the store changed in between. Raises NotFound,
        Conflict.
        """
        return self.at_once(lambda: self.plan_removal(images=[name], force=force, exact=False))

    def _planning(self, *, exact: bool) -> Planning:
        from cowl.accounting.planning import Planning

        return Planning(self.store, lambda identity: self._containers.stop_now(identity), settle=exact)
