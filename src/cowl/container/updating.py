"""Other limits, and another restart policy, for a container that is there: all of it or nothing."""

from __future__ import annotations

import json
import os

from cowl.container.limits import CHANGEABLE, Limits, check_limits, make_limits
from cowl.container.options import Settings
from cowl.container.words import InvalidOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cowl.container.lifecycle import Containers
    from cowl.linux.cgroups import Cgroup, Place
    from cowl.runtime.resources import Setting
    from cowl.store.container_record import ContainerRecord


def update(
    service: Containers, record: ContainerRecord, changes: Mapping[str, Any], restart: str | None
) -> ContainerRecord:
    """See `Container.update`."""
    record = service.find(record.id).record
    settings = Settings.from_json(record.settings)
    asked = {name: value for name, value in changes.items() if value not in (None, "")}
    if restart is not None:
        settings = settings.replace(restart=_policy(restart, record))
    before = settings.limits or Limits()
    if asked:
        settings = settings.replace(limits=_changed(before, asked))
    written = None
    if asked and record.state in ("running", "paused"):
        from cowl.linux.cgroups import find_place

        written = Rewriting(record.cgroup, before, settings.limits or Limits(), find_place())
        written.apply()
    try:
        service.store.containers.resettle(record.id, json.dumps(settings.to_json(), separators=(",", ":")))
    except BaseException:
        if written is not None:
            written.take_back()
        raise
    return service.store.containers.get(record.id)


def _policy(text: str, record: ContainerRecord) -> str:
    from cowl.container.restart import parse_policy

    if parse_policy(text).name != "no" and record.auto_remove:
        raise InvalidOptions(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
            hint="it was started with --rm, or remove=True",
        )
    return text


def _changed(before: Limits, asked: Mapping[str, Any]) -> Limits:
    strange = [name for name in asked if name not in CHANGEABLE]
    if strange:
        raise InvalidOptions(f"{strange[0]} can't be updated", hint=f"what can is {', '.join(CHANGEABLE)}")
    fresh = make_limits(**asked)
    fields = ["nano_cpus" if name == "cpus" else name for name in asked]
    after = before.replace(**{name: getattr(fresh, name) for name in fields})
    check_limits(after, os.cpu_count() or 1, update=True)
    return after


class Rewriting:
    """The files of a live container's cgroup, before and after."""

    def __init__(self, path: str, before: Limits, after: Limits, place: Place) -> None:
        """Raises LimitNotAvailable for a container without a cgroup."""
        from cowl.container.enforcement import LimitNotAvailable, resources
        from cowl.linux.cgroups import cgroup

        if not path:
            reason = place.blocker or "the container was started without a cgroup"
            raise LimitNotAvailable(after.asked(), reason)
        self._group: Cgroup = cgroup(path)
        old, new = resources(before, place), resources(after, place)
        self._changes = {part: value for part, value in new.items() if value != old.get(part)}
        self._were: list[tuple[Setting, str, str]] = []

    def apply(self) -> None:
        """Writes them; what fails leaves all as it was. Raises LimitUnenforceable."""
        from cowl.runtime import cgroup
        from cowl.runtime.resources import settings

        todo = settings(self._changes, self._group.version)
        missing = [each for each in todo if not self._group.directory(each.controller)]
        self._were = [was for each in todo if each not in missing for was in self._now(each)]
        try:
            cgroup.apply(self._group, self._changes)
            if missing:
                _gather(self._group)
        except BaseException:
            self.take_back()
            raise

    def _now(self, setting: Setting) -> list[tuple[Setting, str, str]]:
        found = []
        for file, _ in setting.files:
            try:
                found.append((setting, file, self._group.read(setting.controller, file).strip()))
            except FileNotFoundError:
                continue
        return found

    def take_back(self) -> None:
        """Twice, for one value may be in the way of another."""
        for setting, file, value in (*reversed(self._were), *self._were):
            try:
                self._group.write(setting.controller, file, value or "\n")
            except OSError:
                continue


def _gather(group: Cgroup) -> None:
    """Moves the container's processes into a hierarchy that it was not in before."""
    known: set[int] = set()
    while new := set(group.processes()) - known:
        known |= new
        for pid in new:
            try:
                group.add(pid)
            except ProcessLookupError:
                continue
