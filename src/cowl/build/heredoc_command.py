"""Heredoc commands: what a RUN with heredocs executes, by BuildKit's rules.

A command that is one heredoc and nothing else is not the shell's business: its body is the command, so that
shells without heredocs can do it too, or a script when it begins with `#!`. Any other command goes to the
shell as it was written, bodies included. Variables are the shell's in both cases.
"""

from __future__ import annotations

import os

from cowl.dockerfile.diagnostics import error_at, quoted
from cowl.dockerfile.heredoc import opened
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.nodes import Dockerfile, Heredoc, Run

_DIRECTORY = "/dev/pipes"


class Script(Value):
    """A file that a RUN executes: there while it runs, at `path`, and in no layer."""

    name: str
    content: str

    @property
    def directory(self) -> str:
        """Where it is mounted in the container."""
        return _DIRECTORY

    @property
    def path(self) -> str:
        """What the command calls it."""
        return f"{_DIRECTORY}/{self.name}"

    def write(self, directory: str) -> str:
        """Makes `directory` with the script in it, readable and executable for all; gives `directory`."""
        os.mkdir(directory)
        os.chmod(directory, 0o755)  # whatever our umask
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(f"{directory}/{self.name}", flags, 0o700), "wb") as file:
            file.write(self.content.encode("utf-8", "surrogateescape"))
            os.fchmod(file.fileno(), 0o755)
        return directory


def heredoc_command(file: Dockerfile, node: Run) -> tuple[str, Script | None]:
    """The text for the shell, and the script that it calls, if any. Raises DockerfileError."""
    command, first = str(node.command), node.heredocs[0]
    if opened(command) is None:
        bodies = "".join(f"\n{_written(file, heredoc)}{heredoc.name}" for heredoc in node.heredocs)
        return command + bodies, None
    if not first.content.startswith("#!"):
        return first.content, None
    if "/" in first.name or first.name in (".", ".."):
        raise error_at(file, node, f"a script can't be called {quoted(first.name)}", hint="Write <<EOF.")
    script = Script(first.name, first.content)
    return script.path, script


def _written(file: Dockerfile, heredoc: Heredoc) -> str:
    """The body with the tabs that `<<-` takes off: the shell does that itself, and history tells them."""
    if not heredoc.chomp:
        return heredoc.content
    lines = file.text.split("\n")[heredoc.source.first_line - 1 : heredoc.source.last_line - 1]
    return "".join(f"{line}\n" for line in lines)
