"""`--help`, in Docker's layout, from the table of commands."""

from __future__ import annotations

import os
import textwrap

from cowl.cli.commands.table import COMMANDS, GLOBAL_FLAGS, GROUPS
from cowl.cli.grammar import BOOL, LIST, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cowl.cli.grammar import Command, Flag


def width(fd: int = 1) -> int:
    """Columns of the terminal on `fd`; 80 where there is none."""
    try:
        return max(40, os.get_terminal_size(fd).columns)
    except OSError:
        return 80


def command_help(command: Command, called: str, columns: int = 80) -> str:
    """The help of one command, called by one of its names."""
    parts = [f"Usage:  cowl {called} {command.usage}".rstrip(), command.help]
    if command.aliases:
        names = (*command.aliases, command.name)
        parts.append("Aliases:\n  " + ", ".join(f"cowl {name}" for name in names))
    if command.flags:
        parts.append("Options:\n" + "\n".join(flag_lines(command.flags, columns)))
    return "\n\n".join(parts)


def top_help(columns: int = 80) -> str:
    """The help of cowl itself."""
    common = [command for command in COMMANDS if command.common]
    rest = [command for command in COMMANDS if not command.common and " " not in command.name]
    flags = "\n".join(flag_lines(GLOBAL_FLAGS, columns))
    return "\n\n".join(
        (
            "Usage:  cowl [OPTIONS] COMMAND",
            "A container engine that needs no daemon and no root",
            "Common Commands:\n" + _listing((command.name, command.help) for command in common),
            "Management Commands:\n"
            + _listing((name, text) for name, text in GROUPS.items() if " " not in name),
            "Commands:\n" + _listing(sorted((command.name, command.help) for command in rest)),
            f"Global Options:\n{flags}",
            "Run 'cowl COMMAND --help' for more information on a command.",
        )
    )


def group_help(group: str) -> str:
    """The help of a management command, such as `cowl image`."""
    members = sorted((name, command.help) for name, command in group_members(group))
    return "\n\n".join(
        (
            f"Usage:  cowl {group} COMMAND",
            GROUPS[group],
            "Commands:\n" + _listing(members),
            f"Run 'cowl {group} COMMAND --help' for more information on a command.",
        )
    )


def group_members(group: str) -> list[tuple[str, Command]]:
    """The commands of a group by their first name in it."""
    members = []
    for command in COMMANDS:
        names = [name for name in (command.name, *command.aliases) if name.startswith(f"{group} ")]
        if names:
            members.append((names[0].removeprefix(f"{group} "), command))
    return members


def flag_lines(flags: Sequence[Flag], columns: int) -> list[str]:
    """Docker's options block: names, the kind of value, the text wrapped in its own column."""
    heads = {flag.name: _head(flag) for flag in flags}
    indent = max(len(head) for head in heads.values()) + 3
    lines = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        text = _wrapped(_described(flag), max(24, columns - indent))
        lines.append(heads[flag.name].ljust(indent) + text[0])
        lines.extend(" " * indent + line for line in text[1:])
    return lines


def _head(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else "    "
    kind = "" if flag.kind == BOOL else f" {flag.word or flag.kind}"
    return f"  {short}--{flag.name}{kind}"


def _described(flag: Flag) -> str:
    if flag.kind in (LIST, WORDS) or flag.default in ("", False):
        return flag.help
    default = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()
    return f"{flag.help} (default {default})"


def _wrapped(text: str, room: int) -> list[str]:
    lines = []
    for line in text.split("\n"):
        lines.extend(textwrap.wrap(line, room, break_on_hyphens=False, break_long_words=False) or [""])
    return lines


def _listing(pairs: Iterable[tuple[str, str]]) -> str:
    rows = list(pairs)
    room = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"  {name.ljust(room)}{text}" for name, text in rows)
