"""--mount: a record of CSV to the fields of a mount; --device and others of its kind to keywords."""

from __future__ import annotations

import os

from cowl import Invalid
from cowl.cli.csv_fields import InvalidFields, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.call import Call

_BARE = ("readonly", "ro", "volume-nocopy", "bind-nonrecursive")  # may stand without a value
_LISTS = (
    ("tmpfs", "tmpfs"),
    ("devices", "device"),
    ("volumes_from", "volumes-from"),
    ("storage_opt", "storage-opt"),
)
_REFUSED = {
    "device-cgroup-rule": "a container has the devices that --device names, and no filter of cgroups",
    "gpus": "name the device nodes of the GPU with --device, and bind its libraries with -v",
}


class FlagRefused(Invalid):
    """A flag of Docker's that cowl has not."""


def fixtures(call: Call) -> dict[str, Any]:
    """The flags about what is put into a container, as keywords. Raises FlagRefused, InvalidFields."""
    for flag, hint in _REFUSED.items():
        if call.given(flag):
            raise FlagRefused(f"--{flag} is not supported by this version of cowl", hint=hint)
    found: dict[str, Any] = {name: call.many(flag) for name, flag in _LISTS if call.given(flag)}
    if call.given("mount"):
        found["mounts"] = [mount_fields(text) for text in call.many("mount")]
    return found


def mount_fields(text: str) -> dict[str, str]:
    """The fields of one --mount. A source below . or .. is one of this directory. Raises InvalidFields."""
    fields: dict[str, str] = {}
    for field in split("mount", text):
        key, equals, value = field.partition("=")
        name = key.strip().lower()
        if not equals and name not in _BARE:
            raise InvalidFields("mount", text, f"invalid field '{field}' must be a key=value pair")
        fields[name] = value if equals else "true"
    for name in ("source", "src"):
        if fields.get("type") == "bind" and fields.get(name, "").startswith("."):
            fields[name] = os.path.abspath(fields[name])
    return fields
