"""The text of a removal's plan, in pipes and on terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

from cowl.accounting.removal import RemovalPlan, Stay
from cowl.cli.removal_plan import to_text
from cowl.store.apply import Receipt

NEEDED = tuple(f"container box-{number}" for number in range(12))
PLAN = RemovalPlan(
    objects=(),
    untags=(),
    layers=(),
    frees=0,
    stays=(Stay("layers", ("a", "b"), "needed", NEEDED, 8_065_000),),
    refusals=(),
    exact=True,
    carry_out=Receipt,
)


def test_reasons_are_wrapped_in_their_column_on_a_terminal_only() -> None:
    master, slave = pty.openpty()
    inside, outside = os.pipe()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        lines = to_text(PLAN, slave).splitlines()
        assert max(map(len, lines)) <= 80
        first, second = lines[2:4]
        assert first.startswith("2 layers   8.065MB   needed: container box-0, ")
        assert second.startswith(" " * first.index("needed") + "container")
        whole = "needed: container box-0, container box-1, container box-2, container box-3, container box-4"
        assert to_text(PLAN, outside).splitlines()[2].endswith(f"{whole} and 7 more")
    finally:
        for fd in (master, slave, inside, outside):
            os.close(fd)
