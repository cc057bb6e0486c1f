"""Events of images: see `event_log`."""

from __future__ import annotations

from cowl.oci.reference import Reference, familiar_name
from cowl.store.event_log import write_event

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.store.transaction import Transaction

PULL = "pull"


def image_event(transaction: Transaction, image_id: str, action: str, name: str = "") -> None:
    """Notes what happens to an image. What shows a failed step is no image to users, and not told.

    name  that it is about, as users write it; "" is its ID
    """
    _write(transaction, image_id, action, image_id, name or image_id)


def added_events(
    transaction: Transaction,
    image_id: str,
    action: str,
    references: Sequence[Reference | str],
    digests: Sequence[Reference | str],
) -> None:
    """Notes how an image came: a pull is told by what was pulled, all else by its ID, then by its names."""
    if action == PULL:
        for reference in references or digests:
            parsed = _parsed(reference)
            _write(transaction, image_id, PULL, parsed.familiar, parsed.familiar_repository)
        return
    if action:
        image_event(transaction, image_id, action)
    for reference in references:
        image_event(transaction, image_id, "tag", familiar_name(str(_parsed(reference))))


def _write(transaction: Transaction, image_id: str, action: str, actor: str, name: str) -> None:
    from cowl.store.images import VISIBLE, config_labels

    row = transaction.row(f"SELECT config FROM images WHERE id = ? AND {VISIBLE}", (image_id,))
    if row:
        write_event(transaction, "image", action, actor, {"name": name}, config_labels(row[0]).items())


def _parsed(reference: Reference | str) -> Reference:
    return Reference.parse(reference) if isinstance(reference, str) else reference
