"""The engine: wires the services to one store and one runtime. No logic lives here."""

from __future__ import annotations

import os
import time
from _thread import RLock

from cowl.config import from_environ
from cowl.events import one_at_a_time, silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any, BinaryIO, Unpack

    from cowl.accounting.usage import Usage
    from cowl.build.build_cache import BuildCache
    from cowl.build.delivery import Delivery
    from cowl.build.keywords import BuildKeywords
    from cowl.build.request import BuildRequest
    from cowl.config import Config
    from cowl.container.handle import Container
    from cowl.container.keywords import RunKeywords
    from cowl.container.lifecycle import Containers
    from cowl.container.options import RunOptions
    from cowl.container.result import CompletedRun
    from cowl.dockerfile.checks.finding import Finding
    from cowl.events import Emit
    from cowl.image.view import Image
    from cowl.linux.probe import Probe
    from cowl.oci.platform import Platform
    from cowl.runtime.protocol import Runtime
    from cowl.store.check import Problem
    from cowl.store.images import ImageRecord
    from cowl.store.removal import Removal
    from cowl.store.store import Store


class Engine:
    """A container engine on one store. Several engines, threads and processes may share a store.

    root      the store's directory; None: COWL_ROOT, else /var/lib/cowl for root, else
              ~/.local/share/cowl
    config    everything ambient as a value; None: read from the environment, once, here
    on_event  called with every progress record (cowl.events), on the thread that does the work, but never
              by two threads at a time

    The store is opened on first use: the first command after a crash finishes what the crash left.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        config: Config | None = None,
        on_event: Emit | None = None,
    ) -> None:
        chosen = None if root is None else os.fspath(root)
        self.config = config or from_environ(os.environ, chosen)
        if config is not None and chosen is not None:
            self.config = config.replace(root=os.path.abspath(chosen))
        self._emit: Emit = silent if on_event is None else one_at_a_time(on_event)
        self._lock = RLock()  # for what is made on first use, by whichever thread
        self._store: Store | None = None
        self._runtime: Runtime | None = None
        self._service: Containers | None = None

    # Images

    def build(
        self,
        context: str | os.PathLike[str] | BinaryIO | None,
        **options: Unpack[BuildKeywords],
    ) -> Image:
        """Builds a Dockerfile and tags the image; `options` are the fields of BuildRequest.

        context     a directory; a URL of a tar (also compressed) or of a Dockerfile; a git repository as
                    "https://host/a.git#ref:directory" or "git@host:a.git"; a binary stream of a tar or of
                    a Dockerfile; None for no files at all. .dockerignore holds in directories only
        dockerfile  its path, relative to the context or absolute; bytes or a binary stream: its text
        With `outputs` of which none is an ImageOutput the image is not in the store; its layers stay as
        cached steps.
        Raises DockerfileError with file, line and column; RunFailed of a RUN step; NotFound for a
        base that nobody has. A failed build publishes nothing but the cached steps that succeeded.
        """
        from cowl.build.build import build
        from cowl.build.request import build_request

        request = build_request(context, options)
        record = build(
            request,
            store=self.store,
            runtime=self._running_runtime,
            resolve_base=lambda name, wanted, emit: self._resolve(
                name, wanted, always=request.pull, emit=emit
            ),
            emit=self._emit,
            clock=time.time,
            config=self.config,
            resolve_layout=self._read_layout,
            delivery=self._delivery(request),
        )
        return _view(record)

    def check_dockerfile(
        self, context: str | os.PathLike[str] | BinaryIO | None, **options: Unpack[BuildKeywords]
    ) -> tuple[Finding, ...]:
        """What BuildKit's checks and cowl's own have to say about a Dockerfile; nothing is built or pulled.

        `options` are those of `build`. In the order of the places. What would make the build fail before
        its first step is a finding too, of severity "error". Raises NoContext, NoDockerfile and the like.
        """
        from cowl.build.check import check_dockerfile
        from cowl.build.request import build_request

        return check_dockerfile(build_request(context, options), self.store, config=self.config)

    def pull(self, reference: str, *, platform: str = "") -> Image:
        """Fetches an image from its registry; every byte is verified before it is believed."""
        from cowl.oci.platform import Platform

        wanted = Platform.parse(platform) if platform else None
        return _view(self._resolve(reference, wanted, always=True))

    def import_image(
        self,
        source: BinaryIO,
        reference: str = "",
        *,
        changes: Sequence[str] = (),
        message: str = "",
        platform: str = "",
    ) -> Image:
        """A root file system's tar (also compressed) to an image of one layer, as `docker import`."""
        from cowl.oci.platform import Platform
        from cowl.oci.reference import Reference
        from cowl.transfer.import_tar import import_tar

        return _view(
            import_tar(
                source,
                reference=Reference.parse(reference).with_default_tag() if reference else None,
                changes=tuple(changes),
                message=message,
                platform=Platform.parse(platform) if platform else None,
                store=self.store,
                emit=self._emit,
                clock=time.time,
            )
        )

    def images(self) -> list[Image]:
        """All images, newest first."""
        views = [_view(record) for record in self.store.images.list()]
        return sorted(views, key=lambda image: image.created_at, reverse=True)

    def image(self, name: str) -> Image:
        """By reference, ID or unambiguous ID prefix. Raises NotFound, Conflict."""
        return _view(self.store.images.find(name))

    def has_image(self, name: str) -> bool:
        """Whether the store has an image of that name or ID; cheaper than `image`. Raises Conflict."""
        from cowl.errors import NotFound

        try:
            self.store.images.find(name)
        except NotFound:
            return False
        return True

    def tag(self, source: str, target: str) -> None:
        """Points the reference `target` to the image `source`, away from what it named before."""
        from cowl.oci.reference import Reference

        image = self.store.images.find(source)
        self.store.images.tag(image.id, Reference.parse(target).with_default_tag())

    def remove_image(self, name: str, *, force: bool = False) -> Removal:
        """Removes a name, and with its last name the image and the layers that nothing else needs."""
        return self.store.remove_image(name, force=force)

    # Containers

    def run(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        input: bytes | None = None,  # noqa: A002  # the name that subprocess.run has
        timeout: float | None = None,
        check: bool = False,
        remove: bool = True,
        **options: Unpack[RunKeywords],
    ) -> CompletedRun:
        """Runs a command in a fresh container and waits, like `subprocess.run(capture_output=True)`.

        The container is removed afterwards unless `remove=False`. `options` are those of `start`, but
        for `tty`.
        Raises RunTimeout after `timeout` seconds, when the container is killed; RunFailed with
        `check=True` and a non-zero exit; CommandNotFound, CommandNotExecutable, NotFound, Invalid.
        """
        from cowl.container.run import run

        return run(
            self._containers,
            self._resolve(image, None),
            image,
            command,
            _options(remove=remove, **options),
            data=input,
            timeout=timeout,
            check=check,
        )

    def start(
        self,
        image: str,
        command: Sequence[str] = (),
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        remove: bool = True,
        **options: Unpack[RunKeywords],
    ) -> Container:
        """Starts a container and returns at once; killed (and removed) when the `with` block ends.

        stdin, stdout, stderr  file descriptors; None is /dev/null. With `tty` see Container.console
        name, hostname, user, workdir, network ("none" or "host"), entrypoint, read_only, tty
        env, labels            mappings, or "KEY=value" words
        binds                  "source:target[:ro]" words
        remove                 remove it when it ends (default True)
        """
        from cowl.container.run import start

        chosen = _options(remove=remove, **options)
        streams = (stdin, stdout, stderr)
        return start(self._containers, self._resolve(image, None), image, command, chosen, streams)

    def warm_up(self) -> None:
        """A hint that a `start`, `run` or `exec` follows: what that needs is loaded in a process beside.

        Worth it once, early in a short-lived process; otherwise it changes nothing.
        """
        self._running_runtime().prepare()

    def containers(self, *, all: bool = False) -> list[Container]:  # noqa: A002  # Docker's flag
        """Running containers, newest first; with `all` also those that ended."""
        return self._containers.list(all=all)

    def container(self, name: str) -> Container:
        """By name, ID or unambiguous ID prefix. Raises NotFound, Conflict."""
        return self._containers.find(name)

    def remove_container(self, name: str, *, force: bool = False) -> None:
        """Deletes a container with its upper; a running one only with `force`, which kills it."""
        self._containers.find(name).remove(force=force)

    # Disk

    def usage(self) -> Usage:
        """Where the disk went, to the byte: from rows, and a fresh measure of live uppers."""
        from cowl.accounting.usage import usage

        return usage(self.store)

    @property
    def build_cache(self) -> BuildCache:
        """What RUN --mount=type=cache keeps: listed, exported, imported, removed."""
        from cowl.build.build_cache import BuildCache

        return BuildCache(self.store)

    def prune_build_cache(self, *, steps: bool = True, mounts: bool = True) -> int:
        """Forgets all cached steps, and removes the cache mounts that no build uses.

        Gives the bytes freed (allocated), of steps those of the layers that nothing else needs.
        """
        freed = self.store.steps.prune() if steps else 0
        return freed + (self.build_cache.prune() if mounts else 0)

    def check(self) -> tuple[Problem, ...]:
        """Compares directories with rows; what differs, empty when all is well."""
        return tuple(self.store.check())

    def info(self) -> Probe:
        """What this machine and user allow: the rung in force and what blocks the next."""
        from cowl.linux.probe import probe

        return probe()

    # Wiring

    @property
    def store(self) -> Store:
        """The opened store, for tests and tools; its methods are not part of the public API."""
        with self._lock:
            if self._store is None:
                from cowl.store.store import Store

                self._store = Store.open(self.config, emit=self._emit)
            return self._store

    @property
    def _containers(self) -> Containers:
        with self._lock:
            if self._service is None:
                from cowl.container.lifecycle import Containers

                self._service = Containers(self.store, self._running_runtime)
            return self._service

    def _running_runtime(self) -> Runtime:
        with self._lock:
            if self._runtime is None:
                from cowl.runtime.choice import runtime_for

                self._runtime = runtime_for(self.config)
            return self._runtime

    def _resolve(
        self, name: str, platform: Platform | None, *, always: bool = False, emit: Emit | None = None
    ) -> ImageRecord:
        from cowl.transfer.resolve import resolve

        emit = emit or self._emit
        return resolve(name, platform, always=always, store=self.store, config=self.config, emit=emit)

    def _read_layout(self, directory: str, within: str, platform: Platform | None) -> ImageRecord:
        from cowl.transfer.read_layout import read_layout

        return read_layout(directory, within, platform, store=self.store, emit=self._emit)

    def _delivery(self, request: BuildRequest) -> Delivery:
        if not (request.outputs or request.cache_from or request.cache_to):
            from cowl.build.delivery import IntoStore

            return IntoStore()
        from cowl.transfer.build_delivery import BuildDelivery

        return BuildDelivery(
            request.outputs,
            request.tags,
            cache_from=request.cache_from,
            cache_to=request.cache_to,
            store=self.store,
            config=self.config,
            emit=self._emit,
        )

    def close(self) -> None:
        """Kills (and removes) the containers that were started here and still run; closes the store.

        Idempotent; whatever is asked of the engine afterwards opens it again.
        """
        service, self._service = self._service, None
        runtime, self._runtime = self._runtime, None
        store, self._store = self._store, None
        try:
            if service is not None:
                service.close()
            if runtime is not None:
                runtime.close()
        finally:
            if store is not None:
                store.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _view(record: ImageRecord) -> Image:
    from cowl.image.view import image_view

    return image_view(record)


def _options(**given: Any) -> RunOptions:
    from cowl.container.options import run_options

    return run_options(**given)
