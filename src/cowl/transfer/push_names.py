"""Which names a push is about, and what is recorded of it."""

from __future__ import annotations

from cowl.errors import Invalid, NotFound
from cowl.oci.reference import Reference
from cowl.outputs import BlobForm
from cowl.transfer.push import push

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config
    from cowl.events import Emit
    from cowl.oci.descriptor import Descriptor
    from cowl.store.store import Store


class NotPushable(Invalid):
    """A name can't be pushed to. Field: text."""

    def __init__(self, text: str, why: str, hint: str) -> None:
        super().__init__(why, hint=hint)
        self.text = text


class NoSuchName(NotFound):
    """No image of the store has that name. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"An image does not exist locally with the tag: {text}",
            hint="`cowl images` lists what there is; `cowl tag IMAGE NAME` gives it another name",
        )
        self.text = text


def push_names(
    text: str, *, all_tags: bool, form: BlobForm | None, store: Store, config: Config, emit: Emit
) -> list[tuple[Reference, Descriptor]]:
    """Pushes under one name, or all of a repository, and records their digests. See Engine.push."""
    pushed = []
    for reference in _references(text, store, all_tags=all_tags):
        image = store.images.find(str(reference))
        stored = push(image, reference, store=store, config=config, emit=emit, form=form or BlobForm())
        digest = reference.with_digest(stored.digest)
        store.images.add(image.config_bytes, image.layer_keys, repo_digests=(digest,))
        pushed.append((reference, stored))
    return pushed


def _references(text: str, store: Store, *, all_tags: bool) -> list[Reference]:
    wanted = Reference.parse(text)
    if wanted.digest:
        raise NotPushable(text, "cannot push a digest reference", "name the tag: a push gives it its digest")
    if all_tags and wanted.tag:
        raise NotPushable(text, "tag can't be used with --all-tags/-a", "leave out the tag")
    known = sorted(
        name
        for summary in store.images.summaries()
        for name in summary.references
        if (name.rpartition(":")[0] == wanted.repository if all_tags else name == _canonical(wanted))
    )
    if not known:
        raise NoSuchName(wanted.familiar)
    return [Reference.parse(name) for name in known]


def _canonical(reference: Reference) -> str:
    return str(reference.with_default_tag())
