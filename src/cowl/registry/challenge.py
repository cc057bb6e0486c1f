"""Challenges: what a registry asks for in WWW-Authenticate. RFC 9110, section 11.6.1."""

from __future__ import annotations

import re

from cowl.value import Value

_MAX_HEADER = 8192
_SKIP = re.compile(r"[\s,]*")
_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_SCHEME = re.compile(r"[A-Za-z0-9_-]+")


class Challenge(Value):
    """One scheme ("bearer", "basic": lower case) and its parameters."""

    scheme: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The parameter's value, or ""; the first one counts."""
        return next((value for key, value in self.parameters if key == name), "")


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges in a WWW-Authenticate header (several headers joined by commas), in order.

    Stops at the first thing that it can't read.
    """
    header = header[:_MAX_HEADER]
    found: list[Challenge] = []
    position = 0
    while True:
        position = _end(_SKIP.match(header, position))
        if found and (parameter := _PARAMETER.match(header, position)):
            found[-1] = _with(found[-1], parameter)
            position = parameter.end()
        elif scheme := _SCHEME.match(header, position):
            found.append(Challenge(scheme.group().lower()))
            position = scheme.end()
        else:
            return tuple(found)


def _with(challenge: Challenge, parameter: re.Match[str]) -> Challenge:
    name, quoted, bare = parameter.groups()
    value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
    return challenge.replace(parameters=(*challenge.parameters, (name.lower(), value)))


def _end(match: re.Match[str] | None) -> int:
    assert match is not None  # the pattern also matches nothing
    return match.end()
