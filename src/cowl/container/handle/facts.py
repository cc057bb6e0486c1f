"""What a container's handle says of it: who it is, and how it stands."""

from __future__ import annotations

from cowl.container.options import Settings
from cowl.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Self

    from cowl.container.health_state import HealthState
    from cowl.container.lifecycle import Containers
    from cowl.container.pipe_files import PipeFiles
    from cowl.runtime.protocol import Running
    from cowl.store.containers import ContainerRecord


class ContainerNotRunning(Conflict):
    """The container has ended, or never ran; `id` is its whole ID."""

    def __init__(self, container_id: str) -> None:
        self.id = container_id
        super().__init__(f"container {container_id} is not running")


class ContainerFacts:
    """See Container."""

    def __init__(self, service: Containers, record: ContainerRecord, running: Running | None = None) -> None:
        self._service = service
        self._record = record
        self._running = running
        self._settings: Settings | None = None  # they never change
        self._files: PipeFiles | None = None

    @property
    def id(self) -> str:
        """64 hex digits."""
        return self._record.id

    @property
    def name(self) -> str:
        """As given, or made up like Docker's."""
        return self._record.name

    @property
    def settings(self) -> Settings:
        """What it was started with, image and options folded together."""
        if self._settings is None:
            self._settings = Settings.from_json(self._record.settings)
        return self._settings

    @property
    def image(self) -> str:
        """The image's name as the caller gave it."""
        return self.settings.image

    @property
    def image_id(self) -> str:
        """ "sha256:..." of the image's config."""
        return str(self._record.image_id)

    @property
    def command(self) -> tuple[str, ...]:
        """ENTRYPOINT and CMD or the caller's command, as executed."""
        return self.settings.args

    @property
    def labels(self) -> dict[str, str]:
        """The image's labels with the caller's over them."""
        return dict(self.settings.labels)

    @property
    def network_names(self) -> tuple[str, ...]:
        """The networks that it was started for, by name or mode, the main one first."""
        if self.settings.networking is None:
            return (self.settings.network,)
        from cowl.container.networking import attachments

        return tuple(each.network for each in attachments(self.settings.network, self.settings.networking))

    @property
    def exposed(self) -> tuple[str, ...]:
        """The ports that its image or its caller named, as "80/tcp", published or not."""
        return self.settings.exposed

    @property
    def to_publish(self) -> tuple[str, ...]:
        """Those of its ports that the host is to answer on, as "80/tcp"."""
        asked = self.settings.networking
        if asked is None:
            return ()
        return tuple(f"{each.port}/{each.protocol}" for each in asked.publications(self.exposed))

    @property
    def created_at(self) -> float:
        """Seconds since the epoch."""
        return self._record.created_at

    @property
    def state(self) -> str:
        """ "created", "running", "paused", "restarting" or "exited", as of the last look at the store."""
        return self._record.state

    @property
    def health(self) -> HealthState | None:
        """What the probes of its health check say by now; None where it has no health check."""
        if self.settings.health is None:
            return None
        from cowl.container.health_state import read_health

        return read_health(self._record.directory)

    @property
    def exit_code(self) -> int:
        """0 to 255; 0 while it runs."""
        return self._record.exit_code

    @property
    def started_at(self) -> float:
        """Seconds since the epoch; 0 before it started."""
        return self._record.started_at

    @property
    def finished_at(self) -> float:
        """Seconds since the epoch; 0 before it ended."""
        return self._record.finished_at

    @property
    def record(self) -> ContainerRecord:
        """Its row, as of the last look at the store; not part of the public API."""
        return self._record

    @property
    def console(self) -> int:
        """The master end of its terminal, or -1 without `tty=True` or in another process."""
        return self._running.console if self._running is not None else -1

    @property
    def stdin(self) -> BinaryIO | None:
        """Where to write what it reads, buffered, with stdin=PIPE. It is closed with the block."""
        return self._files.stdin if self._files is not None else None

    @property
    def stdout(self) -> BinaryIO | None:
        """Where to read what it writes, with stdout=PIPE: as it comes, or by lines."""
        return self._files.stdout if self._files is not None else None

    @property
    def stderr(self) -> BinaryIO | None:
        """The same for its other output, with stderr=PIPE; see STDOUT for both in one."""
        return self._files.stderr if self._files is not None else None

    def hold(self, files: PipeFiles) -> None:
        """Takes over our ends of its pipes; not part of the public API."""
        self._files = files

    def process(self) -> Running:
        """Its first process, for the one who started it. Raises ContainerNotRunning in other processes."""
        if self._running is None:
            raise ContainerNotRunning(self.id)
        return self._running

    def _forget_earlier_run(self) -> None:
        """It was started by us once, and now by a monitor."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def refresh(self) -> Self:
        """Looks at the store again; raises NotFound when the container was removed meanwhile."""
        self._record = self._service.look(self._record, self._running)
        return self

    def size(self) -> tuple[int, int]:
        """(bytes it wrote, the same with its image): apparent sizes; measured now if it runs."""
        return self._service.sizes(self._record)

    def attrs(self) -> dict[str, Any]:
        """The JSON value of `docker container inspect`."""
        from cowl.container.attrs import container_attrs

        return container_attrs(self._record, self.settings, self._service.store, self.health)

    def __repr__(self) -> str:
        return f"<Container {self.id[:12]} {self.name} {self.state}>"
