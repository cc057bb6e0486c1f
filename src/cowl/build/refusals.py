"""Refusals: what of the language is not carried out, said before anything runs."""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.dockerfile.nodes import Dockerfile, Instruction
    from cowl.oci.platform import Platform


def check_supported(file: Dockerfile, node: Instruction, network: str = "") -> None:  # noqa: ARG001
    """Raises DockerfileError when `node`, expanded or not, asks for what no build gives."""
    check = _CHECKS.get(type(node))
    if check:
        check(file, node)


def check_platform(file: Dockerfile, node: nodes.From, wanted: Platform | None, found: Platform) -> None:
    """Raises DockerfileError when a base image is for another platform than the one asked for."""
    if wanted is not None and not wanted.matches(found):
        raise error_at(
            file,
            node,
            f"the base image is for {found}, not for {wanted}",
            word=node.image,
            hint="Pull the other one with `cowl pull --platform`, or build with --pull.",
        )


def _run(file: Dockerfile, node: nodes.Run) -> None:
    if node.devices:
        raise error_at(
            file,
            node,
            f"RUN --device={node.devices[0]}: a RUN of cowl has no devices of the host",
            word=node.devices[0],
            hint="A device needs rights that a rootless build does not have. Use it in a container outside.",
        )


def _copy(file: Dockerfile, node: nodes.Copy) -> None:
    for word in node.sources if not node.from_ else ():
        if word.startswith(("http://", "https://", "git://", "ssh://", "git@")):
            reason = "COPY fetches no URL and no git repository"
            raise error_at(file, node, reason, word=word, hint="Write ADD instead.")


_CHECKS: dict[type[Instruction], Callable[[Dockerfile, Any], None]] = {
    nodes.Copy: _copy,
    nodes.Run: _run,
}
