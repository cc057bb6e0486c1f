"""The files of another stage, as COPY --from reads them: owners and modes are those of that image."""

from __future__ import annotations

from cowl.build.keys import below
from cowl.build.tree import SYMLINK, Entry, Unreadable, entry_of
from cowl.layer.view import TooManyLinks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cowl.layer.owners import Owners
    from cowl.layer.view import MergedView, Node
    from cowl.store.layers import Layer


class StageTree:
    """A `cowl.build.tree.Tree` over the layers of a stage. Links are resolved inside its root."""

    def __init__(self, view: MergedView, owners: Owners, layers: Sequence[Layer] = ()) -> None:
        self._view = view
        self._owners = owners
        self._layers = tuple(layers)

    @property
    def layer_keys(self) -> tuple[str, ...]:
        """The layers that it shows, bottom first."""
        return tuple(layer.key for layer in self._layers)

    @property
    def chain(self) -> str:
        """What the layers are, for cache keys."""
        return below([layer.diff_id for layer in self._layers])

    def find(self, path: str) -> Entry | None:
        """The entry at `path`, links followed."""
        try:
            node = self._view.lookup("/" + path)
        except TooManyLinks:
            return None
        return None if node is None else self._entry(node)

    def names(self, path: str) -> list[str]:
        """The names in a real directory, sorted."""
        node = self._view.lookup("/" + path, follow=False)
        if node is None or not node.is_directory:
            return []
        return [child.path.rpartition("/")[2] for child in self._view.children(node)]

    def walk(self, path: str) -> Iterator[Entry]:
        """The entry at a real path and all below it, parents first, sorted by name."""
        top = self._view.lookup("/" + path, follow=False)
        pending = [] if top is None else [top]
        while pending:
            node = pending.pop()
            yield self._entry(node)
            if node.is_directory:
                pending += reversed(list(self._view.children(node)))

    def open(self, entry: Entry) -> int:
        """A file descriptor to read a regular file."""
        try:
            return self._view.open("/" + entry.path)
        except OSError as problem:
            raise Unreadable(entry.path, problem) from problem

    def _entry(self, node: Node) -> Entry:
        uid, gid, mode = self._view.owner(node, self._owners)
        target = node.target if node.kind == SYMLINK else ""
        return entry_of(node.path[1:], node.status, target, uid, gid).replace(mode=mode, layer=node.tree)
