"""Prunes: what Docker's prunes take, kind by kind, added to one selection. Pure.

Nothing that is in use goes, whatever its age: running containers, containers that are just being started,
what a running build, pull or commit has pinned, cache mounts that a build uses, images and volumes of
containers that stay.
"""

from __future__ import annotations

import json

from cowl.accounting.ledger import CACHE, CONTAINER, FAILED, IMAGE, SNAPSHOT, STEP, VOLUME
from cowl.accounting.reclaim import reclaim
from cowl.accounting.removal import Stay
from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cowl.accounting.ledger import Ledger, Object
    from cowl.accounting.prune_filters import Filters
    from cowl.accounting.selection import Selection
    from cowl.store.rows import ContainerRow, ImageRow, VolumeRow

CONTAINERS, IMAGES, VOLUMES, BUILD_CACHE = "containers", "images", "volumes", "build-cache"
KINDS = (CONTAINERS, IMAGES, VOLUMES, BUILD_CACHE)
FILTERS = {
    CONTAINERS: ("until", "label", "label!"),
    IMAGES: ("dangling", "until", "label", "label!"),
    VOLUMES: ("all", "label", "label!"),
    BUILD_CACHE: ("until", "type", "id", "shared"),
}
REGULAR, CACHE_MOUNT = "regular", "exec.cachemount"  # BuildKit's names of the kinds of cache records


class UnknownKind(Invalid):
    """There is no such kind of things to prune. Field: kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"there is no prune of {kind!r}", hint=f"There are {', '.join(KINDS)}.")
        self.kind = kind


class Candidates:
    """What prunes may take of a selection's rows. The ledger says who stands on which layer.

    is_busy       whether somebody is just about to start, copy, freeze or restore the container of an ID
    mounts        IDs of the cache mounts that a build uses
    image_labels  gives the labels of all images by ID; asked only when a filter wants them
    """

    def __init__(
        self,
        selection: Selection,
        ledger: Ledger,
        *,
        is_busy: Callable[[str], bool],
        mounts: frozenset[str],
        image_labels: Callable[[], Mapping[str, Mapping[str, str]]],
    ) -> None:
        self._selection = selection
        self._rows = selection.rows
        self._ledger = ledger
        self._is_busy = is_busy
        self._mounts = mounts
        self._image_labels = image_labels
        self._labels: Mapping[str, Mapping[str, str]] | None = None

    def containers(self, filters: Filters) -> Iterable[ContainerRow]:
        """Those that do not run, by the time they were made."""
        for row in self._rows.containers:
            if row.state == "running" or row.id in self._selection.alive:
                continue
            fits = filters.old_enough(row.created_at) and filters.labels_fit(container_labels(row, filters))
            if fits and not self._is_busy(row.id):
                yield row

    def images(self, filters: Filters, *, dangling: bool) -> Iterable[ImageRow]:
        """Those that no container uses, by the time they were built; `dangling`: only those without a tag."""
        for image in self._rows.images:
            if dangling and image.references:
                continue
            fits = not self._is_young(image, filters) and self.labels_fit(image, filters)
            if fits and self.is_free(image):
                yield image

    def labels_fit(self, image: ImageRow, filters: Filters) -> bool:
        """Whether an image may go by its labels."""
        if not (filters.labels or filters.unlike):
            return True
        if self._labels is None:
            self._labels = self._image_labels()
        return filters.labels_fit(self._labels.get(image.id, {}))

    def is_free(self, image: ImageRow) -> bool:
        """Whether neither a container that stays nor running work needs it; if one does, that is noted."""
        users = self._selection.users(image.id)
        if users:
            self._selection.note(IMAGE, image.id, "in use", [f"container {row.name}" for row in users])
        elif not self._rows.pinned.isdisjoint(image.layer_keys):
            self._selection.note(IMAGE, image.id, "in use", ["a running pull, build or commit"])
        else:
            return True
        return False

    def _is_young(self, image: ImageRow, filters: Filters) -> bool:
        if filters.until is None:
            return False
        created = image_created(image)
        return created is None or not filters.old_enough(created)

    def volumes(self, filters: Filters, *, every: bool) -> Iterable[VolumeRow]:
        """Those that no container that stays has; anonymous ones only, unless `every`."""
        for row in self._rows.volumes:
            users = self._selection.volume_users(row.name)
            labels = dict(json.loads(row.labels)) if filters.labels or filters.unlike else {}
            if (every or row.anonymous) and not users and filters.labels_fit(labels):
                yield row

    def cached(self, filters: Filters, *, every: bool) -> Iterable[tuple[float, Object]]:
        """Records of the build cache with the time of their last use.

        Steps whose layer an image, a container or a snapshot that stays has free nothing, and let later
        builds be cached: they go only with `every`. What bears no labels is not what a label was asked of.
        """
        types = filters.values("type") or (REGULAR, CACHE_MOUNT)
        wanted_shared = filters.values("shared")
        for last_used, thing in self._records(types):
            if filters.labels or not filters.old_enough(last_used) or not _has_id(thing, filters):
                continue
            shared = bool(wanted_shared or not every) and self._is_shared(thing)
            if wanted_shared and shared != filters.flag("shared", False):
                continue
            if every or not shared:
                yield last_used, thing

    def _records(self, types: tuple[str, ...]) -> Iterable[tuple[float, Object]]:
        if REGULAR in types:
            for step in self._rows.steps:
                if step.layer_key not in self._rows.pinned:
                    yield step.last_used, (STEP, step.key)
            for image in self._rows.failed_steps:
                yield image.created_at, (FAILED, image.id)
        if CACHE_MOUNT in types:
            for mount in self._rows.cache_mounts:
                if mount.id not in self._mounts:
                    yield mount.last_used, (CACHE, mount.id)
                else:
                    self._selection.stays.append(Stay(CACHE, (mount.name,), "in use", ("a running build",)))

    def _is_shared(self, thing: Object) -> bool:
        return thing[0] == STEP and any(
            (kind, user) not in self._selection.going
            for key in self._ledger.needs(thing)
            for kind in (IMAGE, CONTAINER, SNAPSHOT)
            for user in self._ledger.users(key, kind)
        )


def _has_id(thing: Object, filters: Filters) -> bool:
    ids = filters.values("id")
    return not ids or any(thing[1].startswith(each) for each in ids if each)


def check_values(filters: Filters) -> None:
    """Raises InvalidFilter for values that mean nothing, before anything is looked at."""
    from cowl.accounting.prune_filters import InvalidFilter

    for value in filters.values("type"):
        if value not in (REGULAR, CACHE_MOUNT):
            hint = f"It is type={REGULAR} or type={CACHE_MOUNT}."
            raise InvalidFilter(f"type={value}", "there is no such type", hint=hint)
    for key in ("shared", "dangling", "all"):
        filters.flag(key, False)


def container_labels(row: ContainerRow, filters: Filters) -> dict[str, str]:
    """A container's labels; read only when a filter asks."""
    if not (filters.labels or filters.unlike):
        return {}
    found = json.loads(row.settings).get("labels", ())
    return dict(found)


def image_created(image: ImageRow) -> float | None:
    """When an image says it was built, in seconds since the epoch; None when it says nothing sensible."""
    from cowl.accounting.prune_filters import InvalidFilter, moment

    try:
        return moment(image.created, 0.0) if "T" in image.created else None
    except InvalidFilter:
        return None


def filters_of(kinds: Sequence[str], words: Sequence[str], now: float) -> dict[str, Filters]:
    """The filters for each kind. Raises UnknownKind, InvalidFilter before anything is looked at.

    Several kinds at once know those that Docker's `system prune` knows: label, label!, and until where
    there are no volumes among them.
    """
    from cowl.accounting.prune_filters import InvalidFilter, parse_filters

    for kind in kinds:
        if kind not in KINDS:
            raise UnknownKind(kind)
    known = FILTERS[kinds[0]] if len(kinds) == 1 else ("until", "label", "label!")
    found = parse_filters(words, known, now)
    if len(kinds) > 1 and VOLUMES in kinds and found.until is not None:
        raise InvalidFilter("until", "it does not go together with volumes")
    check_values(found)
    return dict.fromkeys(kinds, found)


def select(
    selection: Selection,
    ledger: Ledger,
    candidates: Candidates,
    filters: Mapping[str, Filters],
    *,
    every: bool,
    keep_bytes: int | None,
) -> None:
    """Selects what these prunes take, containers first, since what they use is free then.

    `keep_bytes`: of the build cache only so much goes, the longest unused first, that it takes no more
    than this on disk; the ledger then has its measures.
    """
    if CONTAINERS in filters:
        for box in list(candidates.containers(filters[CONTAINERS])):
            selection.add(CONTAINER, box.id)
    if VOLUMES in filters:
        chosen = filters[VOLUMES]
        # in `system prune -a --volumes` -a is about images
        named = chosen.flag("all", every if len(filters) == 1 else False)
        for volume in list(candidates.volumes(chosen, every=named)):
            selection.add(VOLUME, volume.name)
    if IMAGES in filters:
        dangling = filters[IMAGES].flag("dangling", True) and not every
        for image in list(candidates.images(filters[IMAGES], dangling=dangling)):
            selection.add_whole_image(image.id)
    if BUILD_CACHE in filters:
        found = sorted(candidates.cached(filters[BUILD_CACHE], every=every))
        things = [thing for _, thing in found]
        goal = None if keep_bytes is None else cache_bytes(ledger) - keep_bytes
        reclaim(selection, ledger, None, things, goal)


def cache_bytes(ledger: Ledger) -> int:
    """What the build cache takes on disk: the layers that only it has, and the cache mounts."""
    own = sum(size.allocated_bytes for (kind, _), size in ledger.own.items() if kind == CACHE)
    return own + sum(ledger.held(kind).allocated_bytes for kind in (STEP, FAILED))
