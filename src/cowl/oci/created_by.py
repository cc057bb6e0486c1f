"""created_by: the instruction that a history entry tells, as the builders of images write it. Pure.

BuildKit and buildah's --layers write "RUN |1 A=b /bin/sh -c make # buildkit" and "COPY a /b # buildkit",
Docker's old builder "/bin/sh -c #(nop) COPY file:... in /b" and "|1 A=b /bin/sh -c make".
"""

from __future__ import annotations

from cowl.value import Value

# What changes the config alone, whatever it says.
CONFIGURATION = frozenset(
    (
        *("ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD"),
        *("SHELL", "STOPSIGNAL", "USER", "VOLUME"),
    )
)
_FILES = frozenset(("ADD", "COPY", "RUN", "WORKDIR"))
_BUILDKIT = " # buildkit"
_SHELL, _NOP = "/bin/sh -c ", "#(nop) "


class CreatedBy(Value):
    """An instruction. `keyword` is "" where none can be told; `text` says it as a Dockerfile would."""

    keyword: str
    text: str


def parse_created_by(text: str) -> CreatedBy:
    """The instruction of a created_by."""
    line = text.strip().removesuffix(_BUILDKIT).rstrip()
    if line.startswith(f"{_SHELL}{_NOP}"):
        line = line.removeprefix(f"{_SHELL}{_NOP}").lstrip()
    elif line.startswith((_SHELL, "|", "RUN ")):
        return CreatedBy("RUN", f"RUN {_command(line.removeprefix('RUN '))}")
    keyword = line.partition(" ")[0]
    return CreatedBy(keyword if keyword in _FILES or keyword in CONFIGURATION else "", line)


def _command(line: str) -> str:
    """The command without the build arguments before it and the usual shell."""
    before, shell, command = line.partition(_SHELL)
    return command if shell and (not before or before.startswith("|")) else line
