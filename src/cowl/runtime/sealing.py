"""When the interpreter that starts containers must run from a sealed copy: see `cowl.linux.sealed`."""

from __future__ import annotations

from cowl.linux.probe import rung
from cowl.linux.rung import SINGLE
from cowl.linux.sealed import executable_is_own


def needs_sealing(*, mapped: bool = True) -> bool:
    """Whether containers' root could write the very interpreter that starts them (CVE-2019-5736).

    mapped  the container has a user namespace of its own
    """
    return not mapped or (rung() == SINGLE and executable_is_own())
