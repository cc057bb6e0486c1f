"""The Dockerfile front end against tests/golden/<case>/{Dockerfile,expected.*}.

expected.txt    every message of the parser
expected.ast    the AST, see ast_dump
expected.check  what the checks find, cowl's own included; .dockerignore counts when it is there

After a change that is meant, COWL_GOLDEN=write rewrites the expectations; read the difference. A new case
is a Dockerfile and an empty file for each expectation.
"""

from __future__ import annotations

import os

import pytest
from tests.unit.dockerfile.ast_dump import dump

from cowl.dockerfile import nodes
from cowl.dockerfile.checks.check import check
from cowl.dockerfile.checks.options import BadCheckOption, parse_check_options
from cowl.dockerfile.checks.rules import BUILDKIT, own_rules
from cowl.dockerfile.checks.subject import BaseImage, Surroundings
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.dockerfile.ignore import parse_ignore
from cowl.dockerfile.parser import parse
from cowl.dockerfile.rescue import comment_rescue
from cowl.oci.platform import Platform

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "..", "golden")
AMD64 = Platform("linux", "amd64")
IMAGES = {
    "known": BaseImage(AMD64, env=("PATH=/bin", "FROM_BASE=1")),
    "foreign": BaseImage(Platform("linux", "arm64")),
    "shelled": BaseImage(AMD64, shell=True),
}
PLATFORM = {"BUILDPLATFORM": "linux/amd64", "TARGETPLATFORM": "linux/amd64", "TARGETOS": "linux"}


def cases(kind: str) -> list[str]:
    """The cases that have an expectation of that kind."""
    names = sorted(os.listdir(GOLDEN))
    return [name for name in names if os.path.exists(os.path.join(GOLDEN, name, f"expected.{kind}"))]


def read(case: str, name: str = "Dockerfile") -> bytes:
    with open(os.path.join(GOLDEN, case, name), "rb") as file:
        return file.read()


def compare(case: str, kind: str, text: str) -> None:
    expected = os.path.join(GOLDEN, case, f"expected.{kind}")
    if os.environ.get("COWL_GOLDEN") == "write":
        with open(expected, "w", encoding="utf-8", newline="") as file_out:
            file_out.write(text)
    with open(expected, encoding="utf-8", newline="") as file_in:
        assert text == file_in.read()


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


def _global_variables(file: nodes.Dockerfile) -> dict[str, str]:
    found = dict(PLATFORM)
    for node in file.global_args:
        found.update((str(each.name), each.default.strip('"')) for each in node.arguments if each.default)
    return found


def _checked(case: str) -> str:
    file = parse(read(case))
    variables = _global_variables(file)
    ignored = os.path.exists(os.path.join(GOLDEN, case, ".dockerignore"))
    around = Surroundings(
        given={},
        variables=variables,
        defaults=lambda: variables,
        platform=AMD64,
        image_of=IMAGES.get,
        ignore=parse_ignore(read(case, ".dockerignore")) if ignored else None,
    )
    try:
        options = parse_check_options(file.directives.check, "the directive check")
    except BadCheckOption as error:
        return _shown("error", error.message, error.hint)
    findings = check(file, around, options, advice=True)
    return "".join(f"{each.rule}: {each.text}\nfix: {each.fix}\n" for each in findings)


@pytest.mark.parametrize("case", cases("txt"))
def test_messages(case: str) -> None:
    compare(case, "txt", _report(read(case)))


@pytest.mark.parametrize("case", cases("ast"))
def test_ast(case: str) -> None:
    compare(case, "ast", dump(parse(read(case))))


@pytest.mark.parametrize("case", cases("check"))
def test_checks(case: str) -> None:
    compare(case, "check", _checked(case))


def test_every_rule_has_a_case_that_it_finds_something_in() -> None:
    found = "".join(read(case, "expected.check").decode() for case in cases("check"))
    named = {line.partition(":")[0] for line in found.splitlines()}
    assert {rule.name for rule in (*BUILDKIT, *own_rules())} <= named


def test_every_instruction_has_a_dump() -> None:
    found = "".join(read(case, "expected.ast").decode() for case in cases("ast"))
    classes = (*nodes.Instruction.__subclasses__(), nodes.Copy, nodes.Add)
    keywords = {str(vars(each)["keyword"]) for each in classes if "keyword" in vars(each)}
    assert {line.split()[1] for line in found.splitlines() if ":" in line.split()[0]} == keywords
