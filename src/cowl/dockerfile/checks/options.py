"""Options: what `# check=` or the build argument BUILDKIT_DOCKERFILE_CHECK says."""

from __future__ import annotations

from cowl.dockerfile.diagnostics import quoted
from cowl.errors import Invalid
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.checks.rules import Rule

ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")
_HINT = "Write skip=RULE,RULE or skip=all; experimental=RULE,RULE or =all; error=true; with ; between them."


class BadCheckOption(Invalid):
    """A check option that is none. Field: option."""

    def __init__(self, option: str, where: str) -> None:
        super().__init__(f"invalid check option {quoted(option)} in {where}", hint=_HINT)
        self.option = option


class CheckOptions(Value):
    """`skip` and `experimental` are names of rules, or "all"; `error`: findings fail the build."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    def runs(self, rule: Rule) -> bool:
        """Whether the rule is asked for. Skipping does not touch experimental rules, as in BuildKit."""
        if rule.experimental:
            return bool(self.experimental & {"all", rule.name})
        return not self.skip & {"all", rule.name}


def parse_check_options(text: str, where: str) -> CheckOptions:
    """`skip=A,B;experimental=C;error=true`; `where` names its place in errors. Raises BadCheckOption."""
    found: dict[str, frozenset[str]] = {}
    error = False
    for part in text.strip().split(";") if text.strip() else ():
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name in ("skip", "experimental") and equals:
            found[name] = frozenset(rule.strip() for rule in value.split(","))
        elif name == "error" and value in (*_TRUE, *_FALSE):
            error = value in _TRUE
        else:
            raise BadCheckOption(part, where)
    return CheckOptions(error=error, **found)
