"""Options that few ask for, in groups: each is a value whose module only its users load.

A group is a field of RunOptions and of Settings, None where nothing of it was asked. Its fields are words,
numbers and tuples of them, as the caller gave them: so a row of the store holds it as plain JSON.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cowl.value import Value


def gather(given: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments with those of each group, if any says something, as one value of its name.

    Raises InvalidOptions.
    """
    gathered = given
    for field, (names, _) in _GROUPS.items():
        asked = {name: gathered[name] for name in names if name in gathered}
        gathered = {name: value for name, value in gathered.items() if name not in asked}
        if any(map(_says, asked.values())):
            gathered[field] = _maker(field)(**asked)
    return gathered


def _says(value: object) -> bool:
    """Whether a keyword asks for something; 0 may."""
    return bool(value) or (isinstance(value, int) and value is not False)


def written(values: Mapping[str, Any]) -> dict[str, Any]:
    """Of a value's fields those that are groups, as JSON objects or None."""
    groups = {field: values[field] for field in NAMES}
    return {field: group and group.as_dict() for field, group in groups.items()}


def read(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `written`; what a row is too old to have is None."""
    return {field: _class(field)(**frozen(found)) for field in _GROUPS if (found := stored.get(field))}


def frozen(stored: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that they were."""
    return {name: tuples(value) if isinstance(value, list) else value for name, value in stored.items()}


def tuples(items: list[Any]) -> tuple[Any, ...]:
    """A list of JSON and those in it as tuples."""
    return tuple([tuples(item) if isinstance(item, list) else item for item in items])


def _confinement() -> tuple[Callable[..., Value], type[Value]]:
    from cowl.container.confinement import Confinement, make_confinement

    return make_confinement, Confinement


def _networking() -> tuple[Callable[..., Value], type[Value]]:
    from cowl.container.networking import Networking, make_networking

    return make_networking, Networking


def _limits() -> tuple[Callable[..., Value], type[Value]]:
    from cowl.container.limits import Limits, make_limits

    return make_limits, Limits


def _health() -> tuple[Callable[..., Value], type[Value]]:
    from cowl.container.health import Health, make_health

    return make_health, Health


def _fixtures() -> tuple[Callable[..., Value], type[Value]]:
    from cowl.container.fixtures import Fixtures, make_fixtures

    return make_fixtures, Fixtures


# A group's field: the keywords that make it, and what gives its maker and its class.
_GROUPS: dict[str, tuple[tuple[str, ...], Callable[[], tuple[Callable[..., Value], type[Value]]]]] = {
    "confinement": (
        (
            *("cap_add", "cap_drop", "security_opt", "privileged", "sysctls", "group_add"),
            *("pid", "ipc", "uts", "userns", "cgroupns"),
        ),
        _confinement,
    ),
    "networking": (
        (
            *("networks", "publish", "publish_all", "expose", "network_alias", "ip", "ip6", "mac_address"),
            *("dns", "dns_search", "dns_options", "add_host", "domainname"),
        ),
        _networking,
    ),
    "limits": (
        (
            *("memory", "memory_reservation", "memory_swap", "memory_swappiness", "oom_kill_disable"),
            *("oom_score_adj", "cpus", "cpu_period", "cpu_quota", "cpu_shares", "cpuset_cpus"),
            *("cpuset_mems", "pids_limit", "blkio_weight", "ulimits", "shm_size", "cgroup_parent"),
        ),
        _limits,
    ),
    "health": (
        (
            *("health_cmd", "health_interval", "health_timeout", "health_retries"),
            *("health_start_period", "health_start_interval", "no_healthcheck"),
        ),
        _health,
    ),
    "fixtures": (("tmpfs", "mounts", "devices", "volumes_from", "storage_opt"), _fixtures),
}
NAMES = tuple(_GROUPS)


def _maker(field: str) -> Callable[..., Value]:
    return _GROUPS[field][1]()[0]


def _class(field: str) -> type[Value]:
    return _GROUPS[field][1]()[1]
