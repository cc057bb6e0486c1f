"""What several stories of containers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.caller import Caller


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Iterator[Caller]:
    """A caller whose store has the image "busybox"; containers that a test leaves running are ended."""
    caller.cowl("import", str(busybox_tar), "busybox")
    yield caller
    left = caller.text("ps", "-aq").split()
    if left:
        caller.cowl("rm", "-f", *left, status=None)
