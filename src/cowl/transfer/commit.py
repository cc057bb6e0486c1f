"""Images made of containers: `docker commit`, and a snapshot that becomes an image.

What the image stands on is the container's stack: the layers of its image, then what was frozen since, which
is hashed now. On top of that a commit packs a copy of the upper.
"""

from __future__ import annotations

import os
import time

from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.layer.tar_writer import END
from cowl.oci.image_config import ContainerConfig, History, ImageConfig
from cowl.oci.platform import Platform
from cowl.store.images import NoSuchImage
from cowl.transfer.changes import apply_changes
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.oci.reference import Reference
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.store import Store

_LOST = "a layer of an image that is no longer here"
_FROZEN = "a snapshot"


class NewImage(Value):
    """What is asked of an image that is made of a container.

    reference   its name, or None
    message     the comment of its history
    changes     Dockerfile instructions for its config, see `transfer.changes`
    command     what ran in the container, as the history tells it
    """

    reference: Reference | None = None
    message: str = ""
    author: str = ""
    changes: tuple[str, ...] = ()
    command: str = ""


def commit(
    container_id: str,
    wanted: NewImage,
    configure: Callable[[ContainerConfig], ContainerConfig],
    *,
    pause: bool,
    user: tuple[int, int],
    store: Store,
    clock: Callable[[], float],
) -> ImageRecord:
    """An image of a container as it is now, which stays as it is.

    configure  makes the config of the image out of that of the container's image
    pause      holds a running container still while its upper is copied
    user       uid and gid of the container's processes, as in `Snapshots.freeze`
    An upper without a file makes no layer. Raises InvalidChange before anything else, NoSuchContainer,
    ContainerBusy, ReservedName, StoreFull.
    """
    apply_changes(ContainerConfig(), wanted.changes)
    with store.lease("commit") as lease, store.layers.stage() as stage:
        record = store.copy_upper(container_id, stage, pause=pause, user=user)
        standing = _standing(store, record.layers, lease.pin)
        packed = pack(stage.diff, None, owners=for_euid(os.geteuid()))
        own = []
        if packed.tar_bytes > len(END):
            own = [store.layers.commit(stage, packed.diff_id, packed.tar_bytes)]
            lease.pin(own[0].key)
        base = _base(store, record.image_id, standing[: record.image_layers])
        frozen = standing[record.image_layers :]
        image = _image(base, frozen, own, wanted, configure, clock())
        return _add(store, image, (*standing[: record.image_layers], *filter(_is_full, frozen), *own), wanted)


def promote(
    snapshot_id: str,
    wanted: NewImage,
    configure: Callable[[ContainerConfig], ContainerConfig],
    *,
    store: Store,
    clock: Callable[[], float],
) -> ImageRecord:
    """An image of a snapshot: its layers, hashed now if they never were; nothing is copied.

    Raises InvalidChange before anything else, NoSuchSnapshot, ReservedName, StoreFull.
    """
    apply_changes(ContainerConfig(), wanted.changes)
    with store.lease("promote") as lease:
        record = store.snapshots.get(snapshot_id)
        standing = _standing(store, record.layers, lease.pin)
        own, frozen = standing[: record.image_layers], standing[record.image_layers :]
        base = _base(store, record.image_id, own)
        image = _image(base, frozen[:-1], frozen[-1:], wanted, configure, clock())
        return _add(store, image, (*own, *filter(_is_full, frozen)), wanted)


def _standing(store: Store, layers: Sequence[Layer], pin: Callable[[str], object]) -> tuple[Layer, ...]:
    """The layers of a stack, kept and hashed."""
    for layer in layers:
        pin(layer.key)
    return tuple(store.layers.hashed(layer.key) for layer in layers)


def _is_full(layer: Layer) -> bool:
    """Whether its tar has an entry; Docker makes no layer of what has none."""
    return layer.tar_bytes > len(END)


def _base(store: Store, image_id: str, layers: Sequence[Layer]) -> ImageConfig:
    """The config of the container's image; of one that was removed what the layers tell."""
    try:
        found = store.images.get(image_id)
    except NoSuchImage:
        platform = Platform.host()
        return ImageConfig(
            architecture=platform.architecture,
            os=platform.os,
            variant=platform.variant,
            diff_ids=tuple(layer.diff_id for layer in layers),
            history=tuple(History(created=_rfc3339(each.created_at), comment=_LOST) for each in layers),
        )
    return ImageConfig.parse(found.config_bytes)


def _image(
    base: ImageConfig,
    frozen: Sequence[Layer],
    own: Sequence[Layer],
    wanted: NewImage,
    configure: Callable[[ContainerConfig], ContainerConfig],
    now: float,
) -> ImageConfig:
    """The config: that of the base with the container's settings, and one entry of history for each layer."""
    before = configure(base.config)
    config = apply_changes(before, wanted.changes)
    if not config.entrypoint and not config.cmd:
        config = config.replace(cmd=before.cmd)
    entries = [
        History(_rfc3339(layer.created_at), wanted.command, _FROZEN, empty_layer=not _is_full(layer))
        for layer in frozen
    ]
    created, empty = _rfc3339(now), not any(map(_is_full, own))
    entries.append(History(created, wanted.command, wanted.message, wanted.author, empty))
    return base.replace(
        created=created,
        author=wanted.author,
        config=config,
        diff_ids=(*base.diff_ids, *(layer.diff_id for layer in (*frozen, *own) if _is_full(layer))),
        history=(*base.history, *entries),
    )


def _add(store: Store, image: ImageConfig, layers: Sequence[Layer], wanted: NewImage) -> ImageRecord:
    names = (wanted.reference.with_default_tag(),) if wanted.reference else ()
    return store.images.add(image.serialize(), [layer.key for layer in layers], references=names)


def _rfc3339(seconds: float) -> str:
    whole, part = divmod(int(seconds * 1e9), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{part:09d}Z"
