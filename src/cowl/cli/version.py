"""version."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.call import Call

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def version(call: Call) -> int:
    """`cowl version`: there is no server, so Docker's two blocks are one."""
    found = versions()
    if call.text("format"):
        from cowl.cli.inspect import render

        print(render([found], call.text("format")))
        return 0
    client = found["Client"]
    print("cowl:")
    for title, key in (
        ("Version", "Version"),
        ("Python version", "PythonVersion"),
        ("Kernel", "KernelVersion"),
    ):
        print(f" {title + ':':<18} {client[key]}")
    print(f" {'OS/Arch:':<18} {client['Os']}/{client['Arch']}")
    return 0


def versions() -> dict[str, Any]:
    """For templates Client and Server are the same: scripts ask for either."""
    from cowl import __version__

    machine = os.uname()
    block = {
        "Version": __version__,
        "PythonVersion": ".".join(map(str, sys.version_info[:3])),
        "KernelVersion": machine.release,
        "Os": "linux",
        "Arch": ARCHITECTURES.get(machine.machine, machine.machine),
    }
    return {"Client": block, "Server": block}
