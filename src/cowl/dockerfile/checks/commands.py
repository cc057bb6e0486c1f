"""Commands: the simple commands of a RUN, near enough to a shell's reading to give advice on them.

Variables stay as written, substitutions are not looked into, and what a script does inside `if` or
`while` counts like the rest.
"""

from __future__ import annotations

import re

from cowl.dockerfile import nodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<end>&&|\|\||[;|&\n]|$)|(?P<skip>[ \t\r]+|(?<![^\s;&|])\#[^\n]*)"""
    r"""|(?P<word>(?:[^\s;&|'"\\]++|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+)|(?P<odd>.)""",
    re.DOTALL,
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PREFIXES = frozenset(
    ("then", "else", "do", "if", "while", "until", "!", "{", "(", "exec", "command", "time")
)
_SHELL_WORDS = 100_000  # more words than this are no commands to advise on


def simple_commands(node: nodes.Run) -> tuple[tuple[str, ...], ...]:
    """Each command with its arguments, quotes taken off; assignments before it are dropped."""
    if isinstance(node.command, tuple):
        return (node.command,)
    scripts = [each.content for each in node.heredocs if not each.content.startswith("#!")]
    return tuple(_parse("\n".join((node.command, *scripts))))


def _parse(text: str) -> Iterator[tuple[str, ...]]:
    words: list[str] = []
    for count, match in enumerate(_TOKEN.finditer(text)):
        if count > _SHELL_WORDS:
            return
        if match.lastgroup == "word":
            word = _bare(match[0])
            if words or not (word in _PREFIXES or _ASSIGNMENT.match(word)):
                words.append(word)
        elif match.lastgroup == "end":
            if words:
                yield tuple(words)
            words = []


def _bare(word: str) -> str:
    return re.sub(r"\\(.)|['\"]", lambda match: match[1] or "", word, flags=re.DOTALL)
