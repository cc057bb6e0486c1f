"""A copy of a container's upper in a stage, of a running one in a moment when nothing in it moves."""

from __future__ import annotations

import os

from cowl.layer.adopt import adopt
from cowl.layer.copy_tree import copy_tree
from cowl.layer.ownership import for_euid
from cowl.linux.freezer import Frozen
from cowl.store.container_hold import ContainerHold
from cowl.store.container_record import NoSuchContainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.container_record import ContainerRecord
    from cowl.store.layers import Stage
    from cowl.store.trees import StoreTrees


def copy_upper(
    store: StoreTrees, container_id: str, stage: Stage, *, pause: bool = True, user: tuple[int, int] = (0, 0)
) -> ContainerRecord:
    """Copies the upper into a stage's diff; gives the container as it was then.

    pause  holds the processes of a running container still for as long as the copying takes; of one that
           is paused they are
    user   as in `Snapshots.freeze`
    Nobody starts, freezes or restores it meanwhile. Raises NoSuchContainer, ContainerBusy, OSError.
    """
    with ContainerHold(store.containers.get(container_id)):
        record = store.containers.get(container_id)
        layers = record.layer_keys
        try:
            _copy(record, stage, pause=pause)
        except FileNotFoundError:
            if os.path.isdir(record.upper):
                raise
            raise NoSuchContainer(record.name) from None
    if any(user):
        adopt(stage.diff, store.view(layers), *user, for_euid(os.geteuid()))
    return record


def _copy(record: ContainerRecord, stage: Stage, *, pause: bool) -> None:
    if pause and record.state == "running" and record.process:
        with Frozen(record.process):
            copy_tree(record.upper, stage.diff)
    else:
        copy_tree(record.upper, stage.diff)
