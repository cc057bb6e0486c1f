"""The graph of stages: which stage stands on which, copies from which. Pure.

As in BuildKit, FROM sees the stages above it, the last one of a name; COPY --from sees all stages, by
name (again the last one) or number. Whatever is no stage is an image or a named context.
"""

from __future__ import annotations

from cowl.build.run_mounts import sources_of
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at, suggestion
from cowl.dockerfile.scope import expand_node
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cowl.build.named_contexts import NamedContexts
    from cowl.dockerfile.nodes import Dockerfile, From, Instruction, Stage, Word


class Edge(Value):
    """One stage needs the stage `index`: because of `word` in `node`. -1: what is needed is no stage."""

    node: Instruction
    word: Word
    index: int


class StageGraph:
    """The stages of a file, with the variables of FROM put in.

    A stage that a named context replaces needs no other. Raises DockerfileError when a stage needs itself,
    or there is no stage of a number. Time is linear in the stages and what they need.
    """

    def __init__(self, file: Dockerfile, variables: Mapping[str, str], contexts: NamedContexts) -> None:
        self._file = file
        self._contexts = contexts
        self._bases = [_expanded(file, stage.base, variables) for stage in file.stages]
        self._above: list[int] = []
        self._named: dict[str, int] = {"": -1}
        for stage in file.stages:
            self._above.append(self._named.get(self.base(stage).image.lower(), -1))
            if stage.name:
                self._named[stage.name] = stage.index
        self._edges = [tuple(self._needs(stage)) for stage in file.stages]
        self._check_cycles()

    def replaced(self, stage: Stage) -> bool:
        """Whether a named context takes the place of the whole stage."""
        return bool(stage.name) and self._contexts.find(stage.name) is not None

    def base(self, stage: Stage) -> From:
        """The FROM of a stage with its variables in."""
        return self._bases[stage.index]

    def base_stage(self, stage: Stage) -> int:
        """The index of the stage that it stands on, or -1."""
        return self._above[stage.index]

    def sources(self, stage: Stage) -> tuple[tuple[str, int], ...]:
        """(as written, index of the stage or -1) of each COPY --from and RUN --mount=from=."""
        edges = (edge for edge in self._edges[stage.index] if not isinstance(edge.node, nodes.From))
        return tuple((str(edge.word), edge.index) for edge in edges)

    def triggers(self, stage: Stage) -> tuple[nodes.Onbuild, ...]:
        """The ONBUILDs of the stage that it stands on: what they say is carried out here."""
        base = self.base_stage(stage)
        if base < 0 or self.replaced(self._file.stages[base]):
            return ()
        found = self._file.stages[base].instructions
        return tuple(node for node in found if isinstance(node, nodes.Onbuild))

    def order(self, wanted: int) -> list[int]:
        """The stage `wanted` and all that it needs: each behind what it needs itself, else as written."""
        import heapq

        waiting: dict[int, int] = {}
        users: dict[int, list[int]] = {}
        pending = [wanted]
        while pending:
            index = pending.pop()
            if index not in waiting:
                below = {edge.index for edge in self._edges[index] if edge.index >= 0}
                waiting[index] = len(below)
                for each in below:
                    users.setdefault(each, []).append(index)
                pending += below
        ready = sorted(index for index, count in waiting.items() if not count)
        order = []
        while ready:
            order.append(heapq.heappop(ready))
            for user in users.get(order[-1], ()):
                waiting[user] -= 1
                if not waiting[user]:
                    heapq.heappush(ready, user)
        return order

    def _needs(self, stage: Stage) -> Iterator[Edge]:
        if self.replaced(stage):
            return
        base = self.base(stage)
        yield Edge(base, base.image, self._above[stage.index])
        triggers = (node.instruction for node in self.triggers(stage))
        for node in (*triggers, *stage.instructions):
            if node is None:
                continue
            for word in sources_of(node):
                yield Edge(node, word, self._copied(node, word))

    def _copied(self, node: Instruction, word: Word) -> int:
        """The stage that --from or from= means, or -1."""
        stages = self._file.stages
        if word.isascii() and word.isdecimal():
            if int(word) < len(stages):
                return int(word)
            last = len(stages) - 1
            raise error_at(
                self._file,
                node,
                f"there is no stage number {word}",
                word=word,
                hint=f"Stages are counted from 0: the last one is {last}.",
            )
        return self._named.get(word.lower(), -1)

    def _check_cycles(self) -> None:
        """Raises DockerfileError at the instruction that closes a circle."""
        done: set[int] = set()
        for start in range(len(self._edges)):
            path: dict[int, Iterator[Edge]] = {} if start in done else {start: iter(self._edges[start])}
            while path:
                index = next(reversed(path))
                edge = next(path[index], None)
                if edge is None:
                    done.add(index)
                    del path[index]
                elif edge.index in path:
                    whole = list(path)
                    raise self._circle(edge, whole[whole.index(edge.index) :])
                elif edge.index >= 0 and edge.index not in done:
                    path[edge.index] = iter(self._edges[edge.index])

    def _circle(self, edge: Edge, path: list[int]) -> Exception:
        names = [self._file.stages[index].name or str(index) for index in path]
        if len(path) == 1:
            reason = f"stage {names[0]} can't copy from itself"
            hint = "What the stage has made is there already: use RUN cp, or name another stage."
        else:
            reason = f"these stages need each other: {' -> '.join((*names, names[0]))}"
            hint = "Move what both need into a stage of its own."
        return error_at(self._file, edge.node, reason, word=edge.word, hint=hint)


def _expanded(file: Dockerfile, node: From, variables: Mapping[str, str]) -> From:
    expanded = expand_node(file, node, variables).node
    assert isinstance(expanded, nodes.From)
    return expanded


def near_stage(file: Dockerfile, word: str, before: int) -> str:
    """A hint for a name that turned out to be neither a stage nor an image; `before` is where it stands."""
    for stage in file.stages[before:]:
        if stage.name == word.lower():
            line = stage.base.source.first_line
            return f"The stage {stage.name} begins on line {line}: FROM sees only the stages above it."
    near = suggestion(word, [stage.name for stage in file.stages if stage.name and stage.index != before])
    return f"Did you mean the stage {near}?" if near else ""
