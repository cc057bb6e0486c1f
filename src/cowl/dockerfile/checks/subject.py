"""Subject: the Dockerfile under examination, and what rules may know of its surroundings."""

from __future__ import annotations

from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.nodes import Word
from cowl.dockerfile.scope import expand_node
from cowl.errors import CowlError
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cowl.dockerfile.ignore import Matcher
    from cowl.dockerfile.nodes import Dockerfile, From, Instruction, Stage
    from cowl.oci.platform import Platform

SCRATCH = "scratch"


class BaseImage(Value):
    """What a rule may know of an image of FROM."""

    platform: Platform
    env: tuple[str, ...] = ()
    shell: bool = False


class Surroundings(Value):
    """What decides beside the text.

    given      build arguments
    variables  what FROM sees: the platform's arguments, and the ARGs before the first FROM
    defaults   gives the same as if no build argument had been given
    platform   that is built for
    image_of   an image by name, or None for one that is not at hand
    ignore     of the context, None without a .dockerignore
    """

    given: Mapping[str, str]
    variables: Mapping[str, str]
    defaults: Callable[[], Mapping[str, str]]
    platform: Platform
    image_of: Callable[[str], BaseImage | None]
    ignore: Matcher | None = None


class Found(Value):
    """What a rule yields: the place, the statement and the fix."""

    line: int
    column: int
    length: int
    last_line: int
    message: str
    fix: str = ""


class Subject:
    """One Dockerfile for all rules: what several of them need is worked out once."""

    def __init__(self, file: Dockerfile, around: Surroundings, stages: frozenset[int] | None = None) -> None:
        """`stages` are the indexes that count; None: all."""
        self.file = file
        self.around = around
        self._wanted = stages
        self._bases: dict[int, tuple[str, int]] = {}
        self._named: dict[str, list[int]] = {}
        self._images: dict[str, BaseImage | None] = {}

    @property
    def stages(self) -> Iterator[Stage]:
        """The stages that count, in order."""
        return (each for each in self.file.stages if self._wanted is None or each.index in self._wanted)

    def found(self, node: Instruction, message: str, fix: str = "", *, word: Word | None = None) -> Found:
        """A Found at `word` (default: the keyword of `node`)."""
        if word is not None and word.line:
            last = max(word.line, node.source.last_line)
            return Found(word.line, word.column, word.length, last, message, fix)
        source = node.source
        return Found(source.first_line, source.column, len(node.keyword), source.last_line, message, fix)

    def keyword(self, node: Instruction) -> str:
        """The keyword as written."""
        return self.text_at(node.source.first_line, node.source.column, len(node.keyword))

    def written(self, word: Word) -> str:
        """The word as written, before any change of case."""
        return self.text_at(word.line, word.column, word.length)

    def text_at(self, line: int, column: int, length: int) -> str:
        return self.file.line(line)[column - 1 : column - 1 + length]

    def base(self, stage: Stage) -> tuple[str, int]:
        """(image, -1) or ("", index of the stage) that `stage` starts from; ("", -1) if it can't be told."""
        if not self._bases:
            for each in self.file.stages:
                self._bases[each.index] = self._base(each)
                if each.name:
                    self._named.setdefault(each.name, []).append(each.index)
        return self._bases[stage.index]

    def image(self, name: str) -> BaseImage | None:
        """The image that FROM names, None when it is not at hand or there is none."""
        if name not in self._images:
            try:
                self._images[name] = None if name in ("", SCRATCH) else self.around.image_of(name)
            except CowlError:
                self._images[name] = None
        return self._images[name]

    def image_name(self, node: From, variables: Mapping[str, str]) -> str:
        """The image of a FROM with `variables` put in, "" when that can't be done."""
        if "$" not in node.raw:
            return str(node.image)
        try:
            expanded = expand_node(self.file, node.replace(platform=Word("")), variables).node
        except DockerfileError:
            return ""
        return str(getattr(expanded, "image", ""))

    def _base(self, stage: Stage) -> tuple[str, int]:
        name = self.image_name(stage.base, self.around.variables)
        above = self._named.get(name.lower())
        return ("", above[-1]) if above else (name, -1)
