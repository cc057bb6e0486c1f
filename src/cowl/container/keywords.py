"""The keyword options of `Engine.run` and `Engine.start`, for type checkers only (PEP 692)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict


class UpdateKeywords(TypedDict, total=False):
    """Those that `Container.update` can change."""

    memory: int | str
    memory_reservation: int | str
    memory_swap: int | str
    cpus: float | str
    cpu_period: int
    cpu_quota: int
    cpu_shares: int
    cpuset_cpus: str
    cpuset_mems: str
    pids_limit: int | None
    blkio_weight: int


class RunKeywords(UpdateKeywords, total=False):
    """See RunOptions for their meaning."""

    name: str
    env: Mapping[str, str] | Sequence[str]
    user: str
    workdir: str
    hostname: str
    network: str
    entrypoint: Sequence[str] | None
    binds: Sequence[str]
    read_only: bool
    labels: Mapping[str, str] | Sequence[str]
    tty: bool
    open_stdin: bool
    stdin_once: bool
    init: bool
    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    security_opt: Sequence[str]
    privileged: bool
    sysctls: Mapping[str, str] | Sequence[str]
    group_add: Sequence[str | int]
    pid: str
    ipc: str
    uts: str
    userns: str
    cgroupns: str
    networks: Sequence[str]
    publish: Sequence[str | int]
    publish_all: bool
    expose: Sequence[str | int]
    network_alias: Sequence[str]
    ip: str
    dns: Sequence[str]
    dns_search: Sequence[str]
    dns_options: Sequence[str]
    add_host: Mapping[str, str] | Sequence[str]
    domainname: str
    memory_swappiness: int | None
    oom_kill_disable: bool
    oom_score_adj: int | None
    ulimits: Mapping[str, int | str | tuple[int, int]] | Sequence[str]
    shm_size: int | str
    cgroup_parent: str
    health_cmd: str | Sequence[str]
    health_interval: float
    health_timeout: float
    health_retries: int
    health_start_period: float
    health_start_interval: float
    no_healthcheck: bool
    tmpfs: Sequence[str]
    mounts: Sequence[Mapping[str, str | bool]]
    devices: Sequence[str]
    volumes_from: Sequence[str]
    storage_opt: Mapping[str, str] | Sequence[str]
    restart: str
    stop_signal: str
    stop_timeout: int | None
    log_driver: str
    log_options: Mapping[str, str] | Sequence[str]
    runtime: str
