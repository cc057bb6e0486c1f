"""What a runtime-spec says of limits, as writes to a cgroup's files."""

from __future__ import annotations

from typing import Any

import pytest

from cowl.linux.cgroups import V1, V2
from cowl.runtime.mount_plan import UnsupportedSpec
from cowl.runtime.resources import cpu_weight, io_weight, settings, swap_max

MIB = 1 << 20
EVERYTHING: dict[str, Any] = {
    "devices": [{"allow": False, "access": "rwm"}],
    "memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB},
    "cpu": {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0-1", "mems": "0"},
    "pids": {"limit": 10},
    "blockIO": {"weight": 500},
}


def written(resources: dict[str, Any], version: str) -> list[tuple[str, str]]:
    return [pair for setting in settings(resources, version) for pair in setting.files]


def test_version_1_is_what_the_spec_speaks() -> None:
    assert written(EVERYTHING, V1) == [
        ("memory.limit_in_bytes", str(64 * MIB)),
        ("memory.memsw.limit_in_bytes", str(96 * MIB)),
        ("memory.soft_limit_in_bytes", str(32 * MIB)),
        ("cpu.shares", "512"),
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "50000"),
        ("cpuset.cpus", "0-1"),
        ("cpuset.mems", "0"),
        ("pids.max", "10"),
        ("blkio.weight", "500"),
        ("blkio.bfq.weight", "500"),
    ]


def test_version_2_counts_swap_alone_and_weighs_otherwise() -> None:
    assert written({**EVERYTHING, "unified": {"memory.oom.group": "1"}}, V2) == [
        ("memory.max", str(64 * MIB)),
        ("memory.swap.max", str(32 * MIB)),
        ("memory.low", str(32 * MIB)),
        ("cpu.weight", "59"),
        ("cpu.max", "50000 100000"),
        ("cpuset.cpus", "0-1"),
        ("cpuset.mems", "0"),
        ("pids.max", "10"),
        ("io.bfq.weight", "500"),
        ("io.weight", "4950"),
        ("memory.oom.group", "1"),
    ]


def test_no_limit_has_a_word_of_its_own_on_each() -> None:
    none = {"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}, "cpu": {"quota": -1}}
    assert [value for _, value in written(none, V1)] == ["-1", "-1", "-1", "max"]
    assert [value for _, value in written(none, V2)] == ["max", "max", "max 100000", "max"]


def test_what_is_not_said_is_not_written() -> None:
    assert written({}, V1) == written({}, V2) == []
    assert written({"memory": {"limit": None}, "pids": None}, V2) == []


@pytest.mark.parametrize("memory", [{"swappiness": 0}, {"disableOOMKiller": True}])
def test_what_version_2_does_not_have_is_refused(memory: dict[str, Any]) -> None:
    assert written({"memory": memory}, V1)
    with pytest.raises(UnsupportedSpec, match=next(iter(memory))):
        settings({"memory": memory}, V2)


@pytest.mark.parametrize(
    ("shares", "weight"), [(0, 1), (2, 1), (1024, 100), (1 << 18, 10000), (1 << 20, 10000)]
)
def test_shares_keep_their_default_their_ends_and_their_order(shares: int, weight: int) -> None:
    assert cpu_weight(shares) == weight


def test_more_shares_never_weigh_less() -> None:
    weights = [cpu_weight(shares) for shares in range(2, 1 << 18, 997)]
    assert weights == sorted(weights)


@pytest.mark.parametrize(("weight", "told"), [(10, 1), (1000, 10000), (505, 5000)])
def test_block_weights(weight: int, told: int) -> None:
    assert io_weight(weight) == told


@pytest.mark.parametrize(
    ("limit", "swap", "told"), [(10, 10, "0"), (10, 30, "20"), (10, -1, "max"), (0, -1, "max"), (0, 0, "0")]
)
def test_swap(limit: int, swap: int, told: str) -> None:
    assert swap_max(limit, swap) == told


@pytest.mark.parametrize(("limit", "swap"), [(0, 5), (10, 5)])
def test_swap_that_can_not_be_meant(limit: int, swap: int) -> None:
    with pytest.raises(UnsupportedSpec, match=r"memory\.limit"):
        swap_max(limit, swap)
