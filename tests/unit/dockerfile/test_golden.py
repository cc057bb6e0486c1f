"""Every message of the parser, against tests/golden/<case>/{Dockerfile,expected.txt}.

After a change that is meant, COWL_GOLDEN=write rewrites the expectations; read the difference.
"""

from __future__ import annotations

import os

import pytest

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.parser import parse
from cowl.dockerfile.rescue import comment_rescue

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden")
CASES = sorted(
    name
    for name in os.listdir(GOLDEN)
    if os.path.exists(os.path.join(GOLDEN, name, "Dockerfile"))
    and (os.environ.get("COWL_GOLDEN") or os.path.exists(os.path.join(GOLDEN, name, "expected.txt")))
)


def _shown(kind: str, message: str, hint: str) -> str:
    return f"{kind}: {message}\n" + (f"hint: {hint}\n" if hint else "")


def _report(text: bytes) -> str:
    try:
        file = parse(text)
    except DockerfileError as error:
        assert error.message.startswith(f"Dockerfile:{error.line}:{error.column}: {error.reason}")
        return _shown("error", error.message, error.hint)
    warnings = list(file.warnings)
    for node in file.instructions:
        rescue = comment_rescue(file, node) if isinstance(node, nodes.Copy | nodes.Add) else None
        warnings += [rescue.warning] if rescue else []
    return "".join(_shown("warning", each.message, each.hint) for each in warnings)


@pytest.mark.parametrize("case", CASES)
def test_messages(case: str) -> None:
    with open(os.path.join(GOLDEN, case, "Dockerfile"), "rb") as file:
        report = _report(file.read())
    expected = os.path.join(GOLDEN, case, "expected.txt")
    if os.environ.get("COWL_GOLDEN") == "write":
        with open(expected, "w", encoding="utf-8", newline="") as file_out:
            file_out.write(report)
    with open(expected, encoding="utf-8", newline="") as file_in:
        assert report == file_in.read()
