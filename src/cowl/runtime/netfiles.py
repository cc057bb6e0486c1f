"""/etc/hosts, /etc/hostname and /etc/resolv.conf of a container, made on the host and bound in."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.runtime.resolver import Resolver

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
HOSTS_LIMIT = 1 << 20  # bytes of a hosts file that are read again: a container may have written any number
_LOOPBACK = "127.0.0.1"
_UPSTREAM = "/run/systemd/resolve/resolv.conf"  # the servers that the stub of systemd-resolved asks


def write_network_files(
    directory: str,
    hostname: str,
    network: str,
    hosts: Sequence[tuple[str, str]] = (),
    *,
    address: str = "",
    names: Sequence[tuple[str, str]] = (),
    domainname: str = "",
    resolver: Resolver | None = None,
    gateway: str = "",
    forwarder: str = "",
) -> tuple[tuple[str, str], ...]:
    """Writes the three files into `directory` and gives (host path, container path) pairs to bind.

    `hosts` are (name, address) pairs for /etc/hosts, over what is there; the address "host-gateway" is
    `gateway`, or the loopback: with the host's network that is this machine, and without one nothing can be
    reached.

    address    the container's own, "" for the loopback's; domainname: what follows its name
    names      (address, names) of others, in the block that `block` makes
    resolver   what is asked of resolv.conf; None: nothing
    gateway    the host's address, as a container in a network of its own reaches it
    forwarder  an address there that answers for a name server on the host's loopback

    With the host's network the host's own names hold (a copy of its files); without one, /etc/hosts
    knows localhost, and resolv.conf names no server. The container's own name is always known.
    """
    shared = network == "host"
    enclosed = bool(address) and not (gateway or forwarder)  # no server of the host's can be asked from there
    known = f"{hostname}.{domainname} {hostname}" if domainname else hostname
    own = f"{address or _LOOPBACK}\t{known}\n" if hostname else ""
    contents = {
        "hosts": _lines(hosts, gateway or _LOOPBACK)
        + (_shared_hosts(hostname, own) if shared else LOCALHOST + own)
        + block(names),
        "hostname": hostname + "\n",
        "resolv.conf": _resolv_conf("none" if enclosed else network, resolver, forwarder),
    }
    for name, text in contents.items():
        _write(os.path.join(directory, name), text.encode("utf-8", "surrogateescape"))
    return tuple((os.path.join(directory, name), f"/etc/{name}") for name in contents)


def block(names: Sequence[tuple[str, str]]) -> str:
    """The lines of /etc/hosts that change while the container runs, between marks; "" for none."""
    if not names:
        return ""
    return BLOCK_BEGIN + "".join(f"{address}\t{words}\n" for address, words in names) + BLOCK_END


def _write(path: str, text: bytes) -> None:
    """Without what `open` does besides: this is done for every start."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)  # for every user in the container, whatever our umask
        while text:
            text = text[os.write(fd, text) :]
    finally:
        os.close(fd)


def rewrite_block(path: str, names: Sequence[tuple[str, str]]) -> None:
    """Puts other names into the block of a container's hosts file, in the place of those that are there.

    The file stays the same inode, since it is bound into the container; what the container has written
    around the block stays too. It may have done anything to its file: one that has grown beyond
    HOSTS_LIMIT, or can't be opened, stays as it is. Who may call this at the same time is the caller's to see
    to: a lock on the file itself would be the container's to hold.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or status.st_size > HOSTS_LIMIT:
            return
        before = os.pread(fd, HOSTS_LIMIT, 0)
        after = _with_block(before, block(names).encode("utf-8", "surrogateescape"))
        if after != before:
            # Longer first, then cut: a reader meanwhile finds whole lines of the old or of the new.
            os.pwrite(fd, after, 0)
            os.ftruncate(fd, len(after))
    except OSError:
        return  # its disk is full, or it has sealed the file in some way
    finally:
        os.close(fd)


def _with_block(text: bytes, lines: bytes) -> bytes:
    """A hosts file with those lines where its block is, or at its end."""
    begin, end = BLOCK_BEGIN.encode(), BLOCK_END.encode()
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if found and closed:
        return head + lines + tail
    kept = head + rest  # a mark without the other says nothing of what is in between
    return kept + (b"" if not kept or kept.endswith(b"\n") else b"\n") + lines if lines else kept


def _resolv_conf(network: str, asked: Resolver | None, forwarder: str) -> str:
    if asked is None and network == "host":
        return _read("/etc/resolv.conf", "")
    if asked is None and network == "none":
        return ""
    from cowl.runtime import resolver

    wanted = resolver.Resolver() if asked is None else asked
    if network == "none":
        return resolver.alone(wanted)
    host = _read("/etc/resolv.conf", "")
    if network == "host":
        return resolver.shared(host, wanted)
    return resolver.isolated(host, _read(_UPSTREAM, ""), wanted, forwarder)


def _lines(hosts: Sequence[tuple[str, str]], gateway: str) -> str:
    """They come first: the first line that has a name is the one that counts."""
    return "".join(f"{gateway if address == HOST_GATEWAY else address}\t{name}\n" for name, address in hosts)


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
