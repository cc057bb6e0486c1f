"""One more process in a container that runs."""

from __future__ import annotations

from cowl.container.bundle import exec_confinement, make_process
from cowl.container.handle.facts import ContainerNotRunning
from cowl.container.options import Settings, check_process
from cowl.container.words import words
from cowl.linux.process import NoSuchProcess
from cowl.runtime.stdio import Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.container.lifecycle import Containers
    from cowl.runtime.protocol import Running
    from cowl.store.container_record import ContainerRecord


def start_exec(
    service: Containers,
    record: ContainerRecord,
    args: tuple[str, ...],
    stdio: tuple[int, int, int],
    user: str,
    env: Mapping[str, str] | Sequence[str],
    workdir: str,
    *,
    tty: bool,
    privileged: bool = False,
    size: tuple[int, ...] = (),
) -> Running:
    """Starts one more process in a running container, as confined as its first one.

    privileged, size  see `make_process`
    """
    if record.state == "paused":
        from cowl.container.pausing import ContainerPaused

        raise ContainerPaused(record.id, "is paused, unpause the container before exec")
    if record.state != "running" or record.process is None:
        raise ContainerNotRunning(record.id)
    settings = Settings.from_json(record.settings)
    runtime = service.runtime(settings.runtime)
    runtime.prepare()
    extra = words(env)
    check_process(args, extra, workdir or "/", user)
    process = make_process(
        service.store,
        record,
        settings,
        args,
        extra,
        user,
        workdir,
        tty=tty,
        privileged=privileged,
        size=size,
    )
    try:
        return runtime.exec(
            record.process,
            process,
            Stdio(*stdio),
            **exec_confinement(settings, privileged=privileged),
            identity=record.id,
            directory=record.directory,
        )
    except NoSuchProcess:
        raise ContainerNotRunning(record.id) from None
