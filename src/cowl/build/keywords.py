"""The keyword options of `Engine.build`, for type checkers only (PEP 692)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import BinaryIO, TypedDict

from cowl.build.run_settings import SecretValue, Ulimit
from cowl.caches import CacheSource, CacheTarget
from cowl.outputs import Output


class BuildKeywords(TypedDict, total=False):
    """See BuildRequest for their meaning, and these for RUN:

    add_hosts  name to address, for /etc/hosts; "host-gateway" is this machine
    allow      "network.host", "security.insecure": what the Dockerfile may ask for
    secrets    id to value (bytes, str) or to a file (os.PathLike), for RUN --mount=type=secret
    shm_size   room in /dev/shm, in bytes or as "64m"
    ssh        id to the socket of an agent, or to key files, for RUN --mount=type=ssh
    ulimits    name ("nofile") to a number, (soft, hard), or "soft:hard"; -1 is no limit
    """

    add_hosts: Mapping[str, str] | Iterable[tuple[str, str]]
    allow: Iterable[str]
    build_args: Mapping[str, str | None]
    build_contexts: Mapping[str, str | PathLike[str]]
    cache_from: Sequence[CacheSource]
    cache_to: Sequence[CacheTarget]
    dockerfile: str | PathLike[str] | bytes | BinaryIO | None
    explain: bool
    jobs: int
    labels: Mapping[str, str]
    network: str
    no_cache: bool
    no_cache_filter: Sequence[str]
    outputs: Sequence[Output]
    platform: str
    pull: bool
    secrets: Mapping[str, SecretValue]
    shm_size: int | str
    ssh: Mapping[str, str | Sequence[str]]
    squash: bool
    squash_from: int
    tags: Sequence[str]
    target: str
    timestamp: int | None
    ulimits: Mapping[str, Ulimit]
