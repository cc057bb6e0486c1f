"""cowl: Copy-On-Write Layers, an embeddable container engine for Linux.

The public names, loaded when first used, so that importing cowl costs next to nothing:

    engine = cowl.Engine()
    image = engine.build("examples/seed", tags=["seed"])
    done = engine.run("seed", ["cat", "hello.txt"])
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.budget import Budget as Budget
    from cowl.accounting.budget import Excess as Excess
    from cowl.accounting.compare import Comparison as Comparison
    from cowl.accounting.explanation import Explanation as Explanation
    from cowl.accounting.removal import RemovalPlan as RemovalPlan
    from cowl.accounting.usage import Usage as Usage
    from cowl.caches import InlineCacheTarget as InlineCacheTarget
    from cowl.caches import LocalCacheSource as LocalCacheSource
    from cowl.caches import LocalCacheTarget as LocalCacheTarget
    from cowl.caches import RegistryCacheSource as RegistryCacheSource
    from cowl.caches import RegistryCacheTarget as RegistryCacheTarget
    from cowl.config import Config as Config
    from cowl.container.attachment import Attachment as Attachment
    from cowl.container.copier import Copied as Copied
    from cowl.container.handle.container import Container as Container
    from cowl.container.health_state import HealthResult as HealthResult
    from cowl.container.health_state import HealthState as HealthState
    from cowl.container.logs import LogEntry as LogEntry
    from cowl.container.networks.network import Network as Network
    from cowl.container.output_log import OutputLog as OutputLog
    from cowl.container.ports import PublishedPort as PublishedPort
    from cowl.container.result import CompletedRun as CompletedRun
    from cowl.container.result import RunFailed as RunFailed
    from cowl.container.result import RunTimeout as RunTimeout
    from cowl.container.snapshots import Snapshot as Snapshot
    from cowl.container.stats import ContainerStats as ContainerStats
    from cowl.container.talk import DEVNULL as DEVNULL
    from cowl.container.talk import PIPE as PIPE
    from cowl.container.talk import STDOUT as STDOUT
    from cowl.container.volumes import Volume as Volume
    from cowl.dockerfile.checks.finding import Finding as Finding
    from cowl.engine import Engine as Engine
    from cowl.errors import Conflict as Conflict
    from cowl.errors import Corrupt as Corrupt
    from cowl.errors import CowlError as CowlError
    from cowl.errors import Denied as Denied
    from cowl.errors import Invalid as Invalid
    from cowl.errors import NotFound as NotFound
    from cowl.errors import Unavailable as Unavailable
    from cowl.image.history import HistoryRow as HistoryRow
    from cowl.image.loaded import Loaded as Loaded
    from cowl.image.pushed import Pushed as Pushed
    from cowl.image.squashed import Squashed as Squashed
    from cowl.image.view import Image as Image
    from cowl.outputs import BlobForm as BlobForm
    from cowl.outputs import CacheOnlyOutput as CacheOnlyOutput
    from cowl.outputs import DockerOutput as DockerOutput
    from cowl.outputs import ImageOutput as ImageOutput
    from cowl.outputs import LocalOutput as LocalOutput
    from cowl.outputs import OciOutput as OciOutput
    from cowl.outputs import TarOutput as TarOutput
    from cowl.runtime.failures import CommandNotExecutable as CommandNotExecutable
    from cowl.runtime.failures import CommandNotFound as CommandNotFound
    from cowl.runtime.oci.containers import OciRuntime as OciRuntime
    from cowl.store.apply import Receipt as Receipt
    from cowl.store.apply import StoreChanged as StoreChanged
    from cowl.store.dedupe.report import Deduplication as Deduplication
    from cowl.store.event_message import EventMessage as EventMessage
    from cowl.store.event_stream import EventStream as EventStream
    from cowl.store.image_record import ImageSummary as ImageSummary

_HOMES = {
    "Attachment": "cowl.container.attachment",
    "BlobForm": "cowl.outputs",
    "Budget": "cowl.accounting.budget",
    "CacheOnlyOutput": "cowl.outputs",
    "CommandNotExecutable": "cowl.runtime.failures",
    "CommandNotFound": "cowl.runtime.failures",
    "Comparison": "cowl.accounting.compare",
    "CompletedRun": "cowl.container.result",
    "Config": "cowl.config",
    "Conflict": "cowl.errors",
    "Container": "cowl.container.handle.container",
    "ContainerStats": "cowl.container.stats",
    "Copied": "cowl.container.copier",
    "Corrupt": "cowl.errors",
    "CowlError": "cowl.errors",
    "Deduplication": "cowl.store.dedupe.report",
    "DEVNULL": "cowl.container.talk",
    "Denied": "cowl.errors",
    "DockerOutput": "cowl.outputs",
    "Engine": "cowl.engine",
    "EventMessage": "cowl.store.event_message",
    "EventStream": "cowl.store.event_stream",
    "Excess": "cowl.accounting.budget",
    "Explanation": "cowl.accounting.explanation",
    "Finding": "cowl.dockerfile.checks.finding",
    "HealthResult": "cowl.container.health_state",
    "HealthState": "cowl.container.health_state",
    "HistoryRow": "cowl.image.history",
    "Image": "cowl.image.view",
    "ImageOutput": "cowl.outputs",
    "ImageSummary": "cowl.store.image_record",
    "InlineCacheTarget": "cowl.caches",
    "Invalid": "cowl.errors",
    "Loaded": "cowl.image.loaded",
    "LocalCacheSource": "cowl.caches",
    "LocalCacheTarget": "cowl.caches",
    "LocalOutput": "cowl.outputs",
    "LogEntry": "cowl.container.logs",
    "Network": "cowl.container.networks.network",
    "NotFound": "cowl.errors",
    "OciOutput": "cowl.outputs",
    "OutputLog": "cowl.container.output_log",
    "PublishedPort": "cowl.container.ports",
    "Pushed": "cowl.image.pushed",
    "PIPE": "cowl.container.talk",
    "RegistryCacheSource": "cowl.caches",
    "RegistryCacheTarget": "cowl.caches",
    "OciRuntime": "cowl.runtime.oci.containers",
    "Receipt": "cowl.store.apply",
    "RemovalPlan": "cowl.accounting.removal",
    "RunFailed": "cowl.container.result",
    "RunTimeout": "cowl.container.result",
    "STDOUT": "cowl.container.talk",
    "Snapshot": "cowl.container.snapshots",
    "Squashed": "cowl.image.squashed",
    "StoreChanged": "cowl.store.apply",
    "TarOutput": "cowl.outputs",
    "Unavailable": "cowl.errors",
    "Usage": "cowl.accounting.usage",
    "Volume": "cowl.container.volumes",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


def __dir__() -> list[str]:
    """The public names, loaded or not, for completion in shells and notebooks."""
    return sorted({*globals(), *_HOMES})


def __getattr__(name: str) -> object:
    """Loads a public name from its module on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cowl' has no attribute {name!r}")
    value = getattr(__import__(_HOMES[name], fromlist=[name]), name)
    globals()[name] = value
    return value
