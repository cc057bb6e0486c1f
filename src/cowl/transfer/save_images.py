"""Which images a save is about, under which names, and where they go."""

from __future__ import annotations

from cowl.oci.reference import InvalidReference, Reference
from cowl.outputs import DockerOutput, OciOutput
from cowl.transfer.destination import Destination
from cowl.transfer.export import InvalidOutput, check_output
from cowl.transfer.layout_sink import LayoutArchive, LayoutDirectory
from cowl.transfer.save import SavedImage, save

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.store.images import ImageRecord
    from cowl.store.store import Store


def save_images(store: Store, names: Sequence[str], output: DockerOutput | OciOutput) -> None:
    """See Engine.save. Nothing is written when one of the names finds no image."""
    if output.names or output.annotations:
        raise InvalidOutput(output, "a save takes its names from the images that it is about")
    check_output(output)
    images = chosen(store, names)
    with store.lease("save") as lease:
        for key in {key for saved in images for key in saved.image.layer_keys}:
            lease.pin(key)
        _write(store, images, output)
    for saved in images:
        store.events.note("image", "save", str(saved.image.id), {"name": str(saved.image.id)})


def _write(store: Store, images: list[SavedImage], output: DockerOutput | OciOutput) -> None:
    if isinstance(output, OciOutput) and not output.tar:
        assert isinstance(output.dest, str)  # check_output saw to it
        save(store, images, LayoutDirectory(output.dest), output.blobs)
        return
    with Destination(output.dest) as place:
        sink = LayoutArchive(place.write)
        save(store, images, sink, output.blobs, docker=isinstance(output, DockerOutput))


def chosen(store: Store, names: Sequence[str]) -> list[SavedImage]:
    """The images that are meant, each once, with all names that are. Raises NotFound, Invalid, Conflict."""
    images: dict[str, ImageRecord] = {}
    given: dict[str, dict[str, None]] = {}
    for name in names:
        for record, reference in _meant(store, name):
            images[str(record.id)] = record
            given.setdefault(str(record.id), {}).update(dict.fromkeys([reference] if reference else []))
    return [SavedImage(images[key], tuple(map(Reference.parse, found))) for key, found in given.items()]


def _meant(store: Store, name: str) -> list[tuple[ImageRecord, str]]:
    """Images with the canonical name under which each is saved, "" for none."""
    reference = _tagless(name)
    if reference is not None:
        of_repository = [
            (summary.id, known)
            for summary in store.images.summaries()
            for known in summary.references
            if known.rpartition(":")[0] == reference.repository
        ]
        if of_repository:
            by_name = sorted(of_repository, key=lambda pair: pair[1])
            return [(store.images.get(identity), known) for identity, known in by_name]
    record = store.images.find(name)
    try:
        canonical = str(Reference.parse(name).with_default_tag())
    except InvalidReference:
        canonical = ""
    return [(record, canonical if canonical in record.references else "")]


def _tagless(name: str) -> Reference | None:
    """What `name` spells if it is a repository alone."""
    try:
        reference = Reference.parse(name)
    except InvalidReference:
        return None
    return None if reference.tag or reference.digest else reference
