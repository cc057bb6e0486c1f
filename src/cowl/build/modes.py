"""Modes: what --chmod says, in digits or in letters, as a change of permission bits.

The letters are those of chmod(1p): `u=rwX,go=rX`. No umask plays a part, so a clause without u, g, o or a
is for all.
"""

from __future__ import annotations

import re

from cowl.errors import Invalid
from cowl.value import Value

_OCTAL = r"0*[0-7]{1,4}"
_CLAUSE = r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)"
_ACTION = r"([-+=])([ugo]|[rwxXst]*)"
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}
_SET_IDS = {"u": 0o4000, "g": 0o2000}
_STICKY = 0o1000


class BadMode(Invalid):
    """No permission bits. Field: text."""

    def __init__(self, text: str) -> None:
        super().__init__(
            "it is neither an octal number from 0 to 7777 nor a symbolic mode",
            hint="Write it in digits, such as 755 or 0644, or in letters, such as u=rwX,go=rX.",
        )
        self.text = text


class Mode(Value):
    """A change of permission bits.

    number   the bits, -1 when they depend on those that a file has
    actions  (of whom, operator, letters) in order, when they do
    """

    number: int
    actions: tuple[tuple[str, str, str], ...] = ()

    def of(self, bits: int, *, directory: bool) -> int:
        """The permission bits of a file that has `bits`."""
        if self.number >= 0:
            return self.number
        executable = directory or bool(bits & 0o111)
        for who, operator, letters in self.actions:
            given, cleared = _bits(who, letters, bits, executable)
            if operator == "+":
                bits |= given
            elif operator == "-":
                bits &= ~given
            else:
                bits = bits & ~cleared | given
        return bits


def parse_mode(text: str) -> Mode:
    """The mode of a --chmod. Raises BadMode."""
    if re.fullmatch(_OCTAL, text):
        return Mode(int(text, 8))
    actions = []
    for clause in text.split(","):
        match = re.fullmatch(_CLAUSE, clause)
        if not match:
            raise BadMode(text)
        who = "ugo" if "a" in match[1] else match[1] or "ugo"
        actions += [(who, operator, letters) for operator, letters in re.findall(_ACTION, match[2])]
    return Mode(-1, tuple(actions))


def _bits(who: str, letters: str, bits: int, executable: bool) -> tuple[int, int]:
    """The bits that `letters` mean for `who`, and all that `=` takes away from them first."""
    given = cleared = 0
    for each in dict.fromkeys(who):
        shift = _SHIFTS[each]
        cleared |= 7 << shift | _SET_IDS.get(each, 0)
        if letters in _SHIFTS and letters:
            given |= (bits >> _SHIFTS[letters] & 7) << shift
            continue
        for letter in letters:
            if letter == "s":
                given |= _SET_IDS.get(each, 0)
            elif letter == "t":
                given |= _STICKY
            elif letter != "X" or executable:
                given |= _BITS[letter.lower()] << shift
    if set(who) == set("ugo"):
        cleared |= _STICKY
    return given, cleared
