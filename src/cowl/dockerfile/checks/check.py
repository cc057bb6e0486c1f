"""check: all rules that are asked for, over one Dockerfile."""

from __future__ import annotations

from cowl.dockerfile.checks.rules import BUILDKIT, own_rules
from cowl.dockerfile.checks.subject import Found, Subject
from cowl.dockerfile.diagnostics import excerpt_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cowl.dockerfile.checks.finding import Finding
    from cowl.dockerfile.checks.options import CheckOptions
    from cowl.dockerfile.checks.rules import Rule
    from cowl.dockerfile.checks.subject import Surroundings
    from cowl.dockerfile.nodes import Dockerfile


def check(
    file: Dockerfile,
    around: Surroundings,
    options: CheckOptions | None = None,
    *,
    stages: frozenset[int] | None = None,
    advice: bool = False,
) -> tuple[Finding, ...]:
    """The findings in the order of their places; nothing is raised for a Dockerfile that parses.

    stages  indexes of those whose instructions count, None: all. What a rule reads off the text alone
            it says of every stage, as BuildKit does.
    advice  with cowl's own rules
    """
    subject = Subject(file, around, stages)
    found: list[tuple[Found, Rule]] = []
    for rule in (*BUILDKIT, *own_rules()) if advice else BUILDKIT:
        if options.runs(rule) if options is not None else not rule.experimental:
            places = rule.find(subject) if rule.find is not None else _warned(subject, rule.name)
            found += ((each, rule) for each in places)
    findings = (_finding(subject, each, rule) for each, rule in found)
    return tuple(sorted(findings, key=lambda each: (each.line, each.column, each.rule)))


def _warned(subject: Subject, name: str) -> Iterable[Found]:
    """What the parser has to say under this name."""
    for each in subject.file.warnings:
        if each.rule == name:
            yield Found(each.line, each.column, each.length, each.line, each.reason, each.hint)


def _finding(subject: Subject, found: Found, rule: Rule) -> Finding:
    from cowl.dockerfile.checks.finding import Finding  # most builds have none

    text = subject.file.line(found.line)
    return Finding(
        rule=rule.name,
        message=found.message,
        path=subject.file.path,
        line=found.line,
        column=found.column,
        last_line=found.last_line,
        length=found.length,
        excerpt=excerpt_of(text, found.line, found.column, found.length) if text.strip() else "",
        fix=found.fix,
        description=rule.description,
        url=rule.url,
    )
