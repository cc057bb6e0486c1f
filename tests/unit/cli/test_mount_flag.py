"""--mount to the words of -v."""

from __future__ import annotations

import pytest

from cowl.cli.csv_fields import InvalidFields
from cowl.cli.mount_flag import mount_word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("type=volume,src=data,dst=/a", "data:/a"),
        ("source=data,target=/a", "data:/a"),
        ("src=data,destination=/a,readonly", "data:/a:ro"),
        ("src=data,dst=/a,ro=true,volume-nocopy", "data:/a:ro,nocopy"),
        ("src=data,dst=/a,readonly=false,volume-nocopy=0,volume-driver=local", "data:/a"),
        ("dst=/a", "/a"),
        ("type=bind,src=/h,dst=/a", "/h:/a"),
        ("type=bind,src=./h,dst=/a,ro", "./h:/a:ro"),
        ('type=bind,"src=/h,i",dst=/a', "/h,i:/a"),
    ],
)
def test_words(text: str, word: str) -> None:
    assert mount_word(text) == word


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("src=data", "target is missing"),
        ("type=bind,dst=/a", "source is missing"),
        ("type=bind,src=h,dst=/a", "no path"),
        ("src=/h,dst=/a", "type=bind"),
        ("type=tmpfs,dst=/a", "not supported"),
        ("type=nfs,dst=/a", "type=nfs"),
        ("src=data,dst=/a,volume-opt=x=y", "volume-opt of a mount"),
        ("src=data,dst=/a,volume-label=x=y", "volume-label of a mount"),
        ("type=bind,src=/h,dst=/a,bind-propagation=shared", "bind-propagation"),
        ("type=bind,src=/h,dst=/a,volume-nocopy", "unknown key 'volume-nocopy'"),
        ("src=data,dst=/a,volume-driver=nfs", "no volume driver"),
        ("dst=/a,readonly", "without a name"),
        ("dst=/a,volume-nocopy", "without a name"),
        ("src=data,dst=/a:b", "with ':'"),
        ("src=data,dst=/a,readonly=maybe", "true or false"),
        ("src=data,/a", "key=value"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        mount_word(text)
    assert reason in f"{caught.value.message} {caught.value.hint}"
