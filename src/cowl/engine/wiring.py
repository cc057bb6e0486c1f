"""Wiring: one store, one runtime, one service of containers, made when first needed."""

from __future__ import annotations

import os
from _thread import RLock

from cowl.config import from_environ
from cowl.events import one_at_a_time, silent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from cowl.config import Config
    from cowl.container.lifecycle import Containers
    from cowl.engine.copying import Copier
    from cowl.engine.publishing import Publishing
    from cowl.events import Emit
    from cowl.oci.platform import Platform
    from cowl.runtime.protocol import Runtime
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store


class Wiring:
    """What the chapters of the engine share; see Engine."""

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
        self._runtimes: dict[str, Runtime] = {}  # by name
        self._service: Containers | None = None

    @property
    def store(self) -> Store:
        """The opened store, for tests and tools; its methods are not part of the public API."""
        with self._lock:
            if self._store is None:
                from cowl.store.store import Store

                self._store = Store.open(self.config, emit=self._emit)
                if self._store.recovered:
                    from cowl.container.surroundings import sweep

                    sweep(self._store)
            return self._store

    @property
    def _containers(self) -> Containers:
        with self._lock:
            if self._service is None:
                from cowl.container.lifecycle import Containers

                self._service = Containers(
                    self.store, self.config, self._running_runtime, self._publisher, self._copier
                )
            return self._service

    def _publisher(self) -> Publishing:
        from cowl.engine.publishing import Publishing

        return Publishing(self.store)

    def _copier(self) -> Copier:
        from cowl.engine.copying import Copier

        return Copier()

    def _running_runtime(self, name: str = "") -> Runtime:
        """The runtime of that name, "" for the configuration's; made once."""
        name = name or self.config.runtime
        with self._lock:
            if name not in self._runtimes:
                from cowl.runtime.choice import runtime_for

                self._runtimes[name] = runtime_for(self.config, name)
            return self._runtimes[name]

    def _resolve(
        self, name: str, platform: Platform | None, *, always: bool = False, emit: Emit | None = None
    ) -> ImageRecord:
        from cowl.transfer.resolve import resolve

        emit = emit or self._emit
        return resolve(name, platform, always=always, store=self.store, config=self.config, emit=emit)

    def close(self) -> None:
        """Kills (and removes) the containers that were started here and still run; closes the store.

        Idempotent; whatever is asked of the engine afterwards opens it again.
        """
        service, self._service = self._service, None
        runtimes, self._runtimes = self._runtimes, {}
        store, self._store = self._store, None
        try:
            if service is not None:
                service.close()
            for runtime in runtimes.values():
                runtime.close()
        finally:
            if store is not None:
                store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
