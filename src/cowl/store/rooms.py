"""What an open store consists of: its parts, those that few commands need made when they are asked for."""

from __future__ import annotations

from cowl.store.containers import Containers
from cowl.store.images import Images
from cowl.store.layers import Layers
from cowl.store.leases import Leases
from cowl.store.owner import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.events import Emit
    from cowl.store.blobs import Blobs
    from cowl.store.cache_mounts import CacheMounts
    from cowl.store.database import Database
    from cowl.store.downloads import Downloads
    from cowl.store.events import Events
    from cowl.store.failed_steps import FailedSteps
    from cowl.store.manifests import Manifests
    from cowl.store.measures import Measures
    from cowl.store.networks import Networks
    from cowl.store.notes import Notes
    from cowl.store.snapshots import Snapshots
    from cowl.store.steps import Steps
    from cowl.store.volumes import Volumes


class StoreRooms:
    """See Store."""

    def __init__(self, database: Database, emit: Emit, clock: Callable[[], float]) -> None:
        self._database = database
        self._emit = emit
        self._clock = clock
        self._owner = Owner(database, clock)
        self._leases = Leases(database, self._owner, clock)
        self.root = database.root.path
        self.directory = database.root
        self.layers = Layers(database, self._owner, self._leases, clock)
        self.images = Images(database, self._leases, clock)
        self.containers = Containers(database, self._owner, self._leases, clock)

    @property
    def emit(self) -> Emit:
        """Where progress records go."""
        return self._emit

    @property
    def steps(self) -> Steps:
        """The step cache; a container start never asks for it."""
        from cowl.store.steps import Steps

        return Steps(self._database, self._leases, self._clock)

    @property
    def notes(self) -> Notes:
        """What made the steps of the cache; asked for when one misses."""
        from cowl.store.notes import Notes

        return Notes(self._database)

    @property
    def downloads(self) -> Downloads:
        """What URLs gave when they were asked last; likewise."""
        from cowl.store.downloads import Downloads

        return Downloads(self._database, self._clock)

    @property
    def cache_mounts(self) -> CacheMounts:
        """The directories of RUN --mount=type=cache; likewise."""
        from cowl.store.cache_mounts import CacheMounts

        return CacheMounts(self._database, self._clock)

    @property
    def blobs(self) -> Blobs:
        """What compressed blobs hold; likewise."""
        from cowl.store.blobs import Blobs

        return Blobs(self._database)

    @property
    def events(self) -> Events:
        """What happened; likewise. Most of it is written by what does it, see `event_log`."""
        from cowl.store.events import Events

        return Events(self._database)

    @property
    def volumes(self) -> Volumes:
        """The volumes; likewise, and a container without any never asks."""
        from cowl.store.volumes import Volumes

        return Volumes(self._database, self._owner, self.layers, self._clock)

    @property
    def networks(self) -> Networks:
        """Networks, their members and published ports; likewise."""
        from cowl.store.networks import Networks

        return Networks(self._database, self._clock)

    @property
    def manifests(self) -> Manifests:
        """What images came with; likewise."""
        from cowl.store.manifests import Manifests

        return Manifests(self._database)

    @property
    def measures(self) -> Measures:
        """What lies on disk beside layers; likewise."""
        from cowl.store.measures import Measures

        return Measures(self._database, self.containers, self._clock)

    @property
    def failed_steps(self) -> FailedSteps:
        """What is kept of failed steps; likewise."""
        from cowl.store.failed_steps import FailedSteps

        return FailedSteps(self._database, self._leases, self._clock)

    @property
    def snapshots(self) -> Snapshots:
        """Frozen uppers of containers; likewise."""
        from cowl.store.snapshots import Snapshots

        return Snapshots(self._database, self._owner, self.layers, self.containers, self._clock)
