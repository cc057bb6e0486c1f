"""The keyword options of `Engine.build`, for type checkers only (PEP 692)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TypedDict

from cowl.caches import CacheSource, CacheTarget
from cowl.outputs import Output


class BuildKeywords(TypedDict, total=False):
    """See BuildRequest for their meaning."""

    build_args: Mapping[str, str | None]
    build_contexts: Mapping[str, str | PathLike[str]]
    cache_from: Sequence[CacheSource]
    cache_to: Sequence[CacheTarget]
    dockerfile: str | None
    explain: bool
    jobs: int
    labels: Mapping[str, str]
    network: str
    no_cache: bool
    no_cache_filter: Sequence[str]
    outputs: Sequence[Output]
    platform: str
    pull: bool
    tags: Sequence[str]
    target: str
    timestamp: int | None
