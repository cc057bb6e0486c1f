"""What a container takes beside its image."""

from __future__ import annotations

import json

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.accounting.reading import Reading
    from cowl.store.rows import ContainerRow


class ContainerUsage(Value):
    """A container. `names` as Docker's column; `image` and `command` as it was started.

    size_bytes             apparent, of what it wrote (its upper)
    copied_up_bytes        of that, files whose paths are files in its layers: copied up whole at the
                           first write, or put in their place; None: not looked for
    new_bytes              of that, all else; None likewise
    virtual_bytes          the same with the layers of its image
    upper_allocated_bytes  on disk, of its upper
    log_bytes              on disk, of its log
    allocated_bytes        on disk, of its whole directory: freed when it is removed
    """

    id: str
    names: tuple[str, ...]
    image: str
    image_id: str
    command: tuple[str, ...]
    created_at: float
    started_at: float
    finished_at: float
    state: str
    exit_code: int
    size_bytes: int
    copied_up_bytes: int | None
    new_bytes: int | None
    virtual_bytes: int
    upper_allocated_bytes: int
    log_bytes: int
    allocated_bytes: int
    volumes: tuple[str, ...] = ()


def container_usages(reading: Reading) -> tuple[ContainerUsage, ...]:
    """All containers, newest first."""
    volumes: dict[str, list[str]] = {}
    for volume in reading.ledger.rows.volumes:
        for identity in volume.containers:
            volumes.setdefault(identity, []).append(volume.name)
    return tuple(
        _container(reading, row, tuple(volumes.get(row.id, ()))) for row in reading.ledger.rows.containers
    )


def _container(reading: Reading, row: ContainerRow, volumes: tuple[str, ...]) -> ContainerUsage:
    settings = json.loads(row.settings)
    found = reading.containers[row.id]
    copied = None
    if reading.details is not None:  # a live one may have shrunk between the two looks
        copied = min(reading.details.copied_up.get(row.id, 0), found.size_bytes)
    return ContainerUsage(
        id=row.id,
        names=(row.name,),
        image=settings.get("image", row.image_id),
        image_id=row.image_id,
        command=tuple(settings.get("args", ())),
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        state=row.state,
        exit_code=row.exit_code,
        size_bytes=found.size_bytes,
        copied_up_bytes=copied,
        new_bytes=None if copied is None else found.size_bytes - copied,
        virtual_bytes=found.size_bytes + reading.ledger.apparent_bytes(row.layer_keys),
        upper_allocated_bytes=found.allocated_bytes,
        log_bytes=found.log_bytes,
        allocated_bytes=found.total_allocated_bytes,
        volumes=volumes,
    )
