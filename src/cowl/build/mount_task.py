"""What the mounts of a RUN read: their sources found and hashed, nothing mounted yet."""

from __future__ import annotations

import os

from cowl.build.run_mounts import BIND, CACHE, TMPFS, run_mounts
from cowl.build.sources import Source, clean, explain_missing
from cowl.build.stage_tree import StageTree
from cowl.build.tree import Content, content_of
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.build.run_mounts import RunMount
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.build.tree import Tree
    from cowl.dockerfile import nodes
    from cowl.dockerfile.nodes import Word


class MountTask(Value):
    """One mount, decided. `source` is what a bind shows and a new cache begins with; None: nothing."""

    mount: RunMount
    source: Source | None = None

    @property
    def part(self) -> list[Any]:
        """What of it can change what the RUN makes, for the cache key.

        As in BuildKit: the content of what is mounted, but of a cache neither name nor sharing nor what
        it holds, and of a secret never the value.
        """
        mount = self.mount
        content = self.source.content.digest if self.source else ""
        part = [mount.kind, mount.target, mount.read_only, mount.mode, mount.uid, mount.gid]
        if mount.kind == BIND:
            assert self.source is not None
            return [*part, self.source.entry.kind, content]
        if mount.kind == CACHE:
            return [*part, content]
        if mount.kind == TMPFS:
            return [*part, mount.size_bytes]
        return [*part, mount.id, mount.required, mount.env]


def mount_tasks(
    state: State, node: nodes.Run, ground: Ground, find: Callable[[Word], tuple[Tree, str]]
) -> tuple[MountTask, ...]:
    """The mounts of a RUN whose variables are in. `find` gives what a from= means, and its name in words.

    Raises DockerfileError, SourceNotFound, and what `find` raises.
    """
    found = []
    for mount in run_mounts(ground.file, node, state.working_dir):
        source = None
        if mount.kind == BIND or (mount.kind == CACHE and mount.from_):
            source = _source(mount, node, ground, find)
        found.append(MountTask(mount, source))
    return tuple(found)


def _source(
    mount: RunMount, node: nodes.Run, ground: Ground, find: Callable[[Word], tuple[Tree, str]]
) -> Source:
    context = ground.context
    word = next(each.text for each in node.mounts if _is(each, mount))
    tree, where = find(word.with_text(mount.from_)) if mount.from_ else (context, "")
    path = clean(mount.source)
    entry = tree.find(path)
    if entry is None:
        word = word.with_text(mount.source.lstrip("/"))
        if tree is context:
            raise explain_missing(tree, ground.file, node, word, context.ignore, context.exists_hidden)
        raise explain_missing(tree, ground.file, node, word, None, lambda _path: False, where)
    if not path and isinstance(tree, StageTree):
        # All of an image: what its layers are tells as much, and nothing has to be read for it.
        return Source("", entry, Content(tree.chain, ()), tree)
    return Source(os.path.basename(path), entry, content_of(tree, entry), tree)


def _is(written: nodes.Mount, mount: RunMount) -> bool:
    """Whether this is where the mount was written."""
    names = ("target", "dst", "destination")
    told = written.option(*names)
    return written.kind.lower() == mount.kind and (not told or mount.target.endswith(os.path.normpath(told)))
