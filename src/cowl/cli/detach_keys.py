"""The keys that leave a container: Docker's --detach-keys, and detachKeys of its config.json."""

from __future__ import annotations

from cowl import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call

DEFAULT = "ctrl-p,ctrl-q"
_CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_"  # the place of a character is what ctrl makes of it
_CONFIG_BYTES = 1 << 20


class InvalidDetachKeys(Invalid):
    """What is no sequence of keys."""

    def __init__(self, text: str, key: str) -> None:
        super().__init__(
            f"invalid detach keys ({text}): unknown key {key!r}",
            hint="Write single characters, ctrl-<a to z, @, [, \\, ], ^ or _> and DEL, with commas: "
            f"{DEFAULT}",
        )


class DetachKeys:
    """Looks for the sequence in what is typed. The beginning of one is held back until it is none."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What is to be passed on, and whether the sequence came; what was typed after it is lost."""
        data = self._held + data
        found = data.find(self._keys)
        if found >= 0:
            self._held = b""
            return data[:found], True
        longest = min(len(self._keys) - 1, len(data))
        held = next((n for n in range(longest, 0, -1) if data.endswith(self._keys[:n])), 0)
        self._held = data[len(data) - held :]
        return data[: len(data) - held], False


def parse_keys(text: str) -> bytes:
    """The bytes that a terminal sends for them. Raises InvalidDetachKeys."""
    return bytes([_code(text, key) for key in text.split(",")])


def _code(text: str, key: str) -> int:
    if len(key) == 1 and key.isascii():
        return ord(key)
    if key == "DEL":
        return 127
    letter = key.removeprefix("ctrl-")
    if letter == key or len(letter) != 1 or letter not in _CONTROLS:
        raise InvalidDetachKeys(text, key)
    return _CONTROLS.index(letter)


def detach_keys(call: Call, config_file: str) -> DetachKeys:
    """Those of --detach-keys, else of Docker's config.json, else the usual ones. Raises InvalidDetachKeys."""
    return DetachKeys(parse_keys(call.text("detach-keys") or _configured(config_file) or DEFAULT))


def check_keys(call: Call) -> None:
    """Raises InvalidDetachKeys for a flag that is wrong, before anything is started."""
    if call.text("detach-keys"):
        parse_keys(call.text("detach-keys"))


def _configured(path: str) -> str:
    """A file that is no JSON is the business of those who need its credentials."""
    if not path:
        return ""
    import json

    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(_CONFIG_BYTES))
    except (OSError, ValueError):
        return ""
    keys = found.get("detachKeys") if isinstance(found, dict) else None
    return keys if isinstance(keys, str) else ""
