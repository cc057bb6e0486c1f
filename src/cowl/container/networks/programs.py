"""The programs that carry an ordinary user's packets: which of them are here, and what brings the others."""

from __future__ import annotations

import os

from cowl.config import DEFAULT_PATH
from cowl.errors import Unavailable

PASTA, SLIRP = "pasta", "slirp4netns"
PACKAGES = {PASTA: "passt", SLIRP: "slirp4netns"}
TUN = "/dev/net/tun"


class NetworkProgramMissing(Unavailable):
    """The program that a network needs is not installed. Field: program."""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"the network {program} needs the program {program}, which is not in {DEFAULT_PATH}",
            hint=f"install the package {PACKAGES[program]}",
        )
        self.program = program


class NoTunDevice(Unavailable):
    """Nobody but root may make network devices of his own here."""

    def __init__(self, network: str) -> None:
        super().__init__(
            f"the network {network} needs {TUN}, which this user can't open",
            hint="as root: modprobe tun; chmod 666 /dev/net/tun (it gives no rights outside a namespace)",
        )


def find_program(name: str) -> str:
    """Its path, "" where it is not installed."""
    for directory in DEFAULT_PATH.split(":"):
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    return ""


def require_program(name: str) -> str:
    """Its path. Raises NetworkProgramMissing, NoTunDevice."""
    path = find_program(name)
    if not path:
        raise NetworkProgramMissing(name)
    if not has_tun():
        raise NoTunDevice(name)
    return path


def default_program() -> str:
    """The one that an ordinary user's containers have a network by: pasta, else slirp4netns.

    Raises NetworkProgramMissing, NoTunDevice.
    """
    name = next(filter(find_program, (PASTA, SLIRP)), PASTA)
    require_program(name)
    return name


def has_tun() -> bool:
    """Whether this user may have network devices in namespaces of his own."""
    return os.access(TUN, os.R_OK | os.W_OK)
