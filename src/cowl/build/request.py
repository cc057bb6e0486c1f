"""The request of a build: everything that the caller decides, as one frozen value."""

from __future__ import annotations

from cowl.value import Value

NETWORKS = ("host", "none")


class BuildRequest(Value):
    """What to build.

    context     absolute path of the directory that COPY and ADD read
    dockerfile  absolute path, or relative to the context; "" is <context>/Dockerfile
    tags        names for the image, as a user writes them
    build_args  (name, value) pairs; None as value leaves the Dockerfile's default
    labels      (key, value) pairs, put over those of the Dockerfile
    target      name or number of the stage to build; "" is the last one
    no_cache    run every step again
    platform    os/architecture[/variant]; "" is this machine's
    network     of RUN: "host" or "none"
    """

    context: str
    dockerfile: str = ""
    tags: tuple[str, ...] = ()
    build_args: tuple[tuple[str, str | None], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    target: str = ""
    no_cache: bool = False
    platform: str = ""
    network: str = "host"
