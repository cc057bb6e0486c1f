"""The JSON value of `docker container inspect`."""

from __future__ import annotations

import time

from cowl.container.network_attrs import asked_attrs, network_settings
from cowl.store.container_record import ACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.container.health_state import HealthState
    from cowl.container.mounts import Mount
    from cowl.container.options import Settings
    from cowl.store.containers import ContainerRecord
    from cowl.store.snapshot_record import SnapshotRecord
    from cowl.store.store import Store


def container_attrs(
    record: ContainerRecord,
    settings: Settings,
    store: Store,
    health: HealthState | None = None,
) -> dict[str, Any]:
    """Docker's keys in Docker's order; what cowl does not have is left out rather than made up.

    store   is asked for places on the host, and for networks and ports as they are now
    health  None where it has no health check
    """
    volume_path = store.directory.volume_data
    return {
        "Id": record.id,
        "Created": rfc3339(record.created_at),
        "Path": settings.args[0],
        "Args": list(settings.args[1:]),
        "State": _state(record, settings, health),
        "Image": str(record.image_id),
        **_files_of_names(record),
        "LogPath": "" if settings.log_driver == "none" else f"{record.directory}/log/container.log",
        "Name": f"/{record.name}",
        "RestartCount": record.restarts,
        "Snapshot": record.snapshot_id,
        "Driver": "cowl",
        "Platform": "linux",
        "HostConfig": _host_config(record, settings),
        "GraphDriver": {"Name": "cowl", "Data": _root(record, store)},
        "Mounts": [_mount(mount, volume_path) for mount in settings.mounts if mount.asked != "tmpfs"],
        "Config": _config(record, settings),
        "NetworkSettings": network_settings(store, record, settings),
    }


def _state(record: ContainerRecord, settings: Settings, health: HealthState | None) -> dict[str, Any]:
    return {
        "Status": record.state,
        "Running": record.state in ACTIVE,
        "Paused": record.state == "paused",
        "Restarting": record.state == "restarting",
        "OOMKilled": record.oom_killed,
        "Dead": record.state == "dead",
        "Pid": record.process.pid if record.state in ACTIVE and record.process else 0,
        "ExitCode": record.exit_code,
        "Error": record.error or _outgrown(record, settings),
        "StartedAt": rfc3339(record.started_at),
        "FinishedAt": rfc3339(record.finished_at),
        **({"Health": health.attrs()} if health is not None else {}),
    }


def _host_config(record: ContainerRecord, settings: Settings) -> dict[str, Any]:
    return {
        "Binds": [word for word in settings.binds if ":" in word] or None,
        **_fixtures(settings),
        "LogConfig": {"Type": settings.log_driver, "Config": dict(settings.log_options)},
        "NetworkMode": settings.network,
        **asked_attrs(settings),
        "RestartPolicy": _restart_policy(settings),
        "AutoRemove": record.auto_remove,
        "ReadonlyRootfs": settings.read_only,
        "Init": settings.init or None,
        "Runtime": settings.runtime,
        **_confinement(settings),
        **_limits(settings),
    }


def _config(record: ContainerRecord, settings: Settings) -> dict[str, Any]:
    return {
        "Hostname": settings.hostname or record.id[:12],
        "Domainname": settings.networking.domainname if settings.networking else "",
        "User": settings.user,
        **({"ExposedPorts": {port: {} for port in settings.exposed}} if settings.exposed else {}),
        "Tty": settings.tty,
        "OpenStdin": settings.open_stdin,
        "StdinOnce": settings.stdin_once,
        "Env": list(settings.env),
        "Cmd": list(settings.args[len(settings.entrypoint) :]),
        **({"Healthcheck": settings.health.attrs()} if settings.health is not None else {}),
        "Image": settings.image,
        "Volumes": {mount.target: {} for mount in settings.mounts if _is_anonymous(mount)} or None,
        "WorkingDir": settings.cwd,
        "Entrypoint": list(settings.entrypoint) or None,
        "Labels": dict(settings.labels),
        "StopSignal": settings.stop_signal or "SIGTERM",
        "StopTimeout": settings.stop_timeout,
        "Timeout": settings.timeout,
    }


def _files_of_names(record: ContainerRecord) -> dict[str, str]:
    """Where the container's own files of /etc lie, once they have been made."""
    names = (("ResolvConfPath", "resolv.conf"), ("HostnamePath", "hostname"), ("HostsPath", "hosts"))
    return {key: f"{record.directory}/{name}" if record.started_at else "" for key, name in names}


def _root(record: ContainerRecord, store: Store) -> dict[str, str]:
    """What its root is mounted of, inside its own namespace: nothing of the host's shows it merged."""
    return {
        "LowerDir": ":".join(store.trees(record.layer_keys)),
        "UpperDir": record.upper,
        "WorkDir": record.work,
    }


def snapshot_attrs(record: SnapshotRecord, settings: Settings) -> dict[str, Any]:
    """What a snapshot is, in the manner of Docker's keys. A layer that nobody needed hashed has no DiffID."""
    return {
        "Id": record.id,
        "Name": record.name,
        "Message": record.message,
        "Created": rfc3339(record.created_at),
        "LastUsed": rfc3339(record.last_used),
        "Container": record.container_id,
        "Image": record.image_id,
        "Config": {
            "User": settings.user,
            "Env": list(settings.env),
            "Cmd": list(settings.args[len(settings.entrypoint) :]),
            "Image": settings.image,
            "WorkingDir": settings.cwd,
            "Entrypoint": list(settings.entrypoint) or None,
            "Labels": dict(settings.labels),
        },
        "Layers": [
            {
                "Key": layer.key,
                "DiffID": layer.diff_id or None,
                "Size": layer.size_bytes,
                "OfImage": number < record.image_layers,
            }
            for number, layer in enumerate(record.layers)
        ],
    }


def _confinement(settings: Settings) -> dict[str, Any]:
    """What was asked about isolation, as Docker names it."""
    from cowl.container.confinement import Confinement
    from cowl.runtime.spec import MASKED_PATHS, READONLY_PATHS

    asked = settings.confinement or Confinement()
    return {
        "CapAdd": list(asked.cap_add) or None,
        "CapDrop": list(asked.cap_drop) or None,
        "CgroupnsMode": asked.cgroupns or "private",
        "GroupAdd": list(asked.group_add) or None,
        "IpcMode": asked.ipc or "private",
        "PidMode": asked.pid,
        "Privileged": asked.privileged,
        "SecurityOpt": list(asked.security_opt) or None,
        "UTSMode": asked.uts,
        "UsernsMode": asked.userns,
        "Sysctls": dict(asked.sysctls),
        "MaskedPaths": list(MASKED_PATHS) if asked.guards_paths else None,
        "ReadonlyPaths": list(READONLY_PATHS) if asked.guards_paths else None,
    }


def _limits(settings: Settings) -> dict[str, Any]:
    """What was asked of its share of the machine, as Docker names it."""
    from cowl.container.limits import Limits, swap_bytes

    asked = settings.limits or Limits()
    return {
        "BlkioWeight": asked.blkio_weight,
        "CgroupParent": asked.cgroup_parent,
        "CpuPeriod": asked.cpu_period,
        "CpuQuota": asked.cpu_quota,
        "CpuShares": asked.cpu_shares,
        "CpusetCpus": asked.cpuset_cpus,
        "CpusetMems": asked.cpuset_mems,
        "Memory": asked.memory,
        "MemoryReservation": asked.memory_reservation,
        "MemorySwap": swap_bytes(asked),
        "MemorySwappiness": asked.memory_swappiness,
        "NanoCpus": asked.nano_cpus,
        "OomKillDisable": asked.oom_kill_disable,
        "OomScoreAdj": asked.oom_score_adj or 0,
        "PidsLimit": asked.pids_limit,
        "ShmSize": asked.shm_size or 64 << 20,
        "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, soft, hard in asked.ulimits] or None,
    }


def _outgrown(record: ContainerRecord, settings: Settings) -> str:
    if settings.fixtures is None or not settings.fixtures.storage_opt or record.state in ACTIVE:
        return ""
    from cowl.container.size_limit import outgrown

    return outgrown(record.directory)


def _fixtures(settings: Settings) -> dict[str, Any]:
    """What was asked to be put into it, as Docker names it."""
    asked = settings.fixtures
    if asked is None:
        return {"Devices": [], "VolumesFrom": None}
    from cowl.container.devices import parse_device

    devices = [parse_device(word) for word in asked.devices]
    named: dict[str, Any] = {
        "Devices": [
            {"PathOnHost": each.source, "PathInContainer": each.target, "CgroupPermissions": "rwm"}
            for each in devices
        ],
        "VolumesFrom": list(asked.volumes_from) or None,
    }
    if asked.tmpfs:
        named["Tmpfs"] = dict(word.partition(":")[::2] for word in asked.tmpfs)
    if asked.storage_opt:
        from cowl.container.size_limit import MODE

        named["StorageOpt"] = dict(asked.storage_opt)
        named["StorageOptMode"] = MODE
    if asked.mounts:
        named["Mounts"] = [dict(pairs) for pairs in asked.mounts]
    return named


def _restart_policy(settings: Settings) -> dict[str, Any]:
    name, _, retries = settings.restart.partition(":")
    return {"Name": name, "MaximumRetryCount": int(retries or 0)}


def _is_anonymous(mount: Mount) -> bool:
    return mount.kind == "volume" and not mount.named


def _mount(mount: Mount, volume_path: Callable[[str], str]) -> dict[str, Any]:
    place = {
        "Destination": mount.target,
        "Mode": "ro" if mount.read_only else "",
        "RW": not mount.read_only,
    }
    if mount.kind == "bind":
        return {
            "Type": "bind",
            "Source": mount.source,
            **place,
            "Propagation": mount.propagation or "rprivate",
        }
    if mount.kind == "tmpfs":
        return {"Type": "tmpfs", "Source": "", **place, "Mode": "", "Propagation": ""}
    source = volume_path(mount.source)
    return {
        "Type": "volume",
        "Name": mount.source,
        "Source": source,
        **place,
        "Driver": "local",
        "Propagation": "",
    }


def rfc3339(seconds: float | None) -> str:
    """UTC with nanosecond digits as Docker prints it; its zero time for None."""
    if not seconds:
        return "0001-01-01T00:00:00Z"
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1e9):09d}Z"
