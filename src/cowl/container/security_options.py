"""--security-opt: Docker's words, and what they come to."""

from __future__ import annotations

from cowl.container.words import InvalidOptions
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

UNCONFINED, BUILTIN = "unconfined", "builtin"
PROFILE_LIMIT = 1 << 20  # bytes; Docker's own profile has 15,000
_TRUTH = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}  # as Go reads them
_NOT_APPLIED = {
    "apparmor": ("unconfined", "an AppArmor profile"),
    "label": ("disable", "an SELinux label"),
}


class SecurityOptionRefused(InvalidOptions):
    """A word of --security-opt that is none, or that cowl can't hold to."""


class Security(Value):
    """What the words come to; None is: as the container is otherwise.

    no_new_privileges   whether a program may give more rights than its caller has
    seccomp             "", "unconfined", "builtin", or the text of a profile in Docker's form
    system_paths        whether the kernel's paths are masked and read-only
    """

    no_new_privileges: bool | None = None
    seccomp: str = ""
    system_paths: bool | None = None


def load_profiles(words: Iterable[str]) -> tuple[str, ...]:
    """The words with the file that seccomp=FILE names replaced by its text, which is what is kept.

    Raises SecurityOptionRefused.
    """
    return tuple(_load(word) for word in words)


def parse_security(words: Iterable[str]) -> Security:
    """Words (profiles as text) to what they mean; of equal ones the last. Raises SecurityOptionRefused."""
    found = Security()
    for word in words:
        key, value = split(word)
        if key == "no-new-privileges":
            found = found.replace(no_new_privileges=_boolean(word, value))
        elif key == "seccomp" and value:
            found = found.replace(seccomp=value)
        elif key == "systempaths" and value == UNCONFINED:
            found = found.replace(system_paths=False)
        else:
            _check_applied(word, key, value)
    return found


def split(word: str) -> tuple[str, str]:
    """Key and value; "key:value" is Docker's older form. Raises SecurityOptionRefused."""
    key, equals, value = word.partition("=")
    if not equals and ":" in word:
        key, equals, value = word.partition(":")
    if not equals and key != "no-new-privileges":
        raise SecurityOptionRefused(
            f"invalid --security-opt: {word!r}",
            hint="write no-new-privileges[=true|false], seccomp=FILE|unconfined or systempaths=unconfined",
        )
    return key, value


def _check_applied(word: str, key: str, value: str) -> None:
    """cowl sets neither profiles nor labels: only what says so is accepted."""
    if key not in _NOT_APPLIED:
        raise SecurityOptionRefused(f"invalid --security-opt: {word[:200]!r} is not known")
    accepted, thing = _NOT_APPLIED[key]
    if value != accepted:
        raise SecurityOptionRefused(
            f"invalid --security-opt: {word!r}: cowl can't give a container {thing}",
            hint=f"{key}={accepted} is what every container has here",
        )


def _boolean(word: str, value: str) -> bool:
    if not value and word == "no-new-privileges":
        return True
    if value not in _TRUTH:
        raise SecurityOptionRefused(f"invalid --security-opt: {word!r}: write true or false")
    return _TRUTH[value]


def _load(word: str) -> str:
    key, value = split(word)
    if key != "seccomp" or value in ("", UNCONFINED, BUILTIN) or value.lstrip().startswith("{"):
        return word
    try:
        with open(value, "rb") as file:
            raw = file.read(PROFILE_LIMIT + 1)
        text = raw.decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SecurityOptionRefused(f"opening seccomp profile ({value}) failed: {reason}") from error
    if len(raw) > PROFILE_LIMIT:
        raise SecurityOptionRefused(f"the seccomp profile {value} has more than {PROFILE_LIMIT} bytes")
    if not text.lstrip().startswith("{"):
        raise SecurityOptionRefused(f"the seccomp profile {value} is no JSON object")
    return f"seccomp={text}"
