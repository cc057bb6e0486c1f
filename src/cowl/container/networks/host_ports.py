"""Which ports of the host a container gets: those asked for, or free ones; written down as rows."""

from __future__ import annotations

import errno
from _socket import AF_INET, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, socket

from cowl.errors import Denied, Unavailable
from cowl.store.network_record import ANY_ADDRESS, PortTaken, PublishedPort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.container.options import Settings
    from cowl.container.ports import Publication
    from cowl.store.store import Store

_TRIES = 20  # free ports that others may take first
_KINDS = {"tcp": SOCK_STREAM, "udp": SOCK_DGRAM}


class PortForbidden(Denied):
    """This user may not listen on that port of the host. Field: host_port."""

    def __init__(self, host_port: int) -> None:
        super().__init__(
            f"port {host_port} of the host can't be published: an ordinary user may not listen on it",
            hint="choose one from 1024 on, or have root set net.ipv4.ip_unprivileged_port_start",
        )
        self.host_port = host_port


class NoSuchAddress(Unavailable):
    """The host has no such address to publish on. Field: address."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"ports can't be published on {address}: it is no address of this machine",
            hint="`ip address` shows those that it has; without one all are meant",
        )
        self.address = address


def publish(store: Store, container: str, settings: Settings) -> tuple[PublishedPort, ...]:
    """Gives a container that is being started its ports of the host, which nobody listened on just now.

    Raises PortTaken, PortForbidden, NoSuchAddress. What was written down until then goes with
    `surroundings.release`.
    """
    asked = settings.networking
    if asked is None or not asked.publishes:
        return ()
    wanted = asked.publications(settings.exposed)
    fixed = [_port(container, each, each.host_first) for each in wanted if _is_fixed(each)]
    store.networks.publish(container, fixed)  # first: of two reasons the better one
    for port in fixed:
        probe(port)
    for each in wanted:
        if not _is_fixed(each):
            fixed.append(_publish_any(store, container, each))
    return tuple(fixed)


def probe(port: PublishedPort) -> int:
    """The port of the host if it can be listened on now, for 0 one that can. Raises as `publish`."""
    with_kind = socket(AF_INET, _KINDS[port.protocol])
    try:
        if port.protocol == "tcp":  # connections that have just ended are no hindrance
            with_kind.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        with_kind.bind((port.host_address, port.host_port))
        chosen: int = with_kind.getsockname()[1]
    except OSError as error:
        raise _failure(port, error) from error
    finally:
        with_kind.close()
    return chosen


def _failure(port: PublishedPort, error: OSError) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(port.host_address, port.host_port, "")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PortForbidden(port.host_port)
    if error.errno == errno.EADDRNOTAVAIL:
        return NoSuchAddress(port.host_address)
    return Unavailable(f"port {port.host_port} can't be published: {error.strerror}")


def _publish_any(store: Store, container: str, publication: Publication) -> PublishedPort:
    """The first that is free of those that will do. Raises PortTaken when none is."""
    taken: PortTaken | None = None
    for number in _candidates(publication):
        port = _port(container, publication, number)
        try:
            port = port.replace(host_port=probe(port))
            store.networks.publish(container, [port])
            return port
        except PortTaken as error:
            taken = error
    assert taken is not None
    raise taken


def _candidates(publication: Publication) -> Iterator[int]:
    if not publication.host_first:
        yield from (0 for _ in range(_TRIES))  # the kernel chooses
    else:
        yield from range(publication.host_first, publication.host_last + 1)


def _is_fixed(publication: Publication) -> bool:
    return bool(publication.host_first) and publication.host_first == publication.host_last


def _port(container: str, publication: Publication, number: int) -> PublishedPort:
    address = publication.address or ANY_ADDRESS
    return PublishedPort(publication.protocol, address, number, container, publication.port)
