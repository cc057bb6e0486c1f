"""Fetching layers: from verified streams straight into the store, two at a time."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed

from cowl.errors import Corrupt, CowlError, NotFound, Unavailable
from cowl.events import BlobProgress
from cowl.layer.compression import BadCompression, open_decompressed
from cowl.layer.limits import LayerTooBig
from cowl.layer.ownership import for_euid
from cowl.layer.tar_fields import BadLayer
from cowl.layer.unpack import unpack
from cowl.oci.digest import NO_LAYERS
from cowl.store.turn import Turn
from cowl.transfer.read_ahead import ReadAhead
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any, Protocol, Self

    from cowl.events import Emit
    from cowl.layer.unpack import Unpacked
    from cowl.layer.view import MergedView
    from cowl.oci.descriptor import Descriptor
    from cowl.oci.digest import DiffId
    from cowl.store.layers import Layer, Stage
    from cowl.store.leases import Lease
    from cowl.store.store import Store

    class Blob(Protocol):
        """The bytes of a layer from wherever: the read that gives the end has verified them."""

        descriptor: Descriptor
        done: int

        def read(self, size: int, /) -> bytes:
            """At most `size` bytes; none at the end."""

        def abort(self) -> None:
            """Makes a read fail soon, also one in another thread."""

        def __enter__(self) -> Self:
            """Itself."""

        def __exit__(
            self,
            kind: type[BaseException] | None,
            failure: BaseException | None,
            trace: TracebackType | None,
            /,
        ) -> None:
            """Lets go of it."""


WORKERS = 2
_PROGRESS_BYTES = 1 << 19
_DRAIN_BYTES = 1 << 16
_MAX_DRAIN = 64 << 20


class DiffIdMismatch(Corrupt):
    """A layer's tar is not the one that the image's config names. Fields: blob, expected, actual."""

    def __init__(self, blob: str, expected: DiffId, actual: str) -> None:
        super().__init__(
            f"layer {blob}: its content is {actual}, the image's config says {expected}: refused"
        )
        self.blob = blob
        self.expected = expected
        self.actual = actual


class Cancelled(Unavailable):
    """Another layer of the same pull failed first, or the pull was interrupted."""

    def __init__(self) -> None:
        super().__init__("the pull was given up")


class LayerJob(Value):
    """One layer of an image. `index` counts from the bottom; `parent` is the ChainID below, or ""."""

    index: int
    descriptor: Descriptor
    diff_id: DiffId
    parent: str


class Fetch:
    """The layers of one pull. `open_blob` starts a verified download; `lease` keeps what was committed.

    `below` are layers at the bottom that are here already and need no job.
    Emits BlobProgress, never from two threads at once.
    """

    def __init__(
        self,
        store: Store,
        lease: Lease,
        open_blob: Callable[[Descriptor], Blob],
        emit: Emit,
        *,
        below: Sequence[Layer] = (),
    ) -> None:
        self._store = store
        self._lease = lease
        self._open_blob = open_blob
        self._emit = emit
        self._emitting = threading.Lock()
        self._changed = threading.Condition()
        self._layers: dict[int, Layer] = dict(enumerate(below))
        self._streams: set[Blob] = set()
        self._cancelled = False

    def run(self, jobs: Sequence[LayerJob]) -> tuple[str, ...]:
        """The keys of the layers, bottom first, each pinned by the lease.

        Raises what the first failure was, after all threads have ended; then nothing is published but
        what other images share, once the lease ends.
        """
        pending = [job for job in jobs if not self._reuse(job)]
        for job in pending:
            self._tell(job, "waiting", 0)
        executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="cowl-pull")
        try:
            for done in as_completed([executor.submit(self._fetch, job) for job in pending]):
                done.result()
        except BaseException:
            self._cancel()
            raise
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
        return tuple(self._layers[job.index].key for job in jobs)

    def _reuse(self, job: LayerJob) -> bool:
        """Take the layer that the store has, if it has it."""
        layer = self._pinned(job)
        if layer is None:
            return False
        self._have(job, layer)
        self._tell(job, "exists", job.descriptor.size)
        return True

    def _pinned(self, job: LayerJob) -> Layer | None:
        layer = self._store.layers.find(job.diff_id, job.parent or NO_LAYERS)
        if layer is None:
            return None
        try:
            self._lease.pin(layer.key)
        except NotFound:  # removed in between
            return None
        return layer

    def _fetch(self, job: LayerJob) -> None:
        with Turn(self._store.directory.locks, "pull", job.diff_id.hex, self._check) as turn:
            layer = self._pinned(job) or self._download(job, turn)
        self._have(job, layer)
        self._tell(job, "done", job.descriptor.size)

    def _download(self, job: LayerJob, turn: Turn) -> Layer:
        with self._store.layers.stage() as stage, self._open_blob(job.descriptor) as blob:
            self._watch(blob)
            unpacked = self._unpack(job, blob, stage, turn)
            if unpacked.diff_id != job.diff_id:
                raise DiffIdMismatch(job.descriptor.digest, job.diff_id, unpacked.diff_id)
            self._tell(job, "extracting", job.descriptor.size)
            parent = (job.parent or NO_LAYERS) if unpacked.needs_parent else None
            layer = self._store.layers.commit(stage, unpacked.diff_id, unpacked.tar_bytes, parent)
        self._lease.pin(layer.key)
        blob_facts = job.descriptor
        self._store.blobs.record(blob_facts.digest, layer.diff_id, blob_facts.size, blob_facts.media_type)
        return layer

    def _unpack(self, job: LayerJob, blob: Blob, stage: Stage, turn: Turn) -> Unpacked:
        """Unpack what streams in; return only after the blob's end was verified."""
        source = _Watched(blob, lambda done: self._received(job, done))
        below: Any = _Below(lambda: self._view_below(job, turn)) if job.parent else None
        with ReadAhead(source, self._check) as ahead, open(stage.recipe, "wb") as recipe:
            try:
                tar = open_decompressed(ahead, job.descriptor.media_type)
                unpacked = unpack(tar, stage.diff, owners=for_euid(os.geteuid()), below=below, recipe=recipe)
                _drain(ahead)
            except BaseException as problem:
                # Bytes that were changed on the way often break the tar first: say what is really wrong.
                if isinstance(problem, CowlError) and blob.descriptor.size - blob.done <= _MAX_DRAIN:
                    _drain(ahead)
                blob.abort()
                if isinstance(problem, BadLayer | LayerTooBig | BadCompression):
                    problem.message = f"layer {job.descriptor.digest}: {problem.message}"
                raise
        return unpacked

    def _view_below(self, job: LayerJob, turn: Turn) -> MergedView:
        """The tree that the layer is put on: waits for the layers below it."""
        turn.release()
        with self._changed:
            while any(index not in self._layers for index in range(job.index)):
                self._check()
                self._changed.wait(0.1)
            keys = [self._layers[index].key for index in range(job.index)]
        return self._store.view(keys)

    def _have(self, job: LayerJob, layer: Layer) -> None:
        with self._changed:
            self._layers[job.index] = layer
            self._changed.notify_all()

    def _watch(self, blob: Blob) -> None:
        with self._changed:
            self._streams.add(blob)
        self._check()

    def _cancel(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()
            streams = tuple(self._streams)
        for blob in streams:
            blob.abort()

    def _check(self) -> None:
        if self._cancelled:
            raise Cancelled()

    def _received(self, job: LayerJob, done: int) -> None:
        self._check()
        self._tell(job, "downloading", done)

    def _tell(self, job: LayerJob, state: str, done: int) -> None:
        with self._emitting:
            self._emit(BlobProgress(job.descriptor.digest, state, done, job.descriptor.size))


class _Watched:
    """A blob whose progress is told every half MiB."""

    def __init__(self, blob: Blob, tell: Callable[[int], None]) -> None:
        self._blob = blob
        self._tell = tell
        self._told = -_PROGRESS_BYTES

    def read(self, size: int, /) -> bytes:
        chunk = self._blob.read(size)
        if self._blob.done - self._told >= _PROGRESS_BYTES:
            self._told = self._blob.done
            self._tell(self._told)
        return chunk


class _Below:
    """A MergedView that is made when it is first looked at."""

    def __init__(self, make: Callable[[], MergedView]) -> None:
        self._make = make
        self._view: MergedView | None = None

    def __getattr__(self, name: str) -> Any:
        if self._view is None:
            self._view = self._make()
        return getattr(self._view, name)


def _drain(stream: ReadAhead) -> None:
    while stream.read(_DRAIN_BYTES):
        pass
