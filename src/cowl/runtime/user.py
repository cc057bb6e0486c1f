"""Which ids `USER` and `--user` mean, from an image's own account files. Pure: nothing asks the host."""

from __future__ import annotations

from cowl.errors import Invalid, NotFound
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ID_LIMIT = 1 << 31  # ids are below it, as for Docker: beyond lie -1 and ids that wrap to 0


class InvalidUser(Invalid):
    """The user is written wrongly, or its number is no id."""

    def __init__(self, text: str, reason: str, kind: str = "user") -> None:
        self.text = text
        super().__init__(f"invalid {kind} {text!r}: {reason}")


class NoSuchUser(NotFound):
    """The image has no account or group of that name."""

    def __init__(self, kind: str, name: str) -> None:
        self.name = name
        file = "/etc/passwd" if kind == "user" else "/etc/group"
        super().__init__(
            f"unable to find {kind} {name}: no matching entries in the image's {file}",
            hint="give a number, or add the account in the image",
        )


class User(Value):
    """Whose rights a process has. `name` is "" for an id without an account; its home is then "/"."""

    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    home: str = "/"
    name: str = ""


ROOT_USER = User()


def resolve_user(text: str, passwd: bytes, group: bytes) -> User:
    """ "", "name", "uid", "user:group" to ids, as Docker does it; malformed lines are skipped.

    Without a group, the account's own and those that list it in the group file; with one, only that.
    Raises InvalidUser, NoSuchUser.
    """
    name, colon, group_name = text.partition(":")
    if colon and not (name and group_name):
        raise InvalidUser(text, "expected user:group")
    user = _account(text, name, passwd)
    if group_name:
        return user.replace(gid=_group_id(text, group_name, group))
    return user.replace(additional_gids=_memberships(user, group))


def resolve_group(text: str, group: bytes) -> int:
    """The id of a supplementary group, by its name or number. Raises InvalidUser, NoSuchUser."""
    return _group_id(text, text, group)


def _account(text: str, name: str, passwd: bytes) -> User:
    for fields in _records(passwd, 7):
        ids = _number(fields[2]), _number(fields[3])
        if fields[0] == name or fields[2] == (name or "0"):
            if ids[0] is None or ids[1] is None:
                raise InvalidUser(text, f"its line in the image's /etc/passwd has no valid ids: {fields!r}")
            return User(ids[0], ids[1], (), fields[5] or "/", fields[0])
    if not name:
        return ROOT_USER
    return User(_literal(text, name, "user"))


def _group_id(text: str, name: str, group: bytes) -> int:
    for fields in _records(group, 4):
        if name in (fields[0], fields[2]):
            number = _number(fields[2])
            if number is None:
                raise InvalidUser(text, f"its line in the image's /etc/group has no valid id: {fields!r}")
            return number
    return _literal(text, name, "group")


def _memberships(user: User, group: bytes) -> tuple[int, ...]:
    if not user.name:
        return ()
    gids = (_number(fields[2]) for fields in _records(group, 4) if user.name in fields[3].split(","))
    return tuple(dict.fromkeys(gid for gid in gids if gid is not None))


def _literal(text: str, name: str, kind: str) -> int:
    """A name that no account has must be a number."""
    number = _number(name)
    if number is not None:
        return number
    digits = name.lstrip("+-")
    if digits.isascii() and digits.isdigit():
        named = kind if text == name else "user"
        raise InvalidUser(text, f"ids are in the range 0-{ID_LIMIT - 1}", named)
    raise NoSuchUser(kind, name)


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        return None
    number = int(text)
    return number if number < ID_LIMIT else None


def _records(data: bytes, count: int) -> Iterator[list[str]]:
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.strip().split(":")
        if len(fields) >= count:
            yield fields
