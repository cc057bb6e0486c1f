"""Rows: what lies in the tables comes out as values."""

from __future__ import annotations

from tests.unit.store.making import add_container, add_image, add_layer

from cowl.store import Store
from cowl.store.rows import SharedInodes, SnapshotRow


def test_snapshots_volumes_and_shared_inodes(store: Store) -> None:
    base, top = add_layer(store, "base"), add_layer(store, "top")
    image = add_image(store, "image", [base, top])
    box = add_container(store, image)
    with store._database.write() as transaction:
        (stack,) = transaction.rows("SELECT stack FROM images")[0]
        transaction.run(
            "INSERT INTO snapshots VALUES ('s', 'name', ?, ?, ?, '{}', 'why', 1.0, 2.0, 1)",
            (box.id, image.id, stack),
        )
        for name in ("used", "unused"):
            transaction.run("INSERT INTO volumes VALUES (?, 1, '{}', 1.0, 2.0, 3, 4, 5.0)", (name,))
        for target in ("/a", "/b"):
            transaction.run("INSERT INTO container_volumes VALUES (?, 'used', ?)", (box.id, target))
        for number, layers in enumerate([(base.key, top.key), (base.key,), ()]):
            transaction.run("INSERT INTO shared_inodes VALUES (?, 1, 100, 4096, 0)", (number,))
            for key in layers:
                transaction.run("INSERT INTO shared_inode_layers VALUES (?, ?)", (number, key))
    rows = store.rows()
    assert rows.snapshots == (
        SnapshotRow("s", "name", box.id, str(image.id), (base.key, top.key), "why", 1.0, 2.0, 1),
    )
    assert [(row.name, row.anonymous, row.containers) for row in rows.volumes] == [
        ("unused", True, ()),
        ("used", True, (box.id,)),
    ]
    assert rows.shared_inodes == (SharedInodes(tuple(sorted((base.key, top.key))), 1, 100, 4096),)
