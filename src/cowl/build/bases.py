"""Base images: what FROM names, found by the caller's means, with the place in errors."""

from __future__ import annotations

from cowl.build.places import locate
from cowl.errors import CowlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.dockerfile.nodes import Dockerfile, From
    from cowl.oci.platform import Platform
    from cowl.store.images import ImageRecord


def resolve(
    file: Dockerfile,
    node: From,
    image: str,
    platform: Platform | None,
    resolve_base: Callable[[str, Platform | None], ImageRecord],
) -> ImageRecord:
    """The record of a base image. What `resolve_base` raises keeps its kind and gains file and line."""
    try:
        return resolve_base(image, platform)
    except CowlError as problem:
        locate(problem, file, node, node.image)
        raise
