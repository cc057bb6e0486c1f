"""Which program an external runtime is, and how it is called."""

from __future__ import annotations

import os

from cowl.errors import Invalid, Unavailable
from cowl.value import Value

EMBEDDED = "embedded"
KNOWN = ("crun", "runc")


class UnknownRuntime(Invalid):
    """No runtime of that name. Field: name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"unknown or invalid runtime name: {name}",
            hint=f"cowl knows {EMBEDDED} and {', '.join(KNOWN)}, or an absolute path of one of these",
        )


class RuntimeMissing(Unavailable):
    """It is not installed. Field: name."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        package = os.path.basename(name)
        super().__init__(
            f"the runtime {name} is not installed: nothing of that name in {path}",
            hint=f"install the package {package} (apt-get install {package}), or use --runtime {EMBEDDED}",
        )


class Program(Value):
    """An executable by its absolute path. `kind` is the one of KNOWN whose command line it has."""

    kind: str
    path: str

    def argv(self, state: str, log: str, *words: str) -> list[str]:
        """A whole command line.

        state  its directory of states; log: the file that it writes its errors to
        Cgroups are cowl's own business: crun leaves them alone, runc is given what the spec says.
        """
        manager = ["--cgroup-manager", "disabled"] if self.kind == "crun" else []
        return [self.path, "--root", state, "--log", log, "--log-format", "json", *manager, *words]


def check_runtime(name: str) -> None:
    """Raises UnknownRuntime for what no configuration can mean; "" is the default one."""
    if name not in ("", EMBEDDED) and not _is_known(name):
        raise UnknownRuntime(name)


def find_program(name: str, path: str) -> Program:
    """The executable in `path`, a PATH, or at the absolute path `name`.

    Raises UnknownRuntime, RuntimeMissing.
    """
    if not _is_known(name):
        raise UnknownRuntime(name)
    kind = os.path.basename(name)
    folders = [os.path.dirname(name)] if "/" in name else [*path.split(":"), "/usr/sbin", "/sbin"]
    for folder in filter(os.path.isabs, folders):
        candidate = os.path.join(folder, kind)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return Program(kind, candidate)
    raise RuntimeMissing(name, folders[0] if "/" in name else path)


def _is_known(name: str) -> bool:
    return os.path.basename(name) in KNOWN and ("/" not in name or os.path.isabs(name))
