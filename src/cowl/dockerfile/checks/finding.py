"""Findings: one thing that a check has to say, with its place and its fix."""

from __future__ import annotations

from cowl.dockerfile.diagnostics import headed
from cowl.value import Value

WARNING, ERROR = "warning", "error"


class Finding(Value):
    """What one check found. Lines and columns count from 1; `last_line` is inside the range.

    rule      its name, BuildKit's where BuildKit has it; "" for what would make the build fail
    message   the bare statement; `excerpt` is the source line with `length` carets (two lines, or "")
    fix       what to do, "" if nothing can be said
    severity  "warning", or "error" for a Dockerfile that can't be built
    url       where the rule is explained, "" if it is explained nowhere
    """

    rule: str
    message: str
    path: str
    line: int
    column: int
    last_line: int
    length: int = 1
    excerpt: str = ""
    fix: str = ""
    severity: str = WARNING
    description: str = ""
    url: str = ""

    @property
    def text(self) -> str:
        """ "path:line:column: message" and below it the excerpt, as in the messages of errors."""
        return headed(self.message, self.path, self.line, self.column, self.excerpt)
