"""Import: the tar of a root file system to an image of one layer, as `docker import`."""

from __future__ import annotations

import os
import time

from cowl.errors import CowlError, Invalid
from cowl.layer.compression import BadCompression, open_decompressed
from cowl.layer.limits import LayerTooBig
from cowl.layer.ownership import for_euid
from cowl.layer.tar_fields import BadLayer
from cowl.layer.unpack import unpack
from cowl.oci.digest import NO_LAYERS
from cowl.oci.image_config import ContainerConfig, History, ImageConfig
from cowl.oci.platform import Platform
from cowl.transfer.changes import apply_changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from cowl.events import Emit
    from cowl.oci.digest import DiffId
    from cowl.oci.reference import Reference
    from cowl.store.images import ImageRecord
    from cowl.store.layers import Layer
    from cowl.store.store import Store

_WANTED = "import takes the tar of a root file system, plain or compressed"


class EmptyTar(Invalid):
    """What should be a tar has not one byte: most often a command before the pipe that failed."""

    def __init__(self) -> None:
        super().__init__("it is empty", hint=_WANTED)


def import_tar(
    stream: BinaryIO,
    *,
    reference: Reference | None,
    changes: Sequence[str] = (),
    message: str = "",
    platform: Platform | None = None,
    store: Store,
    emit: Emit,  # noqa: ARG001 - there is nothing to tell yet
    clock: Callable[[], float],
) -> ImageRecord:
    """The image of the tar that `stream` gives, plain or as gzip, zstd, bzip2 or xz.

    `changes` are Dockerfile instructions for its config (see transfer.changes). Nothing is published
    when it fails. Raises InvalidChange before the stream is read, EmptyTar, and the errors of
    layer.unpack and the store.
    """
    config = apply_changes(ContainerConfig(), changes)
    with store.lease("import") as lease:
        try:
            layer = _layer(stream, store)
        except (BadLayer, LayerTooBig, BadCompression, EmptyTar) as problem:
            _tell_source(stream, problem)
            raise
        lease.pin(layer.key)
        image = _image(config, layer.diff_id, message, platform or Platform.host(), clock())
        names = (reference.with_default_tag(),) if reference else ()
        return store.images.add(image.serialize(), (layer.key,), references=names, action="import")


def _layer(stream: BinaryIO, store: Store) -> Layer:
    with store.layers.stage() as stage:
        with open(stage.recipe, "wb") as recipe:
            unpacked = unpack(
                open_decompressed(stream),
                stage.diff,
                owners=for_euid(os.geteuid()),
                below=None,
                recipe=recipe,
            )
        if not unpacked.tar_bytes:
            raise EmptyTar()
        parent = NO_LAYERS if unpacked.needs_parent else None
        return store.layers.commit(stage, unpacked.diff_id, unpacked.tar_bytes, parent)


def _tell_source(stream: BinaryIO, problem: CowlError) -> None:
    """Names in the message what was to be imported."""
    name = getattr(stream, "name", "")
    what = name if isinstance(name, str) and name else "the stream"
    problem.message = f"can't import {what}: {problem.message.removeprefix('bad layer: ')}"
    problem.hint = problem.hint or _WANTED


def _image(
    config: ContainerConfig, diff_id: DiffId, message: str, platform: Platform, now: float
) -> ImageConfig:
    created = rfc3339(now)
    return ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        created=created,
        config=config,
        diff_ids=(diff_id,),
        history=(History(created=created, comment=message or "Imported from -"),),
    )


def rfc3339(now: float) -> str:
    """When an image is made (seconds since the epoch), as configs say it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e9):09d}Z"
