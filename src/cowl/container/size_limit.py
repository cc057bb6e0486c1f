"""--storage-opt size=: how much a container may write to its own layer.

No file system is asked for a quota: a process looks every second at what the layer takes on disk, and kills
the container when that is more. So it can go beyond the limit for a moment, and is told nothing before.
"""

from __future__ import annotations

import os

from cowl.container.quantities import byte_count
from cowl.container.words import InvalidOptions
from cowl.linux.process import NoSuchProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.container.fixtures import Pairs
    from cowl.linux.process import ProcessId
    from cowl.store.container_record import ContainerRecord

MODE = "watchdog"
LEAST = 1 << 20  # bytes: directories and overlayfs's own files take some
_MARK = "outgrown"  # in a container's directory, once it was killed for its size
_CODE = (
    "import sys; sys.path.append(sys.argv[1]); from cowl.container.size_watch import watch;"
    " watch({root!r}, {identity!r}, {upper!r}, {limit}, {mark!r})"
)


def size_bytes(options: Pairs) -> int:
    """The limit; 0 for none. Raises InvalidOptions."""
    for name, _ in options:
        if name != "size":
            raise InvalidOptions(f"--storage-opt {name}: unknown option", hint="there is size=10g")
    sizes = [value for _, value in options]
    if not sizes:
        return 0
    limit = byte_count("storage-opt size", sizes[-1])
    if limit < LEAST:
        raise InvalidOptions(f"--storage-opt size={sizes[-1]}: the least is {LEAST} bytes")
    return limit


def weaker(options: Pairs) -> str:
    """What to say of a limit that is not the kernel's; "" without one."""
    if not options:
        return ""
    return (
        f"--storage-opt size={options[-1][1]} is kept by a watchdog, not by a quota: it looks every second at"
        " what the container's layer takes, and kills the container when that is more"
    )


def begin_watch(root: str, record: ContainerRecord, process: ProcessId, limit: int) -> None:
    """Starts who looks, until the container has ended. Raises Unavailable."""
    from cowl.runtime.interpreter_start import start_interpreter

    mark = f"{record.directory}/{_MARK}"
    if os.path.exists(mark):
        os.unlink(mark)
    code = _CODE.format(root=root, identity=record.id, upper=record.upper, limit=limit, mark=mark)
    try:
        pidfd = process.open()
    except NoSuchProcess:
        return  # it has ended already
    try:
        pid = start_interpreter(code, pidfd, sealed=False, clean=True)
    finally:
        os.close(pidfd)
    os.waitpid(pid, 0)  # it goes on as a child of nobody's


def outgrown(directory: str) -> str:
    """Why a container was killed, if it was for its size; else ""."""
    try:
        with open(f"{directory}/{_MARK}") as file:
            return file.read()
    except FileNotFoundError:
        return ""
