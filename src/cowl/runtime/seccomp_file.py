"""A seccomp profile in Docker's form to the `linux.seccomp` object of the runtime-spec. Pure.

Docker's form is the spec's with rules that hold only on some machines, kernels or with some capabilities
(`includes`, `excludes`), and with `archMap` for `architectures`. Only the machine's own ABI is let through,
whatever the profile lists. See https://docs.docker.com/engine/security/seccomp/.
"""

from __future__ import annotations

from cowl.linux.seccomp import InvalidSeccomp, compile_profile
from cowl.oci.json_object import parse_object
from cowl.runtime.execution import CALLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from cowl.oci.json_object import JsonObject

_ARCHITECTURES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}
_ALLOWING = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")
_RULE_LIMIT = 10_000


def read_profile(text: str, capabilities: Collection[str], machine: str, release: str) -> dict[str, Any]:
    """The profile for a process that may have these capabilities ("CAP_CHOWN", ...).

    machine, release  as uname(2) says them
    Raises InvalidSeccomp, NoSeccomp: it can be compiled.
    """
    document = parse_object(text.encode(), "the document", InvalidSeccomp)
    for name in ("listenerPath", "listenerMetadata"):
        if name in document:
            raise InvalidSeccomp(f"{name} is not supported: cowl hands no call to another program")
    if document.strings("flags"):
        raise InvalidSeccomp("flags are not supported")
    go, native = _ARCHITECTURES.get(machine, (machine, machine))
    held, kernel = frozenset(capabilities), _version(release)
    rules = document.children("syscalls")
    if len(rules) > _RULE_LIMIT:
        raise InvalidSeccomp(f"more than {_RULE_LIMIT} rules")
    profile = {
        "defaultAction": document.text("defaultAction"),
        "defaultErrnoRet": document.integer("defaultErrnoRet"),
        "architectures": _architectures(document, native),
        "syscalls": [_rule(rule) for rule in rules if _holds(rule, go=go, held=held, kernel=kernel)],
    }
    compile_profile(profile, machine=machine)
    for name in CALLS:
        if not _allows(profile, name):
            raise InvalidSeccomp(f"it does not allow {name}, without which no program can be started")
    return profile


def _allows(profile: dict[str, Any], name: str) -> bool:
    """Whether it may let a call pass: what depends on arguments may."""
    for rule in profile["syscalls"]:
        if name in rule["names"] and (not rule["args"] or rule["action"] in _ALLOWING):
            return rule["action"] in _ALLOWING
    return profile["defaultAction"] in _ALLOWING


def _architectures(document: JsonObject, native: str) -> list[str]:
    listed = document.strings("architectures") or ()
    if not listed:
        return [native]
    if document.children("archMap"):
        raise InvalidSeccomp("both 'architectures' and 'archMap' are given: use one of them")
    return [native] if native in listed else [*listed]


def _rule(rule: JsonObject) -> dict[str, Any]:
    name, names = rule.text("name"), rule.strings("names") or ()
    if name and names:
        raise InvalidSeccomp("both 'name' and 'names' are given in a rule: use one of them")
    found: dict[str, Any] = {
        "names": [name] if name else [*names],
        "action": rule.text("action"),
        "args": [_argument(argument) for argument in rule.children("args")],
    }
    number = rule.integer("errnoRet")
    return found if number is None else {**found, "errnoRet": number}


def _argument(argument: JsonObject) -> dict[str, Any]:
    return {
        "index": argument.integer("index") or 0,
        "value": argument.integer("value") or 0,
        "valueTwo": argument.integer("valueTwo") or 0,
        "op": argument.text("op"),
    }


def _holds(rule: JsonObject, *, go: str, held: frozenset[str], kernel: tuple[int, int]) -> bool:
    """Whether a rule is for this machine, kernel and set of capabilities."""
    wanted, barred = rule.child("includes"), rule.child("excludes")
    if barred is not None and (
        go in (barred.strings("arches") or ())
        or held & {*(barred.strings("caps") or ())}
        or (barred.text("minKernel") and kernel >= _version(barred.text("minKernel")))
    ):
        return False
    if wanted is None:
        return True
    arches = wanted.strings("arches") or ()
    return (
        (not arches or go in arches)
        and held >= {*(wanted.strings("caps") or ())}
        and (not wanted.text("minKernel") or kernel >= _version(wanted.text("minKernel")))
    )


def _version(text: str) -> tuple[int, int]:
    """(6, 18) of "6.18" or "6.18.5-custom"."""
    major, _, rest = text.partition(".")
    minor = ""
    for character in rest:
        if not character.isdigit():
            break
        minor += character
    if not (major.isdigit() and minor):
        raise InvalidSeccomp(f"{text!r} is no version of a kernel")
    return int(major), int(minor)
