"""The host's mount table, without what other tests mount meanwhile in directories of their own."""

from __future__ import annotations

from pathlib import Path


def mount_table(process: str = "self") -> list[str]:
    """Its lines, see proc_pid_mountinfo(5)."""
    lines = Path(f"/proc/{process}/mountinfo").read_text().splitlines()
    return [line for line in lines if "/pytest-of-" not in line]
