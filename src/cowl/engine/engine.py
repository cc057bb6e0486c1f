"""The engine: all its calls in one object."""

from __future__ import annotations

from cowl.engine.archives import ArchiveCalls
from cowl.engine.builds import BuildCalls
from cowl.engine.containers import ContainerCalls
from cowl.engine.disk import DiskCalls
from cowl.engine.events import EventCalls
from cowl.engine.images import ImageCalls
from cowl.engine.networks import NetworkCalls
from cowl.engine.registries import RegistryCalls
from cowl.engine.removal import RemovalCalls
from cowl.engine.snapshots import SnapshotCalls
from cowl.engine.volumes import VolumeCalls


class Engine(
    ArchiveCalls,
    BuildCalls,
    ImageCalls,
    RegistryCalls,
    ContainerCalls,
    SnapshotCalls,
    VolumeCalls,
    NetworkCalls,
    RemovalCalls,
    DiskCalls,
    EventCalls,
):
    """A container engine on one store. Several engines, threads and processes may share a store.

    root      the store's directory; None: COWL_ROOT, else /var/lib/cowl for root, else
              ~/.local/share/cowl
    config    everything ambient as a value; None: read from the environment, once, here
    on_event  called with every progress record (cowl.events), on the thread that does the work, but never
              by two threads at a time

    The store is opened on first use: the first command after a crash finishes what the crash left.
    """
