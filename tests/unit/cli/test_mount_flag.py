"""--mount to the fields of a mount, and flags of Docker's that are refused by name."""

from __future__ import annotations

import os

import pytest

from cowl.cli.csv_fields import InvalidFields
from cowl.cli.mount_flag import mount_fields


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("type=volume,src=data,dst=/a", {"type": "volume", "src": "data", "dst": "/a"}),
        (
            "Type=bind,readonly,src=/h,dst=/a:b",
            {"type": "bind", "readonly": "true", "src": "/h", "dst": "/a:b"},
        ),
        ('type=bind,"src=/h,i",dst=/a', {"type": "bind", "src": "/h,i", "dst": "/a"}),
        ("type=bind,src=./h,dst=/a", {"type": "bind", "src": os.path.abspath("h"), "dst": "/a"}),
        (
            "src=data,dst=/a,volume-nocopy,ro=0",
            {"src": "data", "dst": "/a", "volume-nocopy": "true", "ro": "0"},
        ),
    ],
)
def test_fields(text: str, fields: dict[str, str]) -> None:
    assert mount_fields(text) == fields


@pytest.mark.parametrize("text", ["src=data,/a", 'src="a,dst=/b', "nonsense"])
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(InvalidFields):
        mount_fields(text)
