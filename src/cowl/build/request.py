"""The request of a build: everything that the caller decides, as one frozen value."""

from __future__ import annotations

import os

from cowl.build.addresses import is_remote
from cowl.build.run_settings import RunSettings, run_settings
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from cowl.build.keywords import BuildKeywords
    from cowl.caches import CacheSource, CacheTarget
    from cowl.outputs import Output

NETWORKS = ("host", "none")
SETTINGS = ("add_hosts", "allow", "secrets", "shm_size", "ssh", "ulimits")  # keywords of `run_settings`


class BuildRequest(Value):
    """What to build.

    context     absolute path of the directory that COPY and ADD read; the URL of an archive (tar, plain
                or compressed) or of a Dockerfile; the address of a git repository, with `#ref:directory`;
                a binary stream of an archive or a Dockerfile, read to its end; None for no files at all
    dockerfile  absolute path, or relative to the context; "" is <context>/Dockerfile; bytes are its text
    tags        names for the image, as a user writes them
    build_args  (name, value) pairs; None as value leaves the Dockerfile's default
    labels      (key, value) pairs, put over those of the Dockerfile
    target      name or number of the stage to build; "" is the last one
    no_cache    run every step again
    no_cache_filter
                names of stages of which every step is run again
    platform    os/architecture[/variant]; "" is this machine's
    pull        ask the registry for newer bases
    network     of RUN: "host" or "none"

    build_contexts  (name, value) pairs that take the place of images and stages: a directory,
                    docker-image://REFERENCE or oci-layout://DIRECTORY[:TAG|@DIGEST]
    cache_from      where else than in the store the results of steps may be found
    cache_to        where to put the results of this build's steps
    explain         look into all layers, also those of the base, for where the bytes went
    jobs            how many stages to build at a time; 0 is as many as there are processors
    outputs         what to give; () is an image in the store
    squash          make the new layers into one
    squash_from     the number of a step: make its layer and those after it into one; 0 is none
    timestamp       seconds since 1970: the time of the image and the latest of its new files, as the build
                    argument SOURCE_DATE_EPOCH gives it; None is now
    settings    more about RUNs: secrets, agents, limits, entitlements
    """

    context: str | BinaryIO | None
    dockerfile: str | bytes = ""
    tags: tuple[str, ...] = ()
    build_args: tuple[tuple[str, str | None], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    target: str = ""
    no_cache: bool = False
    platform: str = ""
    pull: bool = False
    network: str = "host"
    build_contexts: tuple[tuple[str, str], ...] = ()
    cache_from: tuple[CacheSource, ...] = ()
    cache_to: tuple[CacheTarget, ...] = ()
    explain: bool = False
    jobs: int = 0
    no_cache_filter: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    squash: bool = False
    squash_from: int = 0
    timestamp: int | None = None
    settings: RunSettings = RunSettings()


def build_request(context: str | os.PathLike[str] | BinaryIO | None, options: BuildKeywords) -> BuildRequest:
    """The request that the keywords of `Engine.build` say: mappings to pairs, paths to absolute ones.

    A Dockerfile that is a stream is read.
    """
    given: dict[str, object] = dict(options)
    for name in ("build_args", "labels"):
        if name in given:
            given[name] = tuple(dict(given[name]).items())  # type: ignore[call-overload]
    if "build_contexts" in given:
        from cowl.build.named_contexts import absolute_context

        pairs = options["build_contexts"].items()
        given["build_contexts"] = tuple((name, absolute_context(os.fspath(value))) for name, value in pairs)
    told = {name: given.pop(name) for name in SETTINGS if name in given}
    if told:
        given["settings"] = run_settings(**told)  # type: ignore[arg-type]
    for name in ("cache_from", "cache_to", "no_cache_filter", "outputs", "tags"):
        given[name] = tuple(given.get(name, ()))  # type: ignore[arg-type]
    given["dockerfile"] = _dockerfile(options.get("dockerfile"))
    return BuildRequest(context=_context(context), **given)  # type: ignore[arg-type]


def _context(given: str | os.PathLike[str] | BinaryIO | None) -> str | BinaryIO | None:
    """As BuildRequest has it. What stands on this machine under the name of an address is meant itself."""
    if isinstance(given, str) and is_remote(given) and not os.path.lexists(given):
        return given
    return os.path.abspath(given) if isinstance(given, str | os.PathLike) else given


def _dockerfile(given: str | os.PathLike[str] | bytes | BinaryIO | None) -> str | bytes:
    if given is None or isinstance(given, bytes):
        return given or ""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    from cowl.build.remote.contexts import read_text

    return read_text(given, "the stream with the Dockerfile")
