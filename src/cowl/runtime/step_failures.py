"""What it means that a step of a plan failed, in words."""

from __future__ import annotations

import errno

from cowl.linux.rung import IDS_COUNT, SINGLE
from cowl.runtime import operations as op
from cowl.runtime.failures import UserNotMapped


def not_mapped(step: op.BecomeUser, rung: str) -> UserNotMapped:
    """The container has no such id."""
    groups = ", ".join(str(group) for group in step.groups if group != step.gid)
    more = f" or one of its groups {groups}" if groups else ""
    advice = "without a range of subordinate ids a container has the ids of one user only"
    return UserNotMapped(
        f"the user {step.uid}:{step.gid}{more} does not exist in this container's user namespace",
        hint=advice if rung == SINGLE else f"the ids of a container are below {IDS_COUNT}",
    )


def shown(operation: op.Operation) -> str:
    """An operation with what tells it from others of its kind."""
    name = type(operation).__name__
    fields = ((key, value) for key, value in operation.as_dict().items() if key in _TELLING)
    return f"{name}({', '.join(f'{key}={value}' for key, value in fields)})"


_TELLING = ("kind", "target", "path", "name", "uid", "gid")


def hint(operation: op.Operation, error: OSError) -> str:
    """What to do, where it is known."""
    if isinstance(operation, op.MountFilesystem) and operation.kind == "proc" and error.errno == errno.EPERM:
        return (
            "the host's /proc is partly hidden (inside another container?): run that with an unmasked /proc"
        )
    if isinstance(operation, op.WriteSysctl):
        return "does this kernel have it, and let a container's root write it?"
    if isinstance(operation, op.MountRoot | op.BindOverlay):
        return "overlayfs refused the layers; the kernel's log (dmesg) says why"
    return ""
