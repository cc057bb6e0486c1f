"""Planning in a store: names are looked up, what goes is measured, and the plan can be carried out."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, STEP, VOLUME, Bytes, Ledger
from cowl.accounting.removal_plan import make_plan
from cowl.accounting.selection import Selection
from cowl.errors import NotFound
from cowl.store.apply import StoreChanged
from cowl.store.disk import is_settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.accounting.gc import Policy
    from cowl.accounting.ledger import Object
    from cowl.accounting.prune import Candidates
    from cowl.accounting.reading import Reading
    from cowl.accounting.removal import RemovalPlan
    from cowl.store.apply import Receipt
    from cowl.store.rows import ContainerRow, Rows
    from cowl.store.store import Store


_TRIES = 10  # of a removal that nobody was shown before


class NoSuchStep(NotFound):
    """No step of the build cache has that key, or several begin with it. Field: key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"No such build step: {key}", hint="`cowl system df -v` lists them")
        self.key = key


def at_once(plan: Callable[[], RemovalPlan]) -> Receipt:
    """Plans and applies; plans again where others changed the store in between, some times.

    Raises StoreChanged when they never cease to.
    """
    for _ in range(_TRIES - 1):
        try:
            return plan().apply()
        except StoreChanged:
            continue
    return plan().apply()


class Planning:
    """Makes plans for one store.

    stop    ends a running container that is to be removed by force, and returns when its end is recorded
    settle  whether what was written lately is brought to disk before it is measured: until then the file
            system may not know how many blocks it takes. Without it the figures of what has just been
            written may be off, and a removal of it costs no writing
    """

    def __init__(self, store: Store, stop: Callable[[str], None], *, settle: bool = True) -> None:
        self._store = store
        self._stop = stop
        self._settle = settle

    def removal(
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
    ) -> RemovalPlan:
        """The plan for things asked for by name; see `Engine.plan_removal`."""
        store = self._store
        self._recover()
        with store.reading():
            selection = self._selection()
            boxes = [store.containers.find(text).id for text in containers]
            wanted = [(*store.images.look_up(text), text) for text in images]
            named_snapshots = [store.snapshots.find(text).id for text in snapshots]
            named_volumes = [store.volumes.get(name).name for name in volumes]
            mounts = {row.id: row for text in cache_mounts for row in store.cache_mounts.find(text)}
            keys = [_step(selection.rows, key) for key in steps]
        for identity in boxes:
            selection.add_container(identity, force=force)
        if anonymous:
            selection.add_anonymous_volumes()
        for name in named_volumes:
            selection.add_volume(name)
        for identity in named_snapshots:
            selection.add_snapshot(identity, force=force)
        for identity, by_name, text in wanted:
            selection.add_image(identity, text, by_name=by_name, force=force)
        for key in keys:
            selection.add(STEP, key)
        used = store.cache_mounts.in_use(mounts.values()) if mounts else ()
        for mount in mounts.values():
            selection.add_cache(mount, in_use=mount.id in used)
        return self._plan(selection, Ledger(selection.rows, {}))

    def prune(
        self, kinds: Sequence[str], *, every: bool, filters: Sequence[str], keep_bytes: int | None, now: float
    ) -> RemovalPlan:
        """The plan for what is unused; see `Engine.plan_prune`."""
        from cowl.accounting import prune

        parsed = prune.filters_of(kinds, filters, now)
        self._recover()
        with self._store.reading():
            selection = self._selection()
        bounded = keep_bytes is not None
        ledger = self._read(selection).ledger if bounded else Ledger(selection.rows, {})
        candidates = self._candidates(selection, ledger)
        prune.select(selection, ledger, candidates, parsed, every=every, keep_bytes=keep_bytes)
        return self._plan(selection, ledger, measured=bounded)

    def gc(self, policy: Policy) -> RemovalPlan:
        """The plan for a policy; see `Engine.plan_gc`."""
        from cowl.accounting.gc import collect
        from cowl.accounting.usage import Usage

        self._recover()
        with self._store.reading():
            selection = self._selection()
        reading = self._read(selection)
        ledger = reading.ledger
        size_bytes = Usage(reading).total_allocated_bytes
        collect(selection, ledger, self._candidates(selection, ledger), policy, size_bytes)
        return self._plan(selection, ledger, measured=True)

    def _candidates(self, selection: Selection, ledger: Ledger) -> Candidates:
        from cowl.accounting.prune import Candidates

        containers = self._store.containers
        starting = containers.starting()
        return Candidates(
            selection,
            ledger,
            is_busy=lambda identity: identity in starting or containers.is_held(identity),
            mounts=self._store.cache_mounts.in_use(selection.rows.cache_mounts),
            image_labels=self._store.images.labels,
        )

    def _recover(self) -> None:
        """Has the ends of containers recorded whose owner died before it could."""
        alive = self._store.containers.alive()
        running = self._store.containers.running()
        if running - alive:
            self._store.recover()

    def _selection(self) -> Selection:
        return Selection(self._store.rows(), self._store.containers.alive())

    def _plan(self, selection: Selection, ledger: Ledger, *, measured: bool = False) -> RemovalPlan:
        """The plan of a selection; unless the ledger has all measures, what goes is measured first."""
        if not measured:
            if self._settle and _is_fresh(selection.rows, selection.going):
                self._store.settle()
            ledger = ledger.with_own(_own(self._store, selection.rows, selection.going))
        return make_plan(selection, ledger, lambda: self._carry_out(selection, ledger))

    def _read(self, selection: Selection) -> Reading:
        from cowl.accounting.reading import read

        if self._settle:
            self._store.settle()
        return read(self._store, selection.rows)

    def _carry_out(self, selection: Selection, ledger: Ledger) -> Receipt:
        from cowl.accounting.removal_targets import make_targets

        targets = make_targets(selection, ledger)
        killed = [target for target in targets.of(CONTAINER) if target.seen is None]
        for target in killed:
            self._stop(target.id)
        return self._store.apply(targets, stopped=bool(killed))


def _is_fresh(rows: Rows, going: dict[Object, None]) -> bool:
    """Whether something goes that may have been written to since it was measured."""
    return (
        any((CONTAINER, row.id) in going and not _is_at_rest(row) for row in rows.containers)
        or any((CACHE, row.id) in going and not row.measured_at for row in rows.cache_mounts)
        or any((VOLUME, row.name) in going and not row.measured_at for row in rows.volumes)
    )


def _is_at_rest(row: ContainerRow) -> bool:
    """One that never ran has nothing but empty directories."""
    return row.state == "created" or is_settled(row)


def _own(store: Store, rows: Rows, going: dict[Object, None]) -> dict[Object, Bytes]:
    """The bytes of the directories of what goes."""
    boxes = store.measures.containers([row for row in rows.containers if (CONTAINER, row.id) in going])
    own: dict[Object, Bytes] = {
        (CONTAINER, identity): Bytes(found.size_bytes, found.total_allocated_bytes)
        for identity, found in boxes.items()
    }
    mounts = tuple(row for row in rows.cache_mounts if (CACHE, row.id) in going)
    for mount in store.cache_mounts.measured(mounts) if mounts else ():
        own[CACHE, mount.id] = Bytes(mount.size_bytes, mount.allocated_bytes)
    volumes = [row for row in rows.volumes if (VOLUME, row.name) in going]
    for name, size in store.measures.volumes(volumes, frozenset()).items() if volumes else ():
        own[VOLUME, name] = Bytes(*size)
    return own


def _step(rows: Rows, text: str) -> str:
    """By key, or the beginning of one that only one has."""
    found = [row.key for row in rows.steps if row.key == text]
    found = found or [row.key for row in rows.steps if text and row.key.startswith(text)]
    if len(found) != 1:
        raise NoSuchStep(text)
    return found[0]
