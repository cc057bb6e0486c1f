"""What the user may have meant."""

from __future__ import annotations

import difflib

from cowl.cli.commands.table import GROUPS, index
from cowl.cli.grammar import USAGE_ERROR, UsageError


def unknown_command(called: str) -> UsageError:
    """The error for a command that there is not, with the nearest one that there is."""
    words = called.split(" ")
    longest = " ".join(words[:-1])
    group = longest if longest in GROUPS else words[0]
    owner = f"cowl {group}" if group in GROUPS else "cowl"
    name = called.removeprefix(f"{group} ") if group in GROUPS else called
    candidates = [known for known in (*index(), *GROUPS) if (" " in known) == (" " in called)]
    if group in GROUPS:  # the group's own name would make all of its commands alike
        candidates = [
            known.removeprefix(f"{group} ") for known in candidates if known.startswith(f"{group} ")
        ]
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    message = f"{name!r} is not a {owner} command."
    if near:
        message += f" Did you mean '{near[0]}'?"
    scope = group if group in GROUPS else ""
    usage = "COMMAND" if scope else "[OPTIONS] COMMAND [ARG...]"
    return UsageError(message, scope, usage, exit_status=USAGE_ERROR)
