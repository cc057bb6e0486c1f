"""Words: the ways in which a Dockerfile line is split, each piece with its offset. Nothing is unquoted."""

from __future__ import annotations

import json
import re

# What Go's unicode.IsSpace takes for space; Python's str.strip() would take \x1c to \x1f too.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
SPACE += "\u2028\u2029\u202f\u205f\u3000"

_FIELD = re.compile("[^\t\v\f\r ]+")
_JSON_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


def _word_pattern(escape: str) -> str:
    mark = re.escape(escape)
    plain = f"[^{SPACE}'\"{mark}]++"
    escaped = f"{mark}(?:.|\\Z)"
    single = r"'[^']*+(?:'|\Z)"
    double = f'"(?:[^"{mark}]++|{escaped})*+(?:"|\\Z)'
    return f"(?:{plain}|{escaped}|{single}|{double})++"


_WORDS = {escape: _word_pattern(escape) for escape in ("\\", "`")}


class NotStrings(ValueError):
    """A well-formed JSON array that holds something else than strings: an error for Docker."""


def fields(text: str) -> list[tuple[int, str]]:
    """Pieces between blanks, quotes meaning nothing: FROM, EXPOSE, COPY, ADD, VOLUME."""
    return [(match.start(), match[0]) for match in _FIELD.finditer(text)]


def shell_words(text: str, escape: str) -> list[tuple[int, str]]:
    """Pieces between blanks that are neither quoted nor escaped: ENV, LABEL, ARG. Quotes are kept.

    A quote that is never closed reaches to the end; the expansion complains about it.
    """
    words = [(match.start(), match[0]) for match in re.compile(_WORDS[escape], re.DOTALL).finditer(text)]
    if words and text.endswith(escape):
        start, last = words[-1]
        if (len(last) - len(last.rstrip(escape))) % 2:  # a lone escape at the very end is dropped
            words[-1:] = [(start, last[:-1])] if last != escape else []
    return words


def json_strings(text: str) -> list[tuple[int, str, int]] | None:
    """(offset, value, length as written) of each element of a JSON array, or None if it is not JSON.

    Raises NotStrings for a JSON array with an element that is not a string.
    """
    if not text.startswith("["):
        return None
    try:
        values = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise NotStrings
    tokens = _JSON_STRING.finditer(text)
    return [
        (token.start(), value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), len(token[0]))
        for token, value in zip(tokens, values, strict=True)
    ]


def looks_like_json(text: str) -> bool:
    """Whether a text that is not JSON was probably meant to be: `['a', 'b']`, not the shell's `[ "$a" ]`."""
    return text.startswith(('["', "['")) or bool(re.match(r"\[\s*[\"'][^\"']*[\"']\s*,", text))


def _refuse(constant: str) -> None:
    raise ValueError(constant)
