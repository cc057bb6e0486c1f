"""Caches that travel: where a build finds the results of steps, and where it puts its own, as values.

What naming a source means for trust is in docs/decisions/0017-travelling-cache.md.
"""

from __future__ import annotations

from cowl.outputs import BlobForm
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

MIN, MAX = "min", "max"
DEFAULT_TAG = "latest"


class LocalCacheSource(Value):
    """A layout in the directory `src`, an absolute path: the cache under `tag`, or by its `digest`."""

    src: str
    tag: str = DEFAULT_TAG
    digest: str = ""


class RegistryCacheSource(Value):
    """What `ref` names at its registry: a cache, or an image with an inline one."""

    ref: str


class LocalCacheTarget(Value):
    """A layout in the directory `dest`, an absolute path, under `tag`.

    mode          MIN: the steps that the image lies on; MAX: those of all stages
    ignore_error  a failure to write it is a warning
    """

    dest: str
    mode: str = MIN
    tag: str = DEFAULT_TAG
    blobs: BlobForm = BlobForm()
    ignore_error: bool = False


class RegistryCacheTarget(Value):
    """A manifest of its own under `ref` at its registry. The other fields as of LocalCacheTarget."""

    ref: str
    mode: str = MIN
    blobs: BlobForm = BlobForm()
    ignore_error: bool = False


class InlineCacheTarget(Value):
    """In the image's own config, of the steps that the image lies on. The layers are the image's."""


CacheSource: TypeAlias = "LocalCacheSource | RegistryCacheSource"
CacheTarget: TypeAlias = "LocalCacheTarget | RegistryCacheTarget | InlineCacheTarget"
