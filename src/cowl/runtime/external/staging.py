"""Where an external runtime finds what it makes a container of: a mount namespace for it alone.

What is mounted here is in no other mount table than this one and the container's, so nothing is left when
both have ended, however they end.
"""

from __future__ import annotations

import json
import os

from cowl.linux import mounts
from cowl.linux.files import open_beneath
from cowl.runtime import binding
from cowl.runtime.external.plan import PLACE
from cowl.runtime.operations import BindMemory
from cowl.runtime.targets import is_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.runtime.external.plan import ExternalPlan

STATE = f"{PLACE}/state"
_PATH = os.O_PATH | os.O_CLOEXEC
_UNIFIED = "/sys/fs/cgroup/unified"


def merge(plan: ExternalPlan, layers: tuple[int, ...]) -> tuple[int, ...]:
    """Mounts the root and the other trees of a plan: detached, in their order.

    In a process in the user and mount namespaces that they are to belong to. Raises OSError, CowlError.
    """
    mounts.make_private()
    scratch = mounts.new_filesystem("tmpfs", (("mode", "0700"),))
    _attach(scratch, "/")
    os.fchdir(scratch)
    for step in plan.collected:
        os.mkdir(step.name, 0o700)
        mounts.attach(layers[step.source], scratch, step.name)
    root = binding.mount_overlay(scratch, "root", plan.root.lowers, plan.root.upper, plan.root.work)
    if plan.root.attributes:
        mounts.set_attributes(root, mounts.NO_DEV)
    trees = [mounts.clone_fd(root)]
    for tree in plan.trees:
        if isinstance(tree, BindMemory):
            trees.append(binding.memory_file(scratch, tree))
        else:
            trees.append(binding.overlay_tree(scratch, tree))
    mounts.detach_here()  # under it we would count as one in a chroot, who may make no user namespace
    os.chdir("/")
    return tuple(trees)


def stage(plan: ExternalPlan, spec: dict[str, Any], trees: tuple[int, ...], binds: tuple[int, ...]) -> None:
    """Lays out the bundle at PLACE, in this process's own mount namespace. Closes nothing.

    PLACE has config.json, root, tree0, ..., bind0, ... and `state`, the runtime's directory of states.
    """
    place = stage_state(plan.directory)
    names = ("root", *(f"tree{number}" for number in range(len(trees) - 1)))
    for name, tree in (*zip(names, trees, strict=True), *((f"bind{n}", fd) for n, fd in enumerate(binds))):
        _put(place, name, tree)
    config = os.open("config.json", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=place)
    with os.fdopen(config, "w") as file:
        json.dump(spec, file)


def stage_state(directory: str) -> int:
    """PLACE with `state` alone, for what a runtime does with a container that is there; a descriptor of it.

    runc wants to have the path of the root as its working directory, if only as a name.
    """
    mounts.make_private()
    state = mounts.clone_tree(state_directory(directory))
    place = mounts.new_filesystem("tmpfs", (("mode", "0755"),))
    _attach(place, PLACE)
    os.mkdir("root", 0o755, dir_fd=place)
    _put(place, "state", state)
    return place


def state_directory(directory: str) -> str:
    """Where the state of a container lies on the host."""
    return f"{directory}/runtime"


def hide_hybrid() -> None:
    """Covers the second tree of cgroups in this mount namespace: crun refuses to work where there are two."""
    try:
        target = os.open(_UNIFIED, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    mounts.attach(mounts.new_filesystem("tmpfs", (("mode", "0555"),)), target)
    os.close(target)


def _put(place: int, name: str, tree: int) -> None:
    if is_directory(tree):
        _make_directory(place, name)
    else:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=place))
    target = open_beneath(place, name, _PATH)
    mounts.attach(tree, target)
    os.close(target)


def _make_directory(place: int, name: str) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=place)
    except FileExistsError:
        pass


def _attach(tree: int, path: str) -> None:
    target = os.open(path, _PATH | os.O_DIRECTORY)
    mounts.attach(tree, target)
    os.close(target)
