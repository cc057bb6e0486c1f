"""Limits as they are asked for: grammar, Docker's checks, and what they come to for the runtime."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cowl.container import groups
from cowl.container.enforcement import LimitNotAvailable, container_fields
from cowl.container.limits import Limits, check_limits, make_limits, swap_bytes
from cowl.container.quantities import byte_count, nano_cpus, number_list, ulimits
from cowl.container.words import InvalidOptions
from cowl.linux.cgroups import V1, V2, Place

TOP = Place(V1, "/", ("cpu", "cpuset", "memory", "pids", "freezer", "blkio"))
UNIFIED = Place(V2, "/user.slice/app.slice", ("cpu", "memory", "pids"))
NOWHERE = Place(V1, blocker="the cgroups of version 1 belong to root")


@pytest.mark.parametrize(
    ("text", "count"),
    [("64m", 64 << 20), ("1g", 1 << 30), ("1.5KiB", 1536), ("100", 100), ("2 GB", 2 << 30), (4096, 4096)],
)
def test_sizes(text: str | int, count: int) -> None:
    assert byte_count("memory", text) == count


@pytest.mark.parametrize("text", ["", "m", "1q", "-2", "1 2", "0x10", "9" * 40, "1e3", "999999p"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(InvalidOptions, match="memory"):
        byte_count("memory", text)


@pytest.mark.parametrize(("text", "nano"), [("1.5", 1_500_000_000), (2, 2 * 10**9), ("1/2", 5 * 10**8)])
def test_processors(text: float | str, nano: int) -> None:
    assert nano_cpus(text) == nano


@pytest.mark.parametrize("text", ["x", "1/0", "0.0000000001"])
def test_no_processors(text: str) -> None:
    with pytest.raises(InvalidOptions, match="cpus"):
        nano_cpus(text)


def test_ulimits_as_words_and_as_a_mapping() -> None:
    assert ulimits(["nofile=10:20", "core=-1", "nofile=5"]) == (("nofile", 5, 5), ("core", -1, -1))
    assert ulimits({"nproc": 7, "cpu": (1, 2), "stack": "3:-1"}) == (
        ("nproc", 7, 7),
        ("cpu", 1, 2),
        ("stack", 3, -1),
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nofile", "invalid ulimit argument: nofile"),
        ("files=1", "invalid ulimit type: files"),
        ("nofile=1:2:3", "too many limit value arguments"),
        ("nofile=a", "invalid ulimit argument"),
        ("nofile=20:10", "less than or equal to hard limit: 20 > 10"),
        ("nofile=-1:10", "less than or equal to hard limit"),
        ("nofile=-5", "-1 is no limit"),
    ],
)
def test_no_ulimits(word: str, said: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        ulimits([word])
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_lists_of_numbers() -> None:
    assert number_list("cpuset cpus", "0-2,7") == (0, 1, 2, 7)
    for text in ("", "2-1", "a", "1,", "0-99999999"):
        with pytest.raises(InvalidOptions, match="for cpuset cpus"):
            number_list("cpuset cpus", text)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"memory": "5m"}, "Minimum memory limit allowed is 6MB"),
        ({"memory": "64m", "memory_swap": "32m"}, "Minimum memoryswap limit should be larger"),
        ({"memory_swap": "64m"}, "You should always set the Memory limit"),
        ({"memory_swappiness": 101}, "valid memory swappiness range is 0-100"),
        ({"memory_reservation": 1}, "Minimum memory reservation allowed is 6MB"),
        ({"memory": "10m", "memory_reservation": "20m"}, "less than memory reservation limit"),
        ({"cpus": 1, "cpu_period": 1000}, "Nano CPUs and CPU Period cannot both be set"),
        ({"cpus": 1, "cpu_quota": 1000}, "Nano CPUs and CPU Quota cannot both be set"),
        ({"cpus": 2.5}, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        ({"cpus": -1}, "range of CPUs"),
        ({"cpu_shares": -1}, "invalid CPU shares"),
        ({"cpu_period": 999}, "CPU cfs period can not be less than 1ms"),
        ({"cpu_quota": 999}, "CPU cfs quota can not be less than 1ms"),
        ({"cpuset_cpus": "x"}, "Invalid value x for cpuset cpus"),
        ({"cpuset_mems": "1-"}, "Invalid value 1- for cpuset mems"),
        ({"blkio_weight": 5}, "Range of blkio weight is from 10 to 1000"),
        ({"oom_score_adj": 1001}, "range for oom score adj is [-1000, 1000]"),
        ({"shm_size": -1}, "SHM size can not be less than 0"),
        ({"cgroup_parent": "a/../../b"}, "leads out"),
    ],
)
def test_dockers_checks(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        check_limits(make_limits(**asked), 2)
    assert said in caught.value.message


def test_nothing_asked_is_no_group_and_zero_may_be_something() -> None:
    assert groups.gather({"memory": 0, "ulimits": (), "privileged": False, "cpuset_cpus": ""})["limits"] == (
        Limits()
    )
    assert "limits" not in groups.gather({"ulimits": [], "privileged": False, "cpuset_cpus": "", "name": ""})
    assert groups.gather({"memory_swappiness": 0})["limits"].memory_swappiness == 0


def test_a_row_gives_them_back() -> None:
    asked = make_limits(memory="64m", cpus="0.5", ulimits=["nofile=1:2"], pids_limit=-1)
    stored = json.loads(json.dumps(groups.written({"confinement": None, "limits": asked, **_others()})))
    assert groups.read(stored)["limits"] == asked


def _others() -> dict[str, None]:
    return dict.fromkeys(name for name in groups.NAMES if name not in ("confinement", "limits"))


def test_every_container_has_a_cgroup_where_there_is_a_place() -> None:
    assert container_fields(None, "ID", TOP) == {"cgroup": "/cowl/ID", "resources": {"pids": {"limit": 2048}}}
    fields = container_fields(None, "ID", UNIFIED)
    assert fields["cgroup"] == "/user.slice/app.slice/cowl/ID"
    assert fields["resources"] == {"pids": {"limit": 2048}, "unified": {"memory.oom.group": "1"}}
    assert container_fields(None, "ID", NOWHERE) == {}


def test_what_they_come_to() -> None:
    asked = make_limits(memory="64m", cpus="0.5", pids_limit=-1, cpuset_cpus="0", ulimits=["nofile=9"])
    fields = container_fields(asked, "ID", TOP)
    assert fields["limits"] == (("RLIMIT_NOFILE", 9, 9),)
    memory = fields["resources"].pop("memory")
    assert memory["limit"] == 64 << 20
    assert memory.get("swap", 128 << 20) == swap_bytes(asked) == 128 << 20
    assert fields["resources"] == {
        "cpu": {"quota": 50000, "period": 100000, "cpus": "0"},
        "pids": {"limit": -1},
    }


@pytest.mark.parametrize(
    ("parent", "path"), [("/top/x", "/top/x/ID"), ("mine", "/user.slice/app.slice/mine/ID")]
)
def test_cgroup_parents(parent: str, path: str) -> None:
    assert container_fields(make_limits(cgroup_parent=parent), "ID", UNIFIED)["cgroup"] == path


def test_without_a_place_limits_are_refused_by_name_and_ulimits_are_not() -> None:
    with pytest.raises(LimitNotAvailable, match=r"--memory, --cpus can't be enforced: .* belong to root"):
        container_fields(make_limits(memory="64m", cpus=1), "ID", NOWHERE)
    fields = container_fields(make_limits(ulimits={"nofile": 9}, shm_size="1m", pids_limit=-1), "ID", NOWHERE)
    assert fields == {"limits": (("RLIMIT_NOFILE", 9, 9),), "oom_score": None, "shm_bytes": 1 << 20}
