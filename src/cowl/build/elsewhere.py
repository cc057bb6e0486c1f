"""Elsewhere: the trees that COPY --from and RUN --mount=from= read: a stage, an image, a named context."""

from __future__ import annotations

import os

from cowl.build.bases import resolve
from cowl.build.named_contexts import DIRECTORY
from cowl.build.stage_tree import StageTree
from cowl.build.state import SCRATCH
from cowl.layer.ownership import for_euid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.build.plan import StagePlan
    from cowl.build.site import Site
    from cowl.build.task import Ground
    from cowl.build.tree import Tree
    from cowl.dockerfile.nodes import Instruction, Word
    from cowl.store.layers import Layer


def tree_elsewhere(
    site: Site, stage: StagePlan, word: Word, node: Instruction, ground: Ground
) -> tuple[Tree, str]:
    """What a from means in a stage, and how messages call it. Waits for a stage that is not built yet.

    Raises DockerfileError, and as `resolve` does.
    """
    name = str(word)
    index = dict(stage.sources).get(name, -1)
    if index < 0 and ground.file is not site.ground.file:
        from cowl.build.triggers import stage_of_trigger

        index = stage_of_trigger(site, word, node, ground.file, stage.index)
    if index >= 0:
        return _layers(site, site.state(index).layers), f"stage {name}"
    named = ground.contexts.find(name)
    if named is not None and named.kind == DIRECTORY:
        return ground.contexts.tree(named), f"the context {name}"
    if name == SCRATCH:
        return _layers(site, ()), "scratch, which is empty"
    place = (ground.file, node, word, name, stage.index)
    record = resolve(ground, *place, ground.base_platform, site.base)
    site.read(record.layers)
    return _layers(site, record.layers), f"the image {name}"


def _layers(site: Site, layers: tuple[Layer, ...]) -> StageTree:
    view = site.store.view([layer.key for layer in layers])
    return StageTree(view, for_euid(os.geteuid()), layers)
