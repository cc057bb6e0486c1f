"""The file system of a container as one tar, as `docker export`: what shows now, of its image and its own.

What is mounted into a container (volumes, binds, /proc) is not part of it.
"""

from __future__ import annotations

import os

from cowl.events import Warned
from cowl.layer.opening import Opened
from cowl.layer.ownership import for_euid
from cowl.transfer.destination import Destination, check_destination
from cowl.transfer.root_tar import write_root_tar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.events import Emit
    from cowl.outputs import Destination as Place
    from cowl.store.containers import ContainerRecord
    from cowl.store.store import Store


def export_container(store: Store, container: ContainerRecord, dest: Place, emit: Emit) -> None:
    """Writes the tar, uncompressed, to a path (whole or not at all) or a binary stream, as it is made.

    A running container works on meanwhile: Warned tells of each file that changed under the reading. Its
    layers stay for as long as this takes, whoever removes the container. Raises NotAFile,
    NoSuchContainer when it was removed meanwhile, FileChanged, OSError.
    """
    check_destination(dest)
    live = container.state in ("running", "paused", "restarting")
    owners = for_euid(os.geteuid())

    def lost(path: str, what: str) -> None:
        emit(Warned(f"{path} of container {container.name} {what}"))

    with store.lease("export") as lease:
        for key in container.layer_keys:
            lease.pin(key)
        with Opened(container.upper, owners), Destination(dest) as place:
            view = store.view(container.layer_keys, container.upper)
            write_root_tar(view, place.write, owners, lost if live else None)
            store.containers.get(container.id)  # with its upper gone, the image's own files showed
