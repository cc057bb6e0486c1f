"""Values of the library as JSON documents: their fields under their own names."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def to_json(value: Any, **more: Any) -> str:
    """One indented document, `more` as further members. ASCII, so that names that aren't UTF-8 survive: a
    byte 0xff is the lone surrogate \\udcff, as os.fsdecode has it."""
    found = plain(value)
    if more:
        found.update({name: plain(each) for name, each in more.items()})
    return json.dumps(found, indent=2)


def plain(value: Any) -> Any:
    """Values as dicts, tuples as lists, all else as it is."""
    if hasattr(value, "as_dict"):
        return {name: plain(each) for name, each in value.as_dict().items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value
