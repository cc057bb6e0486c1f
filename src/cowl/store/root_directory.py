"""The root directory of a store: its places on disk, who may use it, and making it."""

from __future__ import annotations

import os
import stat

from cowl.store.faults import NotAStore, StoreDenied, from_os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.errors import CowlError

DATABASE = "cowl.db"
DIRECTORIES = (
    "locks",
    "layers",
    "containers",
    "caches",
    "volumes",
    "blobs",
    "staging",
    "trash",
    "mountpoints",
)
_KNOWN = {*DIRECTORIES, DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "reserve"}
_STUBS = ("proc", "sys", "dev", "etc")
_STUB_FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf")


class RootDirectory:
    """Absolute paths of a store's places, a layer's by `layer(key)` and a container's by `container(id)`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.database = f"{path}/{DATABASE}"
        self.database_lock = f"{path}/locks/db.lock"
        self.locks = f"{path}/locks"
        self.layers = f"{path}/layers"
        self.containers = f"{path}/containers"
        self.caches = f"{path}/caches"
        self.volumes = f"{path}/volumes"
        self.blobs = f"{path}/blobs"
        self.staging = f"{path}/staging"
        self.trash = f"{path}/trash"
        self.mountpoints = f"{path}/mountpoints"
        self.reserve = f"{path}/reserve"

    def layer(self, key: str) -> str:
        """The directory of a published layer: `diff/` and, for one made elsewhere, `recipe`."""
        return f"{self.layers}/{key}"

    def diff(self, key: str) -> str:
        """The tree of a published layer, in overlayfs form."""
        return f"{self.layers}/{key}/diff"

    def container(self, identity: str) -> str:
        """The directory of a container: `upper/`, `work/` and what the container room keeps there."""
        return f"{self.containers}/{identity}"

    def cache(self, identity: str) -> str:
        """The directory of a cache mount: `data/`, and itself what its users lock."""
        return f"{self.caches}/{identity}"

    def volume(self, name: str) -> str:
        """The directory of a volume: `data/` is what containers see."""
        return f"{self.volumes}/{name}"

    def volume_data(self, name: str) -> str:
        """What containers see of a volume."""
        return f"{self.volumes}/{name}/data"

    def check(self) -> bool:
        """Whether a store's database stands here; raises NotAStore or StoreDenied if none may.

        A store that others could enter is closed to them (mode 0700): a layer may hold setuid
        programs of its image (threat 6).
        """
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return False
        except NotADirectoryError as problem:
            raise NotAStore(self.path, "a part of its path is not a directory") from problem
        except OSError as problem:
            raise from_os(self.path, "looking at it", problem) from problem
        self._check_root(found)
        return os.path.exists(self.database)

    def _check_root(self, found: os.stat_result) -> None:
        if not stat.S_ISDIR(found.st_mode):
            raise NotAStore(self.path, "it is not a directory")
        if found.st_uid != os.geteuid():
            raise StoreDenied(self.path, f"it belongs to uid {found.st_uid}, this is uid {os.geteuid()}")
        if not stat.S_IMODE(found.st_mode) & 0o077:
            return
        self._check_names()
        os.chmod(self.path, 0o700)

    def _check_names(self) -> None:
        """A directory with other things in it is not made a store: --root / would close the machine."""
        strange = next((name for name in os.listdir(self.path) if name not in _KNOWN), "")
        if strange and not os.path.exists(self.database):
            raise NotAStore(self.path, f"it is no store and not empty (it holds {strange!r})")

    def make(self) -> None:
        """Makes the directories that are missing, 0700. Idempotent. Raises a typed error."""
        try:
            os.makedirs(os.path.dirname(self.path) or "/", exist_ok=True)
            _make_directory(self.path, 0o700)
            self._check_names()
            for name in DIRECTORIES:
                _make_directory(f"{self.path}/{name}", 0o700)
            self._make_mountpoints()
        except OSError as problem:
            raise self._refusal(problem) from problem

    def _make_mountpoints(self) -> None:
        """The lowest tree of every mount: what is mounted over lies here, never in an upper."""
        os.chmod(self.mountpoints, 0o755)
        for name in _STUBS:
            _make_directory(f"{self.mountpoints}/{name}", 0o755)
        for name in _STUB_FILES:
            fd = os.open(f"{self.mountpoints}/{name}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.fchmod(fd, 0o644)
            os.close(fd)

    def _refusal(self, problem: OSError) -> CowlError:
        if isinstance(problem, NotADirectoryError | FileExistsError):
            return NotAStore(self.path, "a part of its path is not a directory")
        return from_os(self.path, "making it", problem)


def _make_directory(path: str, mode: int) -> None:
    """mkdir whatever the umask; an existing directory is left as it is."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return
    os.chmod(path, mode)
