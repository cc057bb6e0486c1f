"""Triggers: the ONBUILD instructions of a base image, carried out first in the stage that stands on it."""

from __future__ import annotations

from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.nodes import Directives, Dockerfile
from cowl.dockerfile.parser import parse_fragment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.dockerfile.nodes import Instruction


def parse_triggers(texts: Sequence[str], base: str) -> list[tuple[Dockerfile, Instruction]]:
    """Each trigger, with the file that messages about it show: "ONBUILD of BASE". Raises DockerfileError."""
    return [_parsed(text, f"ONBUILD of {base}") for text in texts]


def _parsed(text: str, path: str) -> tuple[Dockerfile, Instruction]:
    found = parse_fragment(text, path)
    if len(found) != 1:
        reason = "an ONBUILD trigger must be one instruction"
        hint = "The image that the stage stands on was made like this: build it anew."
        raise DockerfileError(f"{reason}, not {len(found)}", path=path, line=1, column=1, hint=hint)
    return Dockerfile(path, text, Directives(), (), ()), found[0]
