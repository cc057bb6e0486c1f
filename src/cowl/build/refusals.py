"""Refusals: what of the language is not carried out yet, said before anything runs."""

from __future__ import annotations

from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import DockerfileError, error_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl.dockerfile.nodes import Dockerfile, Instruction, Word
    from cowl.oci.platform import Platform


def check_supported(file: Dockerfile, node: Instruction, network: str = "") -> None:  # noqa: ARG001
    """Raises DockerfileError when `node`, expanded or not, needs what is not there yet."""
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


def _refusal(
    file: Dockerfile, node: Instruction, what: str, word: Word | None = None, *, hint: str = ""
) -> DockerfileError:
    reason = f"{node.keyword} {what} is not supported by this version of cowl"
    return error_at(file, node, reason, word=word, hint=hint or "Leave it out, if the build does without.")


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
