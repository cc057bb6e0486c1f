"""Base images: what FROM or COPY --from names, found by the caller's means, with the place in errors."""

from __future__ import annotations

from cowl.build.named_contexts import IMAGE, LAYOUT
from cowl.build.places import locate
from cowl.build.stage_graph import near_stage
from cowl.errors import CowlError, NotFound, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.build.task import Ground
    from cowl.dockerfile.nodes import Dockerfile, Instruction, Word
    from cowl.events import Emit
    from cowl.oci.platform import Platform
    from cowl.store.images import ImageRecord

    ResolveBase = Callable[[str, Platform | None, Emit], ImageRecord]


def resolve(
    ground: Ground,
    file: Dockerfile,
    node: Instruction,
    word: Word,
    name: str,
    stage: int,
    platform: Platform | None,
    find: ResolveBase,
) -> ImageRecord:
    """The record of the image `name`, or of the named context that has taken its place.

    What `find` raises keeps its kind and gains the place of `word` in `node`, and a hint when a
    stage is called almost like that. `stage` is the index of the stage that needs it.
    """
    try:
        named = ground.contexts.find(name)
        if named is not None and named.kind == LAYOUT:
            return ground.contexts.image(named, platform)
        return find(
            named.target if named is not None and named.kind == IMAGE else name, platform, ground.emit
        )
    except CowlError as problem:
        if isinstance(problem, NotFound | Unavailable):
            problem.hint = near_stage(ground.file, name, stage) or problem.hint
        locate(problem, file, node, word)
        raise
