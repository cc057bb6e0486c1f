"""nftables: scripts for the program `nft`, and whether a table is there, which the kernel is asked itself."""

from __future__ import annotations

import errno
import os
import struct

from cowl.errors import Unavailable
from cowl.linux import netlink
from cowl.linux.netlink import Netlink

_PLACES = ("/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin")
_NETFILTER = 12  # NETLINK_NETFILTER
_GET_TABLE = 10 << 8 | 1  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE
_INET, _TABLE_NAME = 2, 1


class NftMissing(Unavailable):
    """The program is not there."""

    def __init__(self) -> None:
        super().__init__(
            "the program nft is missing, which networks and published ports need",
            hint="it is in the package nftables: apt-get install nftables",
        )


class NftFailed(Unavailable):
    """nft, or the kernel behind it, refused. Field: said."""

    def __init__(self, doing: str, said: str) -> None:
        first = said.split("\n", 1)[0].strip()
        super().__init__(
            f"nftables: {doing} failed: {first or 'for no reason that nft tells'}",
            hint="is the kernel's nf_tables there (modprobe nf_tables nft_chain_nat), and are we root?",
        )
        self.said = said


def find_nft() -> str:
    """Where the program is. Raises NftMissing."""
    for place in _PLACES:
        if os.access(f"{place}/nft", os.X_OK):
            return f"{place}/nft"
    raise NftMissing


def apply(script: str, doing: str) -> None:
    """Has a script carried out, whole or not at all. Raises NftMissing, NftFailed."""
    status, _, said = _nft(["-f", "-"], script)
    if status:
        raise NftFailed(doing, said)


def list_chains() -> str:
    """All chains of the machine as nft's JSON. Raises NftMissing, NftFailed."""
    return _list("chains")


def list_maps() -> str:
    """All maps of the machine with their elements, likewise."""
    return _list("maps")


def _list(what: str) -> str:
    status, output, said = _nft(["-j", "list", what], "")
    if status:
        raise NftFailed(f"listing {what}", said)
    return output


def has_table(name: str) -> bool:
    """Whether an IPv4 table is there."""
    body = struct.pack("BBH", _INET, 0, 0) + netlink.text(_TABLE_NAME, name)
    try:
        with Netlink(_NETFILTER) as kernel:
            kernel.ask(_GET_TABLE, 0, body)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EINVAL, errno.EPERM):
            return False
        raise
    return True


def _nft(arguments: list[str], script: str) -> tuple[int, str, str]:
    """Its exit status, standard output and standard error, through files that lie in memory."""
    program = find_nft()
    files = [os.memfd_create(name) for name in ("nft.in", "nft.out", "nft.err")]
    try:
        os.write(files[0], script.encode())
        os.lseek(files[0], 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
        pid = os.posix_spawn(program, [program, *arguments], {"LC_ALL": "C"}, file_actions=actions)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:  # the program that we are in ignores SIGCHLD: what was said must do
            status = os.fstat(files[2]).st_size
        return status, _whole(files[1]), _whole(files[2])
    finally:
        for fd in files:
            os.close(fd)


def _whole(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")
