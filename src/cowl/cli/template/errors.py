"""What can be wrong with a template."""

from __future__ import annotations

from cowl.errors import Invalid


class TemplateError(Invalid):
    """The template asks for something that is not there, or calls a function wrongly.

    `exit_status` is the one that the command wants for it, if any.
    """

    exit_status: int | None = None

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"template: {message}", hint=hint)


class TemplateSyntaxError(TemplateError):
    """The template does not parse."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f":{line}: {message}")
        self.message = f"template parsing error: {self.message}"
        self.line = line
