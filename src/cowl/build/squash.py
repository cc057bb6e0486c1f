"""Squashing: the layers of several steps made into one, without what later ones overwrote or removed.

The steps stay in the cache with their layers as they are, and so does the squashed layer, under a key of
its own: a build of which everything is cached copies nothing.
"""

from __future__ import annotations

import os

from cowl.build.diff_tree import DiffTree
from cowl.build.keys import StepInputs, below
from cowl.errors import Invalid
from cowl.layer import attributes
from cowl.layer.ownership import for_euid
from cowl.layer.pack import pack
from cowl.layer.whiteout import make_whiteout
from cowl.oci.image_config import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cowl.build.state import State
    from cowl.layer.view import MergedView, Node
    from cowl.oci.image_config import ImageConfig
    from cowl.store.layers import Layer, Stage
    from cowl.store.store import Store


class NoSuchStep(Invalid):
    """The step to squash from makes no layer of the image. Field: number."""

    def __init__(self, number: int, known: Sequence[int]) -> None:
        steps = ", ".join(map(str, known)) or "none"
        super().__init__(
            f"step {number} makes no layer of this image",
            hint=f"Steps are numbered as the progress shows them; those with a layer are: {steps}.",
        )
        self.number = number


def first_layer(state: State, number: int) -> int:
    """The index of the layer that step `number` made; of 0 that of the first that is not the base's.

    Raises NoSuchStep.
    """
    if not number:
        return state.base_layers
    if number not in state.numbers:
        raise NoSuchStep(number, state.numbers)
    return state.base_layers + state.numbers.index(number)


def squash_inputs(state: State, first: int) -> StepInputs:
    """What decides a squashed layer: the layers that it is made of, and what lies below."""
    ids = [layer.diff_id for layer in state.layers]
    return StepInputs("squash", below(ids[:first]), {"layers": ids[first:]})


def make_squashed(state: State, first: int, store: Store, check: Callable[[], object]) -> Layer:
    """The committed layer in place of those from index `first` on. `check` may raise to give up."""
    keys = state.layer_keys
    with store.layers.stage() as stage:
        store.dress(stage, keys)
        _Squashing(store, keys, first, stage, check).run()
        packed = pack(stage.diff, lambda _part: check(), owners=for_euid(os.geteuid()))
        return store.layers.commit(stage, packed.diff_id, packed.tar_bytes)


def with_squashed(state: State, first: int, layer: Layer, name: Callable[[State], str], number: int) -> State:
    """The state with one layer in place of those from `first` on, and the history that Docker gives it.

    The entries of the steps stay, without a layer; one more says what became of them. `name` gives the ID
    of the image of a state.
    """
    entries, layers = list(state.image.history[: state.base_history]), state.base_layers
    for entry in state.image.history[state.base_history :]:
        layers += not entry.empty_layer
        entries.append(entry.replace(empty_layer=True) if layers > first else entry)
    merged = History(created_by="", comment=_comment(state, first, name, number), empty_layer=False)
    image: ImageConfig = state.image.replace(history=(*entries, merged))
    kept = first - state.base_layers
    made_by, numbers = state.made_by[:kept], state.numbers[:kept]
    layers_now = (*state.layers[:first], layer)
    return state.replace(image=image, layers=layers_now, made_by=made_by, numbers=numbers)


def _comment(state: State, first: int, name: Callable[[State], str], number: int) -> str:
    whole = name(state)
    if number:
        return f"merge {whole} from step {number}"
    return f"merge {whole} to {state.base_image}" if first else f"create new from {whole}"


class _Squashing:
    """The making of one squashed tree."""

    def __init__(
        self, store: Store, keys: Sequence[str], first: int, stage: Stage, check: Callable[[], object]
    ) -> None:
        self._owners = for_euid(os.geteuid())
        self._view = store.view(keys[first:])
        self._full = store.view(keys)
        self._below = store.view(keys[:first])
        self._diff = stage.diff
        self._tree = DiffTree(stage.diff, store.view((), stage.diff), store.view(()), self._owners)
        self._first: dict[tuple[int, int], str] = {}  # an inode with several names: where it went first
        self._check = check

    def run(self) -> None:
        for node in _nodes(self._view):
            self._check()
            self._put(node)
            if node.is_directory:
                self._hide(node)
        self._tree.settle()

    def _put(self, node: Node) -> None:
        uid, gid, mode = self._view.owner(node, self._owners)
        owner, mtime_ns = (uid, gid), node.status.st_mtime_ns
        if node.is_directory:
            if node.path != "/":
                xattrs = attributes.read(node.host_path)
                self._tree.put_directory(node.path, owner, mode, mtime_ns, xattrs)
        elif node.is_file:
            self._file(node, owner, mode)
        elif node.kind == "symlink":
            self._tree.make_symlink(node.path, node.target, owner, mtime_ns)
        elif node.kind == "fifo":
            self._tree.make_fifo(node.path, owner, mode, mtime_ns)

    def _file(self, node: Node, owner: tuple[int, int], mode: int) -> None:
        inode = (node.tree, node.status.st_ino)  # of one layer: dedupe shares inodes between layers
        if node.status.st_nlink > 1 and self._linked(inode, node.path):
            return
        fd = self._view.open(node.path)
        try:
            self._tree.make_file(node.path, fd, owner, mode, node.status.st_mtime_ns)
        finally:
            os.close(fd)

    def _linked(self, inode: tuple[int, int], path: str) -> bool:
        """Whether `path` became one more name of a file that is there; if not, it becomes the first."""
        first = self._first.get(inode)
        if first is not None and self._tree.make_link(path, first):
            return True
        self._first[inode] = path
        return False

    def _hide(self, directory: Node) -> None:
        """Whiteouts for what lies below in this directory and is gone; as old as the directory, for all
        builds give the same layer."""
        under = self._below.lookup(directory.path, follow=False)
        if under is None or not under.is_directory or under.path != directory.path:
            return
        time = directory.status.st_mtime_ns
        for child in self._below.children(under):
            if self._full.lookup(child.path, follow=False) is None:
                make_whiteout(self._diff + child.path)
                os.utime(self._diff + child.path, ns=(time, time), follow_symlinks=False)


def _nodes(view: MergedView) -> Iterator[Node]:
    """All nodes, parents first; "/" is the first."""
    top = view.lookup("/", follow=False)
    pending = [] if top is None else [top]
    while pending:
        node = pending.pop()
        yield node
        if node.is_directory:
            pending += reversed(list(view.children(node)))
