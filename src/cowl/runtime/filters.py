"""The seam to seccomp and to the supervision of calls that a single id can't do."""

from __future__ import annotations

from cowl.linux.seccomp import compile_profile, install

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def compile_filter(profile: dict[str, Any], supervised: bool) -> bytes:
    """The profile as a program; `supervised`: with the calls that go to the keeper."""
    if not supervised:
        return compile_profile(profile)
    from cowl.runtime.owners import NOTIFIED

    return compile_profile(profile, NOTIFIED)


def install_filter(program: bytes, supervised: bool) -> int:
    """Loads it; the listener's descriptor, or -1."""
    return install(program, supervised)
