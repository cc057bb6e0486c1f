"""Entitlements: what a RUN may only have when the caller allowed it. A Dockerfile alone never gets there."""

from __future__ import annotations

from cowl.build.run_settings import INSECURE, NETWORK_HOST
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.nodes import Dockerfile, Instruction


def check_entitlements(file: Dockerfile, node: Instruction, network: str, allow: tuple[str, ...]) -> None:
    """Raises DockerfileError when a RUN asks for more than the caller gives.

    `network` is that of the build. The host's network is what RUNs have anyway, unless the build says
    "none": only then does --network=host need to be allowed.
    """
    if not isinstance(node, nodes.Run):
        return
    if node.network == "host" and network == "none" and NETWORK_HOST not in allow:
        raise error_at(
            file,
            node,
            "this build has no network: --network=host is not allowed",
            word=node.network,
            hint=f"Build with --allow {NETWORK_HOST}, if you trust this Dockerfile that far.",
        )
    if node.security == "insecure" and INSECURE not in allow:
        raise error_at(
            file,
            node,
            "--security=insecure is not allowed: it takes away the system call filter and all masked and"
            " read-only paths, and gives every capability within the user namespace",
            word=node.security,
            hint=f"Build with --allow {INSECURE}, if you trust this Dockerfile that far.",
        )
