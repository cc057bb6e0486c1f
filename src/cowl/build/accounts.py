"""Accounts: whom --chown and USER mean, by the image's own account files, as BuildKit's copy does it."""

from __future__ import annotations

from cowl.errors import Invalid, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.layer.view import MergedView

ACCOUNTS_LIMIT = 4 << 20  # bytes of an account file that are believed
_ID_LIMIT = 1 << 31


class UnknownOwner(Invalid):
    """An owner that the image does not know, or that is no id. Fields: text, name."""

    def __init__(self, text: str, name: str, why: str) -> None:
        super().__init__(f"can't give files to {text!r}: {why}", hint="Write numbers, such as 1000:1000.")
        self.text = text
        self.name = name


def owner_ids(text: str, view: MergedView) -> tuple[int, int]:
    """(uid, gid) of "user", "user:group", in names or numbers. Raises UnknownOwner.

    A number without a group is its own group; a name without one has the group of its account.
    """
    user, _, group = text.partition(":")
    uid, gid = _user(text, user, view) if user else (0, 0)
    return uid, _group(text, group, view) if group else gid


def _user(text: str, name: str, view: MergedView) -> tuple[int, int]:
    if name.isdecimal():
        number = _number(text, name)
        return number, number
    fields = _line(view, "/etc/passwd", name, 4)
    if fields is None:
        raise UnknownOwner(text, name, f"the image's /etc/passwd has no user {name!r}")
    return _number(text, fields[2]), _number(text, fields[3])


def _group(text: str, name: str, view: MergedView) -> int:
    if name.isdecimal():
        return _number(text, name)
    fields = _line(view, "/etc/group", name, 3)
    if fields is None:
        raise UnknownOwner(text, name, f"the image's /etc/group has no group {name!r}")
    return _number(text, fields[2])


def _number(text: str, digits: str) -> int:
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 10 or int(digits) >= _ID_LIMIT:
        raise UnknownOwner(text, digits, f"{digits[:20]!r} is no id: they go from 0 to {_ID_LIMIT - 1}")
    return int(digits)


def _line(view: MergedView, path: str, name: str, count: int) -> list[str] | None:
    try:
        data = view.read_file(path, ACCOUNTS_LIMIT)
    except NotFound:
        return None
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if fields[0] == name and len(fields) >= count:
            return fields
    return None
