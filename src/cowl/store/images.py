"""Images: a config and a stack, under their names."""

from __future__ import annotations

import re

from cowl.oci.digest import Digest
from cowl.oci.reference import InvalidReference, Reference, familiar_name
from cowl.store.garbage import delete
from cowl.store.image_events import added_events, image_event
from cowl.store.image_record import AmbiguousId as AmbiguousId
from cowl.store.image_record import ImageRecord as ImageRecord
from cowl.store.image_record import ImageSummary as ImageSummary
from cowl.store.image_record import NoSuchImage as NoSuchImage
from cowl.store.image_record import ReservedName as ReservedName
from cowl.store.image_record import UnhashedLayer as UnhashedLayer
from cowl.store.stacks import find_stack, make_stack, read_stacks, stack_sizes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Sequence

    from cowl.store.built_images import BuiltImage
    from cowl.store.database import Database
    from cowl.store.garbage import Deletion
    from cowl.store.leases import Leases
    from cowl.store.transaction import Row, Transaction

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{1,64})")
_SCRATCH = "docker.io/library/scratch:"
_COLUMNS = "id, stack, config, created, created_at, last_used"
# What shows a failed step is no image to users, unless they give it a name.
VISIBLE = (
    "(images.id NOT IN (SELECT image FROM failed_steps)"
    " OR EXISTS (SELECT 1 FROM tags WHERE tags.image = images.id))"
)


class Images:
    """The images of a store."""

    def __init__(self, database: Database, leases: Leases, clock: Callable[[], float]) -> None:
        self._database = database
        self._leases = leases
        self._clock = clock

    def add(
        self,
        config_bytes: bytes,
        layer_keys: Sequence[str],
        *,
        references: Sequence[Reference | str] = (),
        repo_digests: Sequence[Reference | str] = (),
        built: BuiltImage | None = None,
        action: str = "",
    ) -> ImageRecord:
        """Adds an image and its names in one durable transaction; what had a name before loses it.

        Idempotent: an image that is there already gets the names. `built` says how it was built, if it was;
        `action`, as events have it, how else it came.
        Raises NoSuchLayer, StoreFull.
        """
        identity = Digest.of(config_bytes)
        with self._database.write(durable=True, doing="adding an image") as transaction:
            now = self._clock()
            if not transaction.row("SELECT 1 FROM images WHERE id = ?", (identity,)):
                _check_hashed(transaction, layer_keys)
                stack = make_stack(transaction, layer_keys)
                transaction.run(
                    "INSERT INTO images VALUES (?, ?, ?, ?, ?)", (identity, stack, config_bytes, now, now)
                )
            for reference in references:
                _set_tag(transaction, identity, reference)
            for reference in repo_digests:
                transaction.run(
                    "INSERT OR IGNORE INTO repo_digests VALUES (?, ?)", (str(reference), identity)
                )
            if built is not None:
                from cowl.store.built_images import write_built

                write_built(transaction, identity, built)
            self._leases.let_go(transaction, layer_keys)
            added_events(transaction, identity, action, references, repo_digests)
            return self._read(identity)  # another may remove it as soon as it is there

    def built(self, image_id: str) -> BuiltImage | None:
        """How an image was built; None of one that was not built here."""
        from cowl.store.built_images import read_built

        return read_built(self._database, image_id)

    def tag(self, image_id: str, reference: Reference | str) -> None:
        """Gives an image one more name, taking it from the image that had it. Raises NoSuchImage."""
        with self._database.write(durable=True, doing="tagging an image") as transaction:
            if not transaction.row("SELECT 1 FROM images WHERE id = ?", (image_id,)):
                raise NoSuchImage(image_id)
            _set_tag(transaction, image_id, reference)
            added_events(transaction, image_id, "", (_tagged(reference),), ())

    def untag(self, reference: Reference | str) -> None:
        """Takes a name away; the image stays, perhaps without any. Raises NoSuchImage."""
        with self._database.write(durable=True, doing="untagging an image") as transaction:
            row = transaction.row("SELECT image FROM tags WHERE reference = ?", (_tagged(reference),))
            if row is None:
                raise NoSuchImage(str(reference))
            transaction.run("DELETE FROM tags WHERE reference = ?", (_tagged(reference),))
            image_event(transaction, row[0], "untag", familiar_name(_tagged(reference)))

    def find(self, text: str) -> ImageRecord:
        """The image of a name, an ID, or the beginning of an ID with or without `sha256:`.

        A name wins over an ID. A name with a digest finds only what was pulled by both.
        Raises NoSuchImage, AmbiguousId, InvalidReference.
        """
        with self._database.snapshot() as database:
            return self._read(self.resolve(database, text))

    def resolve(self, rows: Database | Transaction, text: str) -> str:
        """The full ID that `find` would find."""
        named = by_name(rows, text)
        if named:
            return named
        prefix = _ID.fullmatch(text)
        if not prefix:
            Reference.parse(text)
            raise NoSuchImage(text)
        start = f"sha256:{prefix[1]}"
        found = rows.rows("SELECT id FROM images WHERE id >= ? AND id < ? LIMIT 2", (start, start + "g"))
        if len(found) > 1:
            raise AmbiguousId(text, len(found))
        if not found:
            raise NoSuchImage(text)
        return str(found[0][0])

    def ids(self, texts: Iterable[str]) -> dict[str, str]:
        """The full IDs that `find` would find; what finds none, or several, is left out."""
        with self._database.snapshot() as database:
            tags: dict[str, str] = dict(database.rows("SELECT reference, image FROM tags"))
            found = {text: tags.get(_as_tag(text), "") for text in texts}
            for text in [text for text, image in found.items() if not image]:
                try:
                    found[text] = self.resolve(database, text)
                except (NoSuchImage, AmbiguousId, InvalidReference):
                    del found[text]
        return found

    def labels(self) -> dict[str, dict[str, str]]:
        """The labels of all images that have some, by ID. Parses every config."""
        rows = self._database.rows("SELECT id, config FROM images")
        found = ((identity, config_labels(bytes(config))) for identity, config in rows)
        return {identity: labels for identity, labels in found if labels}

    def look_up(self, text: str) -> tuple[str, bool]:
        """The full ID that `find` would find, and whether by a name."""
        with self._database.snapshot() as database:
            return self.resolve(database, text), by_name(database, text) is not None

    def get(self, image_id: str) -> ImageRecord:
        """The image of a full ID. Raises NoSuchImage."""
        with self._database.snapshot():
            return self._read(image_id)

    def _read(self, image_id: str) -> ImageRecord:
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM images WHERE id = ?", (image_id,))
        if not rows:
            raise NoSuchImage(image_id)
        return self._records(
            rows,
            self._database.rows("SELECT image, reference FROM tags WHERE image = ?", (image_id,)),
            self._database.rows("SELECT image, reference FROM repo_digests WHERE image = ?", (image_id,)),
        )[0]

    def list(self) -> tuple[ImageRecord, ...]:
        """All images but those that show failed steps, the newest in this store first."""
        with self._database.snapshot() as database:
            return self._records(
                database.rows(f"SELECT {_COLUMNS} FROM images WHERE {VISIBLE} ORDER BY created_at DESC, id"),
                database.rows("SELECT image, reference FROM tags"),
                database.rows("SELECT image, reference FROM repo_digests"),
            )

    def summaries(self) -> tuple[ImageSummary, ...]:
        """The same in short, without reading configs and layers: for lists."""
        with self._database.snapshot() as database:
            rows = database.rows(
                f"SELECT id, created, stack, created_at, last_used FROM images WHERE {VISIBLE}"
                " ORDER BY created_at DESC, id"
            )
            names = _grouped(database.rows("SELECT image, reference FROM tags"))
            pulled = _grouped(database.rows("SELECT image, reference FROM repo_digests"))
            sizes = stack_sizes(database)
        return tuple(
            ImageSummary(
                identity,
                created,
                names.get(identity, ()),
                pulled.get(identity, ()),
                created_at,
                last_used,
                sizes.get(stack, 0),
            )
            for identity, created, stack, created_at, last_used in rows
        )

    def builds(self) -> dict[str, BuiltImage]:
        """How images were built, by ID; those that were not built here are left out."""
        from cowl.store.built_images import read_all_built

        return read_all_built(self._database)

    def configs(self) -> dict[str, bytes]:
        """The configs of all images but those that show failed steps, by ID."""
        return dict(self._database.rows(f"SELECT id, config FROM images WHERE {VISIBLE}"))

    def on_layers(self, layer_keys: Sequence[str]) -> tuple[ImageRecord, ...]:
        """The images that have exactly these layers, bottom first; the newest in this store first."""
        with self._database.snapshot() as database:
            stack = find_stack(database, layer_keys)
            rows = database.rows(
                f"SELECT id FROM images WHERE stack = ? AND {VISIBLE} ORDER BY created_at DESC, id", (stack,)
            )
            return tuple(self._read(row[0]) for row in rows)

    def _records(
        self, rows: builtins.list[Row], tags: builtins.list[Row], digests: builtins.list[Row]
    ) -> tuple[ImageRecord, ...]:
        stacks = read_stacks(self._database, (row[1] for row in rows))
        names, pulled = _grouped(tags), _grouped(digests)
        return tuple(
            ImageRecord(
                Digest(identity),
                config,
                created,
                stacks[stack],
                names.get(identity, ()),
                pulled.get(identity, ()),
                created_at,
                last_used,
            )
            for identity, stack, config, created, created_at, last_used in rows
        )

    def remove(self, image_id: str) -> None:
        """Deletes an image with its names, and the layers that nothing else needs. Raises NoSuchImage.

        Asks nobody: see `cowl.accounting.selection` for what a user may remove.
        """
        delete(self._database, lambda deletion: drop_image(deletion, image_id), "removing an image")

    def touch(self, image_id: str) -> None:
        """Records that the image was used just now. An image that is gone is no error."""
        with self._database.write() as transaction:
            transaction.run("UPDATE images SET last_used = ? WHERE id = ?", (self._clock(), image_id))


def _as_tag(text: str) -> str:
    """The canonical name that `text` is as a tag; "" when it is none."""
    try:
        reference = Reference.parse(text).with_default_tag()
    except InvalidReference:
        return ""
    return "" if reference.digest else str(reference)


def config_labels(config: bytes) -> dict[str, str]:
    """The labels in an image's config; none when there is nothing sensible."""
    import json

    try:
        inner = json.loads(config)["config"]["Labels"]
    except (ValueError, KeyError, TypeError):
        return {}
    if not isinstance(inner, dict):
        return {}
    return {key: value for key, value in inner.items() if isinstance(value, str)}


def _check_hashed(transaction: Transaction, layer_keys: Sequence[str]) -> None:
    marks = ", ".join("?" * len(layer_keys))
    row = transaction.row(f"SELECT key FROM layers WHERE diff_id = '' AND key IN ({marks})", layer_keys)
    if row:
        raise UnhashedLayer(row[0])


def by_name(rows: Database | Transaction, text: str) -> str | None:
    """The ID of the image that has `text` as a name, with `latest` by default."""
    try:
        reference = Reference.parse(text).with_default_tag()
    except InvalidReference:
        return None
    if reference.digest:
        canonical = str(reference.with_digest(reference.digest))
        row = rows.row("SELECT image FROM repo_digests WHERE reference = ?", (canonical,))
    else:
        row = rows.row("SELECT image FROM tags WHERE reference = ?", (str(reference),))
    return str(row[0]) if row else None


def drop_image(deletion: Deletion, image_id: str) -> None:
    """Deletes the rows of an image, and what only it referred to. Raises NoSuchImage."""
    row = deletion.transaction.row("SELECT stack FROM images WHERE id = ?", (image_id,))
    if row is None:
        raise NoSuchImage(image_id)
    image_event(deletion.transaction, image_id, "delete")
    deletion.transaction.run("DELETE FROM images WHERE id = ?", (image_id,))
    deletion.drop_stack(row[0])


def _tagged(reference: Reference | str) -> str:
    """The canonical name under which tags are kept."""
    parsed = Reference.parse(reference) if isinstance(reference, str) else reference
    return str(parsed.replace(digest=None).with_default_tag())


def _set_tag(transaction: Transaction, image_id: str, reference: Reference | str) -> None:
    if _tagged(reference).startswith(_SCRATCH):
        raise ReservedName(_tagged(reference))
    transaction.run("INSERT OR REPLACE INTO tags VALUES (?, ?)", (_tagged(reference), image_id))


def _grouped(rows: list[Row]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for image, reference in sorted(rows):
        found.setdefault(image, []).append(reference)
    return {image: tuple(names) for image, names in found.items()}
