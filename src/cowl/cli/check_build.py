"""build --check: what the checks found, as text, JSON or SARIF, on standard output."""

from __future__ import annotations

from cowl import Invalid
from cowl.cli.text import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl import Finding

FORMATS = ("text", "json", "sarif")
SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_BUILD_ERROR = "BuildError"  # SARIF wants a rule for each result


class UnsupportedCall(Invalid):
    """--call asks for something else than a build or its checks."""


def check_format(call: str, check: bool) -> str:
    """The format that `--call=check[,format=F]` or `--check` asks for, "" for a build as usual.

    The spelling of buildx. Raises UnsupportedCall.
    """
    method, *options = call.split(",")
    if method in ("check", "lint") or (check and method == "build"):
        chosen = "text"
        for option in options:
            key, _, chosen = option.partition("=")
            if key != "format" or chosen not in FORMATS:
                raise UnsupportedCall(
                    f"invalid option {option!r} of --call",
                    hint="Write format= and one of text, json, sarif.",
                )
        return chosen
    if method != "build" or options:
        hint = 'Write "build", or "check" with format=text, json or sarif.'
        raise UnsupportedCall(f"--call={call} is not supported by this version of cowl", hint=hint)
    return ""


def show(findings: Sequence[Finding], form: str) -> int:
    """Prints the findings. The exit status: 1 when there are any, as BuildKit's."""
    if form == "text":
        print(_text(findings))
    else:
        import json

        print(json.dumps(_json(findings) if form == "json" else sarif(findings), indent=2))
    return 1 if findings else 0


def _text(findings: Sequence[Finding]) -> str:
    """One block for each in the manner of BuildKit, with column, caret and fix."""
    blocks = []
    for each in findings:
        head = f"WARNING: {each.rule}" + (f" - {each.url}" if each.url else "")
        lines = ["ERROR: the build would fail"] if each.severity == "error" else [head, each.description]
        blocks.append("\n".join((*lines, each.text, *([f"fix: {each.fix}"] if each.fix else []))) + "\n")
    errors = sum(each.severity == "error" for each in findings)
    found = len(findings) - errors
    said = f"{found or 'no'} warning{' has' if found == 1 else 's have'} been found"
    end = f"Check complete, {said}" + (f" and {errors} error{'s' * (errors > 1)}!" if errors else "!")
    blocks.append(end if findings else "Check complete, no warnings found.")
    return visible("\n".join(blocks))


def _json(findings: Sequence[Finding]) -> dict[str, object]:
    """The document of BuildKit's lint subrequest without the source's text, with columns and `fix`."""
    paths = list(dict.fromkeys(each.path for each in findings))
    document: dict[str, object] = {
        "warnings": [
            {
                "ruleName": each.rule,
                "description": each.description,
                "url": each.url,
                "detail": each.message,
                "fix": each.fix,
                "location": _location(each, paths),
            }
            for each in findings
            if each.severity != "error"
        ],
        "sources": [{"fileName": path, "language": "Dockerfile"} for path in paths],
    }
    error = next((each for each in findings if each.severity == "error"), None)
    if error is not None:
        place = _location(error, paths)
        document["buildError"] = {"message": error.message, "fix": error.fix, "location": place}
    return document


def _location(finding: Finding, paths: list[str]) -> dict[str, object]:
    start = {"line": finding.line, "character": finding.column - 1}
    end = {"line": finding.last_line}
    return {"sourceIndex": paths.index(finding.path), "ranges": [{"start": start, "end": end}]}


def sarif(findings: Sequence[Finding]) -> dict[str, object]:
    """SARIF 2.1.0: https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html"""
    from cowl import __version__

    rules = {each.rule or _BUILD_ERROR: each for each in findings}
    driver = {
        "name": "cowl",
        "version": __version__,
        "rules": [_rule(name, each) for name, each in rules.items()],
    }
    indexes = {name: index for index, name in enumerate(rules)}
    results = [_result(each, indexes[each.rule or _BUILD_ERROR]) for each in findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, finding: Finding) -> dict[str, object]:
    described = finding.description or "The build fails before its first step"
    help_uri = {"helpUri": finding.url} if finding.url else {}
    return {"id": name, "shortDescription": {"text": described}, **help_uri}


def _result(finding: Finding, index: int) -> dict[str, object]:
    from urllib.parse import quote

    uri = f"file://{quote(finding.path)}" if finding.path.startswith("/") else quote(finding.path)
    region = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.line,
        "endColumn": finding.column + finding.length,
    }
    return {
        "ruleId": finding.rule or _BUILD_ERROR,
        "ruleIndex": index,
        "level": finding.severity,
        "message": {"text": " ".join(part for part in (f"{finding.message}.", finding.fix) if part)},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
    }
