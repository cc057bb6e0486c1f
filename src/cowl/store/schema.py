"""The tables, and which version of them a store holds."""

from __future__ import annotations

# Version 1. Never changed any more: what comes later is in CHANGES.
TABLES = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY, value TEXT NOT NULL
) WITHOUT ROWID;

-- Processes that have something half-made. A row outlives its process only after a crash.
CREATE TABLE owners (
    id TEXT PRIMARY KEY, pid INTEGER NOT NULL, start_time INTEGER NOT NULL, boot_id TEXT NOT NULL,
    pid_namespace INTEGER NOT NULL, since REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE layers (
    key TEXT PRIMARY KEY, diff_id TEXT NOT NULL, parent_chain TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, allocated_bytes INTEGER NOT NULL, files INTEGER NOT NULL,
    whiteouts INTEGER NOT NULL, tar_bytes INTEGER NOT NULL, created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX layers_by_diff_id ON layers (diff_id);

-- A stack is an ordered set of layers, bottom first, shared by an image and all its containers.
CREATE TABLE stacks (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE
);
CREATE TABLE stack_layers (
    stack INTEGER NOT NULL REFERENCES stacks (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    layer TEXT NOT NULL REFERENCES layers (key),
    PRIMARY KEY (stack, position)
) WITHOUT ROWID;
CREATE INDEX stack_layers_by_layer ON stack_layers (layer);

CREATE TABLE images (
    id TEXT PRIMARY KEY, stack INTEGER NOT NULL REFERENCES stacks (id), config BLOB NOT NULL,
    created_at REAL NOT NULL, last_used REAL NOT NULL
);
CREATE INDEX images_by_stack ON images (stack);
CREATE TABLE tags (
    reference TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX tags_by_image ON tags (image);
CREATE TABLE repo_digests (
    reference TEXT NOT NULL, image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (reference, image)
) WITHOUT ROWID;
CREATE INDEX repo_digests_by_image ON repo_digests (image);

-- A container keeps its stack, not its image: an image may be forced away from under it.
CREATE TABLE containers (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image TEXT NOT NULL,
    stack INTEGER NOT NULL REFERENCES stacks (id),
    state TEXT NOT NULL, exit_code INTEGER NOT NULL, auto_remove INTEGER NOT NULL, settings TEXT NOT NULL,
    owner TEXT, pid INTEGER, start_time INTEGER, boot_id TEXT,
    created_at REAL NOT NULL, started_at REAL NOT NULL, finished_at REAL NOT NULL,
    size_bytes INTEGER, allocated_bytes INTEGER, overhead_bytes INTEGER, measured_at REAL NOT NULL
);
CREATE INDEX containers_by_image ON containers (image);
CREATE INDEX containers_by_stack ON containers (stack);

CREATE TABLE steps (
    key TEXT PRIMARY KEY, layer TEXT REFERENCES layers (key), description TEXT NOT NULL,
    created_at REAL NOT NULL, last_used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX steps_by_layer ON steps (layer);

CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL, size_bytes INTEGER NOT NULL, media_type TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX blobs_by_diff_id ON blobs (diff_id);

-- What running pulls and builds need, whoever else lets go of it.
CREATE TABLE leases (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL, since REAL NOT NULL
);
CREATE INDEX leases_by_owner ON leases (owner);
CREATE TABLE pins (
    lease INTEGER NOT NULL REFERENCES leases (id) ON DELETE CASCADE,
    layer TEXT NOT NULL REFERENCES layers (key),
    count INTEGER NOT NULL,
    PRIMARY KEY (lease, layer)
) WITHOUT ROWID;
CREATE INDEX pins_by_layer ON pins (layer);
"""

# What lifts a store by one version each, oldest first. Only ever appended to.
CHANGES = (
    """
-- Images that show a failed step's file system, before and after it. They are found by ID alone.
CREATE TABLE snapshots (
    image TEXT PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE,
    step TEXT NOT NULL, created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX snapshots_by_step ON snapshots (step);
""",
    """
-- What made the steps of the cache: read and written only when one misses, to say why.
CREATE TABLE notes (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, origin TEXT NOT NULL,
    place TEXT NOT NULL, text TEXT NOT NULL, below TEXT NOT NULL, created_at REAL NOT NULL,
    bytes INTEGER NOT NULL, inputs TEXT NOT NULL, files BLOB NOT NULL
);
CREATE INDEX notes_by_place ON notes (origin, place, created_at);
CREATE INDEX notes_by_text ON notes (text);
CREATE INDEX notes_by_age ON notes (created_at, bytes);
""",
    """
-- What ADD got from URLs (their hashes), with what the server calls it.
CREATE TABLE downloads (
    url TEXT PRIMARY KEY, etag TEXT NOT NULL, digest TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    checked_at REAL NOT NULL
) WITHOUT ROWID;
""",
    """
-- Directories that RUN --mount=type=cache writes to. `name` is the id= of the Dockerfile; those of one
-- name and base are interchangeable. `measured_at` is 0 while the figures may not hold.
CREATE TABLE cache_mounts (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, base TEXT NOT NULL,
    created_at REAL NOT NULL, last_used REAL NOT NULL,
    size_bytes INTEGER NOT NULL, allocated_bytes INTEGER NOT NULL, measured_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX cache_mounts_by_name ON cache_mounts (name, base);
""",
    """
-- A snapshot is a container's upper at one moment, the topmost layer of its stack. Such a layer has the
-- diff_id '' until somebody needs it hashed. What shows a failed step is another thing.
ALTER TABLE snapshots RENAME TO failed_steps;
DROP INDEX snapshots_by_step;
CREATE INDEX failed_steps_by_step ON failed_steps (step);
CREATE TABLE snapshots (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, container TEXT NOT NULL, image TEXT NOT NULL,
    stack INTEGER NOT NULL REFERENCES stacks (id), settings TEXT NOT NULL, message TEXT NOT NULL,
    created_at REAL NOT NULL, last_used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX snapshots_by_stack ON snapshots (stack);
CREATE INDEX snapshots_by_container ON snapshots (container);
""",
    """
-- Inodes that several layers have names of, by the exact set of these layers: each layer's own figures
-- count them, the total once.
CREATE TABLE shared_inodes (
    id INTEGER PRIMARY KEY, inodes INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
    allocated_bytes INTEGER NOT NULL
);
CREATE TABLE shared_inode_layers (
    shared INTEGER NOT NULL REFERENCES shared_inodes (id) ON DELETE CASCADE,
    layer TEXT NOT NULL REFERENCES layers (key) ON DELETE CASCADE,
    PRIMARY KEY (shared, layer)
) WITHOUT ROWID;
CREATE INDEX shared_inode_layers_by_layer ON shared_inode_layers (layer);
""",
    """
-- Volumes outlive containers. `measured_at` is 0 while the figures may not hold.
CREATE TABLE volumes (
    name TEXT PRIMARY KEY, anonymous INTEGER NOT NULL, labels TEXT NOT NULL,
    created_at REAL NOT NULL, last_used REAL NOT NULL,
    size_bytes INTEGER NOT NULL, allocated_bytes INTEGER NOT NULL, measured_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE container_volumes (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes (name),
    target TEXT NOT NULL,
    PRIMARY KEY (container, target)
) WITHOUT ROWID;
CREATE INDEX container_volumes_by_volume ON container_volumes (volume);
""",
    """
-- When an image was made, as its config says it: lists show it, and read no config for it.
ALTER TABLE images ADD COLUMN created TEXT GENERATED ALWAYS AS (
    CASE WHEN NOT json_valid(CAST(config AS TEXT)) THEN ''
    WHEN json_type(CAST(config AS TEXT), '$.created') = 'text'
    THEN json_extract(CAST(config AS TEXT), '$.created') ELSE '' END
) VIRTUAL;
CREATE INDEX images_listed ON images (created_at, id, stack, last_used, created);
""",
    """
-- Of a container's stack the lowest `image_layers` are its image's own, what lies above was an upper once.
-- `snapshot` is what it was forked from or restored to. What was measured at its exit has two figures more.
-- A snapshot may go without a name. An upper on its way into a layer, or (layer '') into the trash, is
-- here for as long as its owner may have to be helped.
ALTER TABLE containers ADD COLUMN image_layers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE containers ADD COLUMN snapshot TEXT NOT NULL DEFAULT '';
ALTER TABLE containers ADD COLUMN files INTEGER;
ALTER TABLE containers ADD COLUMN whiteouts INTEGER;
UPDATE containers SET image_layers = (SELECT count(*) FROM stack_layers WHERE stack = containers.stack);
CREATE INDEX containers_by_snapshot ON containers (snapshot) WHERE snapshot != '';
DROP TABLE snapshots;
CREATE TABLE snapshots (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, container TEXT NOT NULL, image TEXT NOT NULL,
    stack INTEGER NOT NULL REFERENCES stacks (id), settings TEXT NOT NULL, message TEXT NOT NULL,
    created_at REAL NOT NULL, last_used REAL NOT NULL, image_layers INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX snapshots_by_name ON snapshots (name) WHERE name != '';
CREATE INDEX snapshots_by_stack ON snapshots (stack);
CREATE INDEX snapshots_by_container ON snapshots (container);
CREATE TABLE upper_moves (
    container TEXT PRIMARY KEY, owner TEXT NOT NULL, layer TEXT NOT NULL
) WITHOUT ROWID;
""",
    """
-- The same with its key in the order of its columns: else SQLite 3.40 takes sound rows for damaged ones.
CREATE TABLE volumes_of_containers (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes (name),
    target TEXT NOT NULL,
    PRIMARY KEY (container, volume, target)
) WITHOUT ROWID;
INSERT INTO volumes_of_containers SELECT container, volume, target FROM container_volumes;
DROP TABLE container_volumes;
ALTER TABLE volumes_of_containers RENAME TO container_volumes;
CREATE UNIQUE INDEX container_volumes_by_target ON container_volumes (container, target);
CREATE INDEX container_volumes_by_volume ON container_volumes (volume);
""",
    """
-- Of images that were built here: which layers are the base's, and [line, step] of all others.
CREATE TABLE built_images (
    image TEXT PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE,
    base TEXT NOT NULL, base_layers INTEGER NOT NULL, makers TEXT NOT NULL
) WITHOUT ROWID;
""",
    """
-- Directories of layers in which a running dedupe moves names to other inodes, as they are to look when it
-- is done. A row that outlives its owner tells that the layer's shared inodes have to be counted.
CREATE TABLE relinked_directories (
    layer TEXT NOT NULL REFERENCES layers (key) ON DELETE CASCADE,
    path BLOB NOT NULL, mode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, owner TEXT NOT NULL,
    PRIMARY KEY (layer, path)
) WITHOUT ROWID;
""",
    """
-- How much of a container's writes was copied up from its layers; holds while `measured_at` is the
-- container's own.
CREATE TABLE copied_up (
    container TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    size_bytes INTEGER NOT NULL, measured_at REAL NOT NULL
) WITHOUT ROWID;
""",
    """
-- What finds the row of an exact set of layers: the sum of numbers that their keys give.
ALTER TABLE shared_inodes ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
CREATE INDEX shared_inodes_by_mark ON shared_inodes (mark);
""",
    """
-- How often its policy has started a container again, what it was asked meanwhile ('stop' or 'restart'),
-- whether its owner is a monitor, and why it could not be started.
ALTER TABLE containers ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE containers ADD COLUMN wish TEXT NOT NULL DEFAULT '';
ALTER TABLE containers ADD COLUMN monitored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE containers ADD COLUMN error TEXT NOT NULL DEFAULT '';
""",
    """
-- Networks of our own, and who is on them. `address` holds while the container has an owner, and is what it
-- would like to have again otherwise. `wanted` is what was asked for. `aliases` are JSON.
CREATE TABLE networks (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, subnet TEXT NOT NULL, gateway TEXT NOT NULL,
    ip_range TEXT NOT NULL, internal INTEGER NOT NULL, labels TEXT NOT NULL, options TEXT NOT NULL,
    last_address INTEGER NOT NULL, created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE network_members (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network TEXT NOT NULL, position INTEGER NOT NULL, aliases TEXT NOT NULL, wanted TEXT NOT NULL,
    address TEXT NOT NULL, link TEXT NOT NULL,
    PRIMARY KEY (container, network)
) WITHOUT ROWID;
CREATE INDEX network_members_by_network ON network_members (network);
-- Ports of the host that lead to a container. A row outlives its container after a crash, until what leads
-- there is gone.
CREATE TABLE published_ports (
    protocol TEXT NOT NULL, host_address TEXT NOT NULL, host_port INTEGER NOT NULL,
    container TEXT NOT NULL, container_port INTEGER NOT NULL,
    PRIMARY KEY (protocol, host_address, host_port)
) WITHOUT ROWID;
CREATE INDEX published_ports_by_container ON published_ports (container);
""",
    """
-- What happened, in order, as `cowl events` tells it; only the newest are kept. `attributes` is a JSON
-- object, `labels` a JSON list of pairs or ''.
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, type TEXT NOT NULL, action TEXT NOT NULL,
    actor TEXT NOT NULL, attributes TEXT NOT NULL, labels TEXT NOT NULL
);
""",
    """
-- The cgroup that a container's last run had to itself ('' for none), and whether the kernel killed in it
-- for memory.
ALTER TABLE containers ADD COLUMN cgroup TEXT NOT NULL DEFAULT '';
ALTER TABLE containers ADD COLUMN oom_killed INTEGER NOT NULL DEFAULT 0;
""",
    """
-- Manifests that images came with, byte for byte.
CREATE TABLE manifests (
    id INTEGER PRIMARY KEY, image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    digest TEXT NOT NULL, media_type TEXT NOT NULL, raw BLOB NOT NULL, UNIQUE (image, digest)
);
""",
)
VERSION = 1 + len(CHANGES)


def statements(version: int) -> list[str]:
    """What brings a store of that version (0: an empty database) to VERSION."""
    scripts = CHANGES[version - 1 :] if version else (TABLES, *CHANGES)
    return [statement for script in scripts for statement in script.split(";\n") if statement.strip()]
