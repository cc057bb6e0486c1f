"""The control group of a container by `linux.cgroupsPath` and `linux.resources`."""

from __future__ import annotations

import os

from cowl.errors import Unavailable
from cowl.linux.cgroups import V1, cgroup, default_path, find_place, version
from cowl.runtime.mount_plan import UnsupportedSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.linux.cgroups import Cgroup
    from cowl.runtime.oci.config import OciConfig

_DONE = ("devices", "memory", "cpu", "pids", "blockIO", "unified")
_OF_BLOCK_IO = ("weight",)
_FREEZE_SECONDS = 10.0
# What every container gets, as with runc: making any node, and opening these.
_USUAL_DEVICES = (
    *("c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm"),
    *("c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"),
)


class Groups:
    """At most one group; a container without a path and without limits has none."""

    def __init__(self, config: OciConfig | None, identity: str) -> None:
        """Raises UnsupportedSpec for limits that are not to be had."""
        self.path = ""
        self._resources: dict[str, Any] = {}
        self._rules: tuple[str, ...] = ()
        if config is None:
            return
        _check(config.resources)
        self._resources = {key: value for key, value in config.resources.items() if key != "devices"}
        self.path = _path(config, identity, wanted=any(self._resources.values()))
        if self.path and version() == V1:
            self._rules = _rules(config.resources.get("devices") or ())

    @classmethod
    def of(cls, path: str) -> Groups:
        """The group that was made."""
        group = cls(None, "")
        group.path = path
        return group

    @property
    def keeps_devices(self) -> bool:
        """Whether the rules about devices are the group's to enforce."""
        return bool(self._rules)

    def make(self) -> None:
        """Before the process. Raises LimitUnenforceable, Unavailable."""
        if not self.path:
            return
        from cowl.runtime.cgroup import make_cgroup

        group = make_cgroup(self.path, self._resources)
        if self._rules:
            try:
                _write_rules(group, self._rules)
            except BaseException:
                group.remove()
                raise

    def add(self, pid: int) -> None:
        """Moves a process in."""
        if self.path:
            cgroup(self.path).add(pid)
            if cgroup(self.path).directory("devices"):
                cgroup(self.path).write("devices", "cgroup.procs", str(pid))

    def remove(self) -> None:
        """With whatever is left in it."""
        if self.path:
            from cowl.runtime.cgroup import release

            release(self.path)

    def processes(self) -> list[int]:
        """Those in it."""
        return cgroup(self.path).processes() if self.path else []

    def freeze(self) -> None:
        """Holds all in it. Raises Unavailable."""
        if not self.path:
            raise Unavailable("the container has no control group: it can't be paused")
        if not cgroup(self.path).freeze(_FREEZE_SECONDS):
            self.thaw()
            raise Unavailable(f"not all processes in {self.path} came to rest")

    def thaw(self) -> None:
        """Lets them go on."""
        if self.path:
            cgroup(self.path).thaw()

    def is_frozen(self) -> bool:
        """Whether they are held."""
        if not self.path:
            return False
        group = cgroup(self.path)
        controller, file, held = ("", "cgroup.freeze", "1")
        if group.version == V1:
            controller, file, held = ("freezer", "freezer.state", "FROZEN")
        try:
            return group.read(controller, file).strip() == held
        except OSError:
            return False


def _check(resources: dict[str, Any]) -> None:
    for name, value in resources.items():
        if value and name not in _DONE:
            raise UnsupportedSpec(f"config.json: linux.resources.{name} is not supported")
    for name, value in (resources.get("blockIO") or {}).items():
        if value and name not in _OF_BLOCK_IO:
            raise UnsupportedSpec(f"config.json: linux.resources.blockIO.{name} is not supported")


def _path(config: OciConfig, identity: str, *, wanted: bool) -> str:
    """The configuration's, from the top; else one of our own, if limits ask for it."""
    if config.cgroups_path:
        if ":" in config.cgroups_path:
            raise UnsupportedSpec(
                f"config.json: the cgroupsPath {config.cgroups_path!r} is systemd's; have your engine use its"
                " cgroupfs manager"
            )
        path = os.path.normpath("/" + config.cgroups_path.lstrip("/"))
        return path if config.cgroups_path.startswith("/") or os.geteuid() == 0 else ""
    if not wanted:
        return ""
    place = find_place()
    if place.blocker:
        raise Unavailable(f"the container's limits can't be enforced: {place.blocker}")
    return default_path(place.path, identity)


def _rules(devices: tuple[dict[str, Any], ...] | list[dict[str, Any]]) -> tuple[str, ...]:
    """Lines for devices.deny ("-...") and devices.allow ("+..."), in order."""
    if not devices:
        return ()
    lines = []
    for rule in devices:
        kind = rule.get("type") or "a"
        numbers = ":".join(
            "*" if rule.get(key, -1) in (None, -1) else str(rule[key]) for key in ("major", "minor")
        )
        sign = "+" if rule.get("allow") else "-"
        lines.append(f"{sign}{kind} {numbers} {rule.get('access') or 'rwm'}")
    return (*lines, *(f"+{line}" for line in _USUAL_DEVICES))


def _write_rules(group: Cgroup, rules: tuple[str, ...]) -> None:
    try:
        group.make(("devices",))
        for rule in rules:
            group.write("devices", "devices.allow" if rule[0] == "+" else "devices.deny", rule[1:])
    except OSError as error:
        raise Unavailable(f"linux.resources.devices can't be enforced: {error.strerror}") from error


def is_frozen(path: str) -> bool:
    """Whether the group's processes are held."""
    return Groups.of(path).is_frozen()
