"""Where a runtime sends the master of a terminal that it has made: a socket beside its state."""

from __future__ import annotations

import os

from cowl.runtime.external.staging import state_directory
from cowl.runtime.failures import ChildLost


class Console:
    """Where the runtime sends the master of a terminal."""

    def __init__(self, directory: str) -> None:
        """Listens below the directory of states, by a name that is short enough for any path."""
        import socket

        self.name = f"console-{os.getpid()}"
        self._path = f"{state_directory(directory)}/{self.name}"
        folder = os.open(state_directory(directory), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(f"/proc/self/fd/{folder}/{self.name}")
        self._socket.listen(1)
        self._socket.settimeout(10)
        os.close(folder)

    def receive(self) -> int:
        """The master; for once. Raises ChildLost."""
        import socket

        try:
            connection, _ = self._socket.accept()
            with connection:
                _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
        except TimeoutError:
            fds = []
        finally:
            self._socket.close()
            os.unlink(self._path)
        if not fds:
            raise ChildLost("the runtime sent no terminal")
        os.set_inheritable(fds[0], False)
        return fds[0]
