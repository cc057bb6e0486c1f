"""Rows: the whole store at one moment, as plain values, for accounting."""

from __future__ import annotations

from cowl.store.images import VISIBLE
from cowl.store.layers import COLUMNS, Layer, layer_of
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.database import Database


class ImageRow(Value):
    """An image: its ID, the keys of its layers bottom first, names; `created` as its config says it.

    The other times are in seconds since the epoch.
    """

    id: str
    layer_keys: tuple[str, ...]
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    created: str
    created_at: float
    last_used: float


class ContainerRow(Value):
    """A container; the byte figures are None when nothing was measured since its exit.

    snapshot_id  what it was forked from or restored to, "" for none
    """

    id: str
    name: str
    image_id: str
    layer_keys: tuple[str, ...]
    state: str
    exit_code: int
    settings: str
    created_at: float
    started_at: float
    finished_at: float
    size_bytes: int | None
    allocated_bytes: int | None
    overhead_bytes: int | None
    measured_at: float
    snapshot_id: str = ""


class StepRow(Value):
    """A step of the build cache; `layer_key` is "" if it made no layer."""

    key: str
    layer_key: str
    description: str
    created_at: float
    last_used: float


class CacheMountRow(Value):
    """A cache mount; the byte figures hold only since `measured_at`, and not at all when that is 0.

    name  the id= of the Dockerfile
    base  what it started as, "" for an empty directory of root's
    """

    id: str
    name: str
    base: str
    created_at: float
    last_used: float
    size_bytes: int
    allocated_bytes: int
    measured_at: float


class FailedStepRow(Value):
    """An image that shows a failed step, by the step's key; its layers bottom first."""

    id: str
    step: str
    layer_keys: tuple[str, ...]
    created_at: float


class SnapshotRow(Value):
    """A snapshot; its layers bottom first, of which the lowest `image_layers` are its image's own."""

    id: str
    name: str
    container_id: str
    image_id: str
    layer_keys: tuple[str, ...]
    message: str
    created_at: float
    last_used: float
    image_layers: int = 0


class VolumeRow(Value):
    """A volume; the byte figures hold only since `measured_at`, and not at all when that is 0.

    containers  the IDs of those that use it, running or not
    """

    name: str
    anonymous: bool
    labels: str
    created_at: float
    last_used: float
    size_bytes: int
    allocated_bytes: int
    measured_at: float
    containers: tuple[str, ...] = ()


class SharedInodes(Value):
    """Inodes that each of these layers, and no other, has names of: all their figures count them."""

    layer_keys: tuple[str, ...]
    inodes: int
    size_bytes: int
    allocated_bytes: int


class Rows(Value):
    """All of a store's rows. `pinned`: keys of layers that a running pull, build or commit needs."""

    layers: tuple[Layer, ...]
    images: tuple[ImageRow, ...]
    containers: tuple[ContainerRow, ...]
    steps: tuple[StepRow, ...]
    pinned: frozenset[str]
    cache_mounts: tuple[CacheMountRow, ...] = ()
    failed_steps: tuple[FailedStepRow, ...] = ()
    snapshots: tuple[SnapshotRow, ...] = ()
    volumes: tuple[VolumeRow, ...] = ()
    shared_inodes: tuple[SharedInodes, ...] = ()


def read_rows(database: Database) -> Rows:
    """Everything that accounting needs, seen at one moment."""
    with database.snapshot():
        stacks = _stacks(database)
        return Rows(
            tuple(map(layer_of, database.rows(f"SELECT {COLUMNS} FROM layers ORDER BY key"))),
            _images(database, stacks),
            _containers(database, stacks),
            tuple(
                StepRow(row[0], row[1] or "", *row[2:])
                for row in database.rows("SELECT * FROM steps ORDER BY created_at, key")
            ),
            frozenset(row[0] for row in database.rows("SELECT DISTINCT layer FROM pins")),
            cache_mount_rows(database),
            _failed_steps(database, stacks),
            _snapshots(database, stacks),
            volume_rows(database),
            _shared_inodes(database),
        )


def cache_mount_rows(database: Database) -> tuple[CacheMountRow, ...]:
    """All cache mounts, oldest first."""
    return tuple(
        CacheMountRow(*row) for row in database.rows("SELECT * FROM cache_mounts ORDER BY created_at, id")
    )


def volume_rows(database: Database) -> tuple[VolumeRow, ...]:
    """All volumes, in the order of their names, with the containers that use them."""
    users: dict[str, list[str]] = {}
    for volume, container in database.rows(
        "SELECT DISTINCT volume, container FROM container_volumes ORDER BY volume, container"
    ):
        users.setdefault(volume, []).append(container)
    rows = database.rows(
        "SELECT name, anonymous, labels, created_at, last_used, size_bytes, allocated_bytes, measured_at"
        " FROM volumes ORDER BY name"
    )
    return tuple(VolumeRow(*(row[0], bool(row[1]), *row[2:], tuple(users.get(row[0], ())))) for row in rows)


def _snapshots(database: Database, stacks: dict[int, tuple[str, ...]]) -> tuple[SnapshotRow, ...]:
    rows = database.rows(
        "SELECT id, name, container, image, stack, message, created_at, last_used, image_layers"
        " FROM snapshots ORDER BY created_at DESC, id"
    )
    return tuple(SnapshotRow(*(*row[:4], stacks.get(row[4], ()), *row[5:])) for row in rows)


def _shared_inodes(database: Database) -> tuple[SharedInodes, ...]:
    """The sets of which more than one layer is still there."""
    layers: dict[int, list[str]] = {}
    for shared, layer in database.rows(
        "SELECT shared, layer FROM shared_inode_layers ORDER BY shared, layer"
    ):
        layers.setdefault(shared, []).append(layer)
    rows = database.rows("SELECT id, inodes, size_bytes, allocated_bytes FROM shared_inodes ORDER BY id")
    return tuple(
        SharedInodes(tuple(layers[row[0]]), *row[1:]) for row in rows if len(layers.get(row[0], ())) > 1
    )


def _stacks(database: Database) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    for stack, key in database.rows("SELECT stack, layer FROM stack_layers ORDER BY stack, position"):
        found.setdefault(stack, []).append(key)
    return {stack: tuple(keys) for stack, keys in found.items()}


def _images(database: Database, stacks: dict[int, tuple[str, ...]]) -> tuple[ImageRow, ...]:
    names: dict[str, list[str]] = {}
    for image, reference in database.rows("SELECT image, reference FROM tags ORDER BY reference"):
        names.setdefault(image, []).append(reference)
    pulled: dict[str, list[str]] = {}
    for image, reference in database.rows("SELECT image, reference FROM repo_digests ORDER BY reference"):
        pulled.setdefault(image, []).append(reference)
    return tuple(
        ImageRow(
            image,
            stacks.get(stack, ()),
            tuple(names.get(image, ())),
            tuple(pulled.get(image, ())),
            created,
            created_at,
            last_used,
        )
        for image, stack, created, created_at, last_used in database.rows(
            f"SELECT id, stack, created, created_at, last_used FROM images WHERE {VISIBLE}"
            " ORDER BY created_at DESC, id"
        )
    )


def _failed_steps(database: Database, stacks: dict[int, tuple[str, ...]]) -> tuple[FailedStepRow, ...]:
    rows = database.rows(
        "SELECT id, step, stack, failed_steps.created_at FROM failed_steps JOIN images ON id = image"
        f" WHERE NOT {VISIBLE} ORDER BY failed_steps.created_at, id"
    )
    return tuple(FailedStepRow(row[0], row[1], stacks.get(row[2], ()), row[3]) for row in rows)


def _containers(database: Database, stacks: dict[int, tuple[str, ...]]) -> tuple[ContainerRow, ...]:
    rows = database.rows(
        "SELECT id, name, image, stack, state, exit_code, settings, created_at, started_at, finished_at,"
        " size_bytes, allocated_bytes, overhead_bytes, measured_at, snapshot FROM containers"
        " ORDER BY created_at DESC, id"
    )
    return tuple(ContainerRow(*(*row[:3], stacks.get(row[3], ()), *row[4:])) for row in rows)
