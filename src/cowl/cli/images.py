"""images, rmi and tag."""

from __future__ import annotations

import time

from cowl.cli import human, names
from cowl.cli.text import short_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cowl import Engine, ImageSummary, Receipt
    from cowl.cli.call import Call
    from cowl.cli.rows import Row

HEADERS = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}
COLUMNS = ("Repository", "Tag", "ID", "CreatedSince", "Size")
COLUMNS_WITH_DIGEST = ("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size")
FILTERS = ("before", "dangling", "label", "reference", "since")
NONE = "<none>"


def list_images(call: Call) -> int:
    """`cowl images`."""
    from cowl.cli import rows

    digests = call.on("digests")
    with call.engine() as engine:
        images = sorted(engine.image_summaries(), key=lambda image: human.epoch(image.created), reverse=True)
        references: list[str] = list(call.words)
        if call.many("filter"):
            images, wanted = _filtered(engine, images, call.many("filter"))
            references += wanted
        found = image_rows(
            images,
            time.time(),
            full_ids=call.on("no-trunc"),
            digests=digests or "{{.Digest}}" in call.text("format"),
            references=references,
        )
        columns = COLUMNS_WITH_DIGEST if digests else COLUMNS
        rows.write(found, HEADERS, columns, call.text("format"), quiet=call.on("quiet"))
    return 0


def image_rows(
    images: Iterable[ImageSummary],
    now: float,
    *,
    full_ids: bool = False,
    digests: bool = False,
    references: Iterable[str] = (),
) -> list[Row]:
    """One row for each name of each image, as Docker lists them; `references` are patterns to match."""
    patterns = list(references)
    rows = []
    for image in images:
        for repository, tag, digest in _names(image, digests):
            if not patterns or _matches(patterns, repository, tag):
                rows.append(_row(image, repository, tag, digest, now, full_ids))
    return rows


def _names(image: ImageSummary, digests: bool) -> Iterator[tuple[str, str, str]]:
    """(repository, tag, digest) of each row; a digest without a tag of its repository has its own row."""
    tags = [names.split(names.familiar(name)) for name in image.references]
    pulled: dict[str, list[str]] = {}
    for name in image.repo_digests:
        repository, _, digest = names.split(names.familiar(name))
        pulled.setdefault(repository, []).append(digest)
    for repository, tag, _ in tags:
        for digest in pulled.get(repository, [NONE]) if digests else [NONE]:
            yield repository, tag, digest
    for repository in pulled.keys() - {repository for repository, _, _ in tags}:
        for digest in pulled[repository] if digests else [NONE]:
            yield repository, NONE, digest
    if not tags and not pulled:
        yield NONE, NONE, NONE


def _matches(patterns: list[str], repository: str, tag: str) -> bool:
    from cowl.cli.filters import pattern

    name = f"{repository}:{tag}"
    compiled = [pattern(names.familiar(text)) for text in patterns]
    return any(glob.match(name) or glob.match(repository) for glob in compiled)


def _row(image: ImageSummary, repository: str, tag: str, digest: str, now: float, full_ids: bool) -> Row:
    created = human.epoch(image.created)
    return {
        "ID": image.id if full_ids else short_id(image.id),
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "CreatedSince": human.ago(created, now) if created else "N/A",
        "CreatedAt": human.date(created) if created else "N/A",
        "Size": human.short_size(image.size_bytes),
        "VirtualSize": human.size(image.size_bytes),
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
    }


def _filtered(
    engine: Engine, images: list[ImageSummary], words: tuple[str, ...]
) -> tuple[list[ImageSummary], list[str]]:
    """The images that pass, and the patterns that their names must match."""
    from cowl.cli import filters

    wanted = filters.parse(words, FILTERS)
    if "dangling" in wanted:
        dangling = filters.boolean(wanted["dangling"])
        images = [image for image in images if (not image.references and not image.repo_digests) == dangling]
    if "label" in wanted:
        labels = {image.id: dict(image.config.config.labels) for image in engine.images()}
        images = [image for image in images if filters.labels_match(wanted["label"], labels[image.id])]
    for key, sign in (("before", -1), ("since", 1)):
        for name in wanted.get(key, ()):
            border = human.epoch(engine.image(name).created)
            images = [image for image in images if (human.epoch(image.created) - border) * sign > 0]
    return images, wanted.get("reference", [])


def remove(call: Call) -> int:
    """`cowl rmi`: goes on after one that can't be removed, as Docker does."""
    from cowl.cli.removal import dry_run, each

    force = call.on("force")
    with call.engine() as engine:
        if call.on("dry-run"):
            return dry_run(call, engine.plan_removal(images=call.words, force=force))
        return each(call, lambda name: _remove(call, engine.remove_image(name, force=force)))


def _remove(call: Call, receipt: Receipt) -> None:
    from cowl.cli.removal import tell

    tell(call, receipt, [f"{what.capitalize()}: {text}" for what, text in receipt.told])


def tag(call: Call) -> int:
    """`cowl tag`."""
    with call.engine() as engine:
        engine.tag(*call.words)
    return 0
