"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a container, made on the host and bound in."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# As Docker writes it.
LOCALHOST = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


HOST_GATEWAY = "host-gateway"
BLOCK_BEGIN = "# containers of the same networks, kept by cowl\n"
BLOCK_END = "# end of what cowl keeps\n"


def write_network_files(
    directory: str,
    hostname: str,
    network: str,
    hosts: Sequence[tuple[str, str]] = (),
    *,
    address: str = "",
    names: Sequence[tuple[str, str]] = (),
) -> tuple[tuple[str, str], ...]:
    """Writes the three files into `directory` and gives (host path, container path) pairs to bind.

    `hosts` are (name, address) pairs for /etc/hosts, over what is there; the address "host-gateway" is the
    loopback: with the host's network that is this machine, and without one nothing can be reached.

    address  the container's own, "" for the loopback's
    names    (address, names) of others, in the block that `block` makes

    With the host's network the host's own names hold (a copy of its files); without one, /etc/hosts
    knows localhost, and resolv.conf names no server. The container's own name is always known.
    """
    shared = network == "host"
    own = f"{address or '127.0.0.1'}\t{hostname}\n" if hostname else ""
    contents = {
        "hosts": _lines(hosts) + (_shared_hosts(hostname, own) if shared else LOCALHOST + own) + block(names),
        "hostname": hostname + "\n",
        "resolv.conf": _read("/etc/resolv.conf", "") if shared else "",
    }
    for name, text in contents.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8", errors="surrogateescape") as out:
            out.write(text)
            os.fchmod(out.fileno(), 0o644)  # for every user in the container, whatever our umask
    return tuple((os.path.join(directory, name), f"/etc/{name}") for name in contents)


def block(names: Sequence[tuple[str, str]]) -> str:
    """The lines of /etc/hosts that change while the container runs, between marks; "" for none."""
    if not names:
        return ""
    return BLOCK_BEGIN + "".join(f"{address}\t{words}\n" for address, words in names) + BLOCK_END


def _lines(hosts: Sequence[tuple[str, str]]) -> str:
    """They come first: the first line that has a name is the one that counts."""
    return "".join(
        f"{'127.0.0.1' if address == HOST_GATEWAY else address}\t{name}\n" for name, address in hosts
    )


def _shared_hosts(hostname: str, own: str) -> str:
    """The host's file; with the container's name, where that is neither the host's nor in it."""
    text = _read("/etc/hosts", LOCALHOST)
    names = {name for line in text.split("\n") for name in line.partition("#")[0].split()[1:]}
    if hostname == os.uname().nodename or hostname in names:
        return text
    return text.removesuffix("\n") + "\n" + own


def _read(path: str, default: str) -> str:
    """A file of the host's, or `default` where it has none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return default
