"""The site: what all stages of one build share."""

from __future__ import annotations

from _thread import RLock, allocate_lock
from hashlib import sha256

from cowl.build.alone import Alone
from cowl.errors import NotFound
from cowl.events import StepWaiting
from cowl.store.turn import Turn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Mapping, Sequence

    from cowl.build.crew import Crew
    from cowl.build.delivery import Delivery
    from cowl.build.plan import StagePlan
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.events import Emit
    from cowl.oci.platform import Platform
    from cowl.runtime.protocol import Runtime
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.leases import Lease
    from cowl.store.steps import BuiltStep, NoLayer
    from cowl.store.store import Store


class Site:
    """What all stages of one build share: the ground, the store, the runtime, the lease on what they make.

    Safe with threads. `crew` is who builds: the stages wait for each other through `state`.

    total      how many numbered steps the build has
    inherited  name to value: what `ARG name` without a default takes over
    order      the indexes of the stages to build, each behind those that it needs
    delivery   which caches beside the store's own may be asked
    missed     indexes of the stages of which a step was carried out
    images     by index of a stage: the reference of the image that it goes back to
    """

    def __init__(
        self,
        ground: Ground,
        *,
        store: Store,
        runtime: Callable[[], Runtime],
        resolve_base: Callable[[str, Platform | None, Emit], ImageRecord],
        no_cache: bool,
        no_cache_filter: tuple[str, ...],
        clock: Callable[[], float],
        total: int,
        inherited: Mapping[str, str],
        order: tuple[int, ...],
        delivery: Delivery,
    ) -> None:
        self.ground = ground
        self.store = store
        self.runtime = runtime
        self.no_cache = no_cache
        self.no_cache_filter = tuple(name.lower() for name in no_cache_filter)
        self.clock = clock
        self.total = total
        self.inherited = inherited
        self._order = order
        self._delivery = delivery
        self.missed: set[int] = set()
        self.images: dict[int, str] = {}
        self.crew: Alone | Crew = Alone()
        self._resolve_base = resolve_base
        self._done: dict[int, State] = {}
        self._steps: dict[int, tuple[BuiltStep, ...]] = {}
        self._made: dict[str, Layer | NoLayer] = {}
        self._bases: dict[tuple[str, str], _Base] = {}
        self._lock = RLock()
        self._bringing = RLock()
        self._lease: Lease | None = None
        self._pinned: set[str] = set()
        self._read: dict[str, None] = {}
        self._salt = b""

    # Stages

    def state(self, stage: int) -> State:
        """The last state of a stage; waits until it is built."""
        self.crew.until(lambda: stage in self._done)
        return self._done[stage]

    def finish(self, stage: int, state: State, steps: Sequence[BuiltStep]) -> None:
        """A stage is built, with these steps that made or would make files."""
        self._steps[stage] = tuple(steps)
        self._done[stage] = state

    @property
    def steps(self) -> list[tuple[int, BuiltStep]]:
        """(index of its stage, step) of all stages that are built, in the order of the plan."""
        return [(stage, step) for stage in self._order for step in self._steps.get(stage, ())]

    def before(self, stage: int) -> tuple[int, ...]:
        """The indexes of the stages that a stage may wait for."""
        return self._order[: self._order.index(stage)]

    def number(self) -> int:
        """The number of one more step, that the plan did not know of."""
        with self._lock:
            self.total += 1
            return self.total

    def base(self, image: str, platform: Platform | None, emit: Emit) -> ImageRecord:
        """The image of a name, asked for once however many stages begin with it."""
        with self._lock:
            found = self._bases.setdefault((image, str(platform or "")), _Base())
        with found.lock:
            if found.record is None:
                self.crew.check()
                found.record = self._resolve_base(image, platform, emit)
            return found.record

    # Steps

    def made(self, key: str) -> Layer | NoLayer | None:
        """What this very build made for a step: even without the cache nothing is made twice."""
        return self._made.get(key)

    def keep(self, key: str, made: Layer | NoLayer) -> None:
        """This build made a step that another stage may have, too."""
        self._made[key] = made

    def bring(self, key: str, layers: Sequence[Layer]) -> tuple[str, str] | None:
        """See `Delivery.bring`, which is never called by two at a time."""
        with self._bringing:
            self.crew.check()
            return self._delivery.bring(key, layers)

    def refused(self, stage: StagePlan) -> str:
        """The option because of which nobody looks into the cache for a stage; "" when everybody does."""
        if self.no_cache:
            return "--no-cache"
        return f"--no-cache-filter {stage.name}" if stage.name and stage.name in self.no_cache_filter else ""

    def turn(self, key: str, number: int, emit: Emit, *, own: bool) -> Turn:
        """The turn to make a step: whoever else is at it, in this build or another, is waited for.

        `own`: only in this build; without the cache what others make is of no use.
        """
        if own:
            key = sha256(self._own_salt() + key.encode()).hexdigest()
        locks = self.store.directory.locks
        return Turn(locks, "step", key, self.crew.check, lambda: emit(StepWaiting(number)))

    def _own_salt(self) -> bytes:
        with self._lock:
            if not self._salt:
                from os import urandom

                self._salt = urandom(16)
        return self._salt

    # Layers

    def pin(self, key: str) -> None:
        """Keeps a layer alive until the build ends, if the build has begun to make any. Raises NotFound."""
        with self._lock:
            if self._lease is not None:
                self._pin(self._lease, key)

    def lease(self, state: State) -> Lease:
        """The lease, taken now if it was not; it then pins the layers of `state` and of all stages done."""
        with self._lock:
            if self._lease is None:
                self._lease = self.store.lease("build")
            for each in (state, *self._done.values()):
                for key in each.layer_keys:
                    self._pin(self._lease, key)
            for key in self._read:
                try:
                    self._pin(self._lease, key)
                except NotFound:
                    pass  # what needs it fails by itself; the steps that do were cached, perhaps
            return self._lease

    def read(self, layers: Sequence[Layer]) -> None:
        """Keeps the layers of another image, which a step reads or mounts, likewise. Raises NotFound."""
        with self._lock:
            for layer in layers:
                self._read[layer.key] = None
                if self._lease is not None:
                    self._pin(self._lease, layer.key)

    def _pin(self, lease: Lease, key: str) -> None:
        if key not in self._pinned:
            lease.pin(key)
            self._pinned.add(key)

    def hold(self, state: State) -> None:
        """Keeps all layers of `state` and of the steps so far alive until the build ends. Raises NotFound."""
        lease = self.lease(state)
        for layer in (*state.layers, *(step.layer for _, step in self.steps if step.layer)):
            self._pin(lease, layer.key)

    def close(self) -> None:
        """Lets go of the layers that were kept alive. When no thread works here any more."""
        if self._lease is not None:
            self._lease.close()


class _Base:
    """The image of one name, or nothing yet. Whoever holds `lock` finds out."""

    def __init__(self) -> None:
        self.lock: LockType = allocate_lock()
        self.record: ImageRecord | None = None
