"""A container in the caller's hand, a chapter of its calls in each module beside."""

from __future__ import annotations

from cowl.container.handle.copies import ContainerCopies
from cowl.container.handle.files import ContainerFiles
from cowl.container.handle.inside import ContainerInside
from cowl.container.handle.life import ContainerLife
from cowl.container.handle.limits import ContainerLimits
from cowl.container.handle.networks import ContainerNetworks
from cowl.container.handle.output import ContainerOutput


class Container(
    ContainerLife,
    ContainerLimits,
    ContainerInside,
    ContainerOutput,
    ContainerCopies,
    ContainerFiles,
    ContainerNetworks,
):
    """A handle, not a value: its state is read from the store when asked for.

    Made by `Engine.start`, `Engine.container` and `Engine.containers`. As a context manager one that
    this engine started is killed, and removed if it was started with `remove=True`, when the block ends;
    one that was only looked up is left alone.
    """
