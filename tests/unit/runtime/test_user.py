"""USER and --user, as Docker reads them."""

from __future__ import annotations

import pytest

from cowl.runtime.user import InvalidUser, NoSuchUser, User, resolve_user

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
node:x:1000:1001:Node:/home/node:/bin/sh
short:line
huge:x:4294967296:0::/:/bin/sh
minus:x:-1:-1::/:/bin/sh
nohome:x:7:8:::
1500:x:2:3:a name of digits:/digits:/bin/sh
"""
GROUP = b"""root:x:0:
wheel:x:10:root,node
video:x:44:node
bad:x:9999999999:node
node:x:1001:
staff:x:50:
"""


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0, (10,), "/root", "root")),
        ("root", User(0, 0, (10,), "/root", "root")),
        ("0", User(0, 0, (10,), "/root", "root")),
        ("node", User(1000, 1001, (10, 44), "/home/node", "node")),
        ("1000", User(1000, 1001, (10, 44), "/home/node", "node")),
        ("node:staff", User(1000, 50, (), "/home/node", "node")),
        ("node:777", User(1000, 777, (), "/home/node", "node")),
        ("4711", User(4711, 0)),
        ("4711:4712", User(4711, 4712)),
        ("2147483647", User(2147483647, 0)),
        ("1500", User(2, 3, (), "/digits", "1500")),
        ("nohome", User(7, 8, (), "/", "nohome")),
    ],
)
def test_resolution(text: str, user: User) -> None:
    assert resolve_user(text, PASSWD, GROUP) == user


@pytest.mark.parametrize(
    "text",
    ["4294967296", "-1", "2147483648", "0:4294967296", "0:-1", "huge", "minus", ":5", "node:", "99999999999"],
)
def test_numbers_that_are_no_ids_never_become_0(text: str) -> None:
    with pytest.raises(InvalidUser):
        resolve_user(text, PASSWD, GROUP)


@pytest.mark.parametrize(
    ("text", "name"), [("nobody", "nobody"), ("root:none", "none"), ("²", "²"), (" 5", " 5")]
)
def test_names_that_are_not_there(text: str, name: str) -> None:
    with pytest.raises(NoSuchUser) as caught:
        resolve_user(text, PASSWD, GROUP)
    assert caught.value.name == name


def test_without_account_files() -> None:
    assert resolve_user("", b"", b"") == User(0, 0, (), "/", "")
    assert resolve_user("5:6", b"\xff\0\n:::::::", b"\xff") == User(5, 6)
