"""The JSON value of `docker image inspect`."""

from __future__ import annotations

import json

from cowl.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.image.view import Image
    from cowl.oci.image_config import ContainerConfig


def image_attrs(image: Image) -> dict[str, Any]:
    """Docker's keys in Docker's order; what cowl does not have is left out rather than made up."""
    config = image.config
    return {
        "Id": image.id,
        "RepoTags": list(image.tags),
        "RepoDigests": [Reference.parse(name).familiar for name in image.repo_digests],
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "Created": image.created,
        "Author": config.author,
        "Config": config_attrs(config.config),
        "Architecture": config.architecture,
        **({"Variant": config.variant} if config.variant else {}),
        "Os": config.os,
        "Size": image.size_bytes,
        "VirtualSize": image.size_bytes,
        "GraphDriver": {"Name": "cowl", "Data": {"Layers": [layer.key for layer in image.layers]}},
        "RootFS": {"Type": "layers", "Layers": [str(layer.diff_id) for layer in image.layers]},
    }


def config_attrs(config: ContainerConfig) -> dict[str, Any]:
    """The "Config" object that images and containers share."""
    attrs: dict[str, Any] = {
        "User": config.user,
        "Env": list(config.env),
        "Cmd": list(config.cmd) if config.cmd is not None else None,
        "Volumes": {path: {} for path in config.volumes} or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": list(config.entrypoint) if config.entrypoint is not None else None,
        "Labels": dict(config.labels) or None,
    }
    if config.exposed_ports:
        attrs["ExposedPorts"] = {port: {} for port in config.exposed_ports}
    if config.stop_signal:
        attrs["StopSignal"] = config.stop_signal
    if config.shell is not None:
        attrs["Shell"] = list(config.shell)
    if config.healthcheck:
        attrs["Healthcheck"] = json.loads(config.healthcheck)
    if config.onbuild:
        attrs["OnBuild"] = list(config.onbuild)
    return attrs
