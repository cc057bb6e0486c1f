"""--network container:NAME: in the network namespace of another container, with its names."""

from __future__ import annotations

from cowl.container.options import Settings
from cowl.container.words import InvalidOptions
from cowl.errors import Conflict, Denied
from cowl.linux.probe import rung
from cowl.linux.rung import ROOT
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.store.store import Store

PREFIX = "container:"
_FILES = ("hosts", "hostname", "resolv.conf")


class JoiningNeedsRoot(Denied):
    """An ordinary user's containers can't be in one network namespace."""

    def __init__(self) -> None:
        super().__init__(
            "--network container: needs root: a network namespace belongs to the user namespace of the"
            " container that it was made for, and the kernel lets no other one in",
            hint="run both programs in one container, or publish a port and use the host's address",
        )


class OtherNotRunning(Conflict):
    """The container whose network is to be joined does not run. Field: container."""

    def __init__(self, container: str) -> None:
        super().__init__(
            f"cannot join network of a non running container: {container}", hint="start that first"
        )
        self.container = container


class Joined(Value):
    """What a container has of the other: where its namespace is, and its network files."""

    path: str
    files: tuple[tuple[str, str], ...]


def settle(store: Store, settings: Settings) -> Settings:
    """Settings of a new container with the other's ID and host name, whatever that is called later.

    Raises JoiningNeedsRoot, InvalidOptions, NoSuchContainer.
    """
    if rung() != ROOT:
        raise JoiningNeedsRoot
    if settings.runtime != "embedded":
        raise InvalidOptions(
            f"--network {settings.network} is not available with --runtime {settings.runtime}"
        )
    other = store.containers.find(settings.network.removeprefix(PREFIX))
    its = Settings.from_json(other.settings)
    if its.network == "host" or its.network.startswith(PREFIX):
        raise InvalidOptions(
            f"--network {settings.network}: that container has no network of its own",
            hint=f"say --network {its.network}",
        )
    return settings.replace(network=f"{PREFIX}{other.id}", hostname=its.hostname or other.id[:12])


def joined(store: Store, settings: Settings) -> Joined:
    """As it is now. Raises OtherNotRunning, NoSuchContainer."""
    other = store.containers.get(settings.network.removeprefix(PREFIX))
    if other.state not in ("running", "paused") or other.process is None or not other.process.alive():
        raise OtherNotRunning(other.id)
    files = tuple((f"{other.directory}/{name}", f"/etc/{name}") for name in _FILES)
    return Joined(f"/proc/{other.process.pid}/ns/net", files)
