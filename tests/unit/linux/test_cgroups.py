"""Groups of whatever version there is, made and removed for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cowl.linux import cgroup_v2, cgroups
from cowl.linux.cgroup_v1 import CgroupV1
from cowl.linux.cgroup_v2 import CgroupV2
from cowl.linux.cgroups import ControllerMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.linux.cgroups import Cgroup

UNIFIED = Path("/sys/fs/cgroup/unified")


@pytest.fixture(params=["v1", "v2"])
def group(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cgroup]:
    """A group, not made yet."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    name = f"/cowl-test-{os.getpid()}-{os.urandom(3).hex()}"
    found: Cgroup
    if request.param == "v1":
        if not Path("/sys/fs/cgroup/freezer").is_dir():
            pytest.skip("needs a mounted hierarchy of version 1")
        found = CgroupV1(f"{name}/inner")
    else:
        mount = UNIFIED if UNIFIED.is_dir() else Path("/sys/fs/cgroup")
        if not (mount / "cgroup.controllers").exists():
            pytest.skip("needs a mounted hierarchy of version 2")
        monkeypatch.setattr(cgroup_v2, "MOUNT", str(mount))
        found = CgroupV2(f"{name}/inner")
    yield found
    cgroups.remove_directory(os.path.dirname(found.directory("freezer")) or "/nowhere")
    found.remove()
    type(found)(name).remove()


def test_made_twice_removed_twice(group: Cgroup) -> None:
    assert group.directory("freezer") == ""
    group.make()
    group.make()
    assert os.path.isdir(group.directory("freezer"))
    assert group.processes() == []
    assert group.remove()
    assert group.directory("freezer") == ""
    assert group.remove()
    group.thaw()  # of one that is gone: nothing


def test_frozen_thawed_killed_while_frozen(group: Cgroup) -> None:
    group.make()
    with subprocess.Popen(["sleep", "1000"]) as process:
        group.add(process.pid)
        assert group.processes() == [process.pid]
        assert not group.remove()
        assert group.freeze(30)
        group.thaw()
        assert group.freeze(30)
        group.kill()
        assert process.wait(30) == -9
    assert group.remove()


def test_a_controller_that_is_nowhere(group: Cgroup) -> None:
    with pytest.raises(ControllerMissing) as caught:
        group.make(["nonsense"])
    assert caught.value.controller == "nonsense"


def test_where_containers_go() -> None:
    place = cgroups.find_place()
    assert bool(place.blocker) != bool(place.controllers) or place.version == cgroups.V2
    assert cgroups.default_path("/", "ID") == "/cowl/ID"
    assert cgroups.default_path("/a/b", "ID") == "/a/b/cowl/ID"


def test_ourselves() -> None:
    assert cgroups.group_of(os.getpid()) is None
    assert cgroups.paths_of("self")
