"""The image of a name: from the store if it is there, else from its registry."""

from __future__ import annotations

from cowl.errors import NotFound, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.config import Config
    from cowl.events import Emit
    from cowl.oci.platform import Platform
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store


def resolve(
    name: str, platform: Platform | None, *, always: bool, store: Store, config: Config, emit: Emit
) -> ImageRecord:
    """The image of that name (a reference, or an ID), for `platform` if one is asked for.

    The registry is asked when the store has none of that name and platform, or with `always`. Raises
    as `pull` does.
    """
    here = None
    if not always:
        try:
            here = store.images.find(name)
        except NotFound:
            pass
        else:
            if platform is None or _fits(here, platform):
                return here
    from cowl.oci.reference import Reference
    from cowl.transfer.pull import pull

    wanted = Reference.parse(name).with_default_tag()
    try:
        return pull(wanted, platform, store=store, config=config, emit=emit)
    except Unavailable as problem:
        if not always:
            lacks = f"is here, but not for {platform}" if here else "is not in the store"
            problem.message = f"{wanted.familiar} {lacks}, and to pull it failed: {problem.message}"
        raise


def _fits(image: ImageRecord, platform: Platform) -> bool:
    from cowl.oci.image_config import ImageConfig

    return platform.matches(ImageConfig.parse(image.config_bytes).platform)
