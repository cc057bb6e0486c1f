"""Triggers: the ONBUILD instructions of a base image, carried out first in the stage that stands on it."""

from __future__ import annotations

from cowl.build.plan import Step, makes_files
from cowl.build.refusals import check_supported
from cowl.dockerfile.diagnostics import DockerfileError, error_at
from cowl.dockerfile.nodes import Directives, Dockerfile
from cowl.dockerfile.parser import parse_fragment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.build.site import Site
    from cowl.dockerfile.nodes import Instruction, Word

_ORIGIN = "ONBUILD of "


def parse_triggers(texts: Sequence[str], base: str) -> list[tuple[Dockerfile, Instruction]]:
    """Each trigger, with the file that messages about it show: "ONBUILD of BASE". Raises DockerfileError."""
    return [_parsed(text, f"{_ORIGIN}{base}") for text in texts]


def is_trigger(node: Instruction) -> bool:
    """Whether an instruction comes from a base image, so that its line is in no Dockerfile that is here."""
    return node.source.path.startswith(_ORIGIN)


def trigger_steps(site: Site, texts: Sequence[str], image: str) -> tuple[Step, ...]:
    """The steps of a base image's triggers, numbered behind those of the plan. Raises DockerfileError."""
    steps = []
    for file, node in parse_triggers(texts, f"image {image}"):
        check_supported(file, node, site.ground.network)
        steps.append(Step(site.number() if makes_files(node) else 0, node, file))
    return tuple(steps)


def stage_of_trigger(site: Site, word: Word, node: Instruction, file: Dockerfile, user: int) -> int:
    """The stage that a base image's trigger copies or mounts from, or -1. The plan knew nothing of it.

    Raises DockerfileError when it is not built before the stage `user`.
    """
    wanted = word.lower()
    stages = site.ground.file.stages
    index = next((each.index for each in reversed(stages) if wanted in (each.name, str(each.index))), -1)
    if index >= 0 and index not in site.before(user):
        hint = "Let the stage stand on it or copy from it: then it is built before."
        reason = f"the stage {wanted} is not built at this point"
        raise error_at(file, node, reason, word=word, hint=hint)
    return index


def _parsed(text: str, path: str) -> tuple[Dockerfile, Instruction]:
    found = parse_fragment(text, path)
    if len(found) != 1:
        reason = "an ONBUILD trigger must be one instruction"
        hint = "The image that the stage stands on was made like this: build it anew."
        raise DockerfileError(f"{reason}, not {len(found)}", path=path, line=1, column=1, hint=hint)
    return Dockerfile(path, text, Directives(), (), ()), found[0]
