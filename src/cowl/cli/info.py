"""info: the store, the machine, and what this kernel lets this user do."""

from __future__ import annotations

import os

from cowl.cli.text import visible

ACTIVE = ("running", "paused", "restarting")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.call import Call

RUNGS = {
    "root": "privileged, containers have a range of ids",
    "single-id": "a user namespace with one id, owners are recorded beside the files",
    "none": "no user namespaces: everything but running works",
}


def info(call: Call) -> int:
    """`cowl info`."""
    found = gather(call)
    if call.text("format"):
        from cowl.cli.inspect import render

        print(render([found], call.text("format")))
        return 0
    print(visible("\n".join(lines(found))))
    return 0


def gather(call: Call) -> dict[str, Any]:
    """What there is to know, under Docker's names where it has them."""
    from cowl.cli.version import versions

    with call.engine() as engine:
        states = [box.state for box in engine.containers(all=True)]
        probe, network = engine.info(), engine.default_network()
        root, images = engine.config.root, len(engine.image_summaries())
    client = versions()["Client"]
    return {
        "Containers": len(states),
        "ContainersRunning": states.count("running") + states.count("restarting"),
        "ContainersPaused": states.count("paused"),
        "ContainersStopped": len(states) - sum(states.count(name) for name in ACTIVE),
        "Images": images,
        "Driver": "cowl",
        "DockerRootDir": root,
        "ServerVersion": client["Version"],
        "KernelVersion": client["KernelVersion"],
        "OSType": "linux",
        "Architecture": os.uname().machine,
        "NCPU": os.cpu_count() or 1,
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "Name": os.uname().nodename,
        "DefaultNetwork": network.as_dict(),
        "Rung": probe.rung,
        "Probe": probe.as_dict(),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The text form: Docker's labels, one fact a line."""
    from cowl.cli import human

    facts = {name: value for name, value in found["Probe"].items() if name not in ("kernel", "rung")}
    return [
        f"Containers: {found['Containers']}",
        f" Running: {found['ContainersRunning']}",
        f" Paused: {found['ContainersPaused']}",
        f" Stopped: {found['ContainersStopped']}",
        f"Images: {found['Images']}",
        f"Version: {found['ServerVersion']}",
        f"Root Dir: {found['DockerRootDir']}",
        f"Rung: {found['Rung']} ({RUNGS.get(found['Rung'], found['Rung'])})",
        *(f" {name.replace('_', '-')}: {value}" for name, value in facts.items()),
        f"Default Network: {_network(found['DefaultNetwork'])}",
        f"Kernel Version: {found['KernelVersion']}",
        f"OSType: {found['OSType']}",
        f"Architecture: {found['Architecture']}",
        f"CPUs: {found['NCPU']}",
        f"Total Memory: {human.size(found['MemTotal'])}",
        f"Name: {found['Name']}",
    ]


def _network(default: dict[str, str]) -> str:
    return f"{default['name']} ({default['blocker']})" if default["blocker"] else default["name"]
