"""Cache keys: equal for what is the same step, different for whatever changes its layer."""

from __future__ import annotations

from typing import Any

import pytest

from cowl.build import keys
from cowl.oci.digest import DiffId

ONE, TWO = DiffId("sha256:" + "1" * 64), DiffId("sha256:" + "2" * 64)
RUN: dict[str, Any] = {
    "chain": keys.below([ONE]),
    "args": ("/bin/sh", "-c", "make"),
    "env": ("A=1", "B=2"),
    "user": "",
    "working_dir": "/",
    "network": "host",
}
COPY: dict[str, Any] = {
    "chain": keys.below([ONE]),
    "dest": "/app/",
    "owner": "",
    "mode": None,
    "sources": [("a", "digest")],
}


@pytest.mark.parametrize(
    "change",
    [
        {"chain": keys.below([TWO])},
        {"chain": keys.below([ONE, TWO])},
        {"args": ("/bin/sh", "-c", "make all")},
        {"args": ("/bin/sh -c make",)},
        {"env": ("A=1", "B=3")},
        {"env": ("A=1",)},
        {"user": "node"},
        {"working_dir": "/app"},
        {"network": "none"},
        {"more": {"mounts": [["bind", "/a"]]}},
        {"more": {"hosts": ["db"]}},
        {"more": {"limits": [["RLIMIT_NOFILE", 1, 1]]}},
        {"more": {"shm": 1}},
        {"more": {"security": "insecure"}},
    ],
)
def test_all_that_reaches_a_run_is_in_its_key(change: dict[str, Any]) -> None:
    assert keys.run_inputs(**RUN).key != keys.run_inputs(**{**RUN, **change}).key


@pytest.mark.parametrize(
    "change",
    [
        {"chain": keys.below([TWO])},
        {"dest": "/app"},
        {"owner": "node"},
        {"mode": 0},
        {"sources": [("b", "digest")]},
        {"sources": [("a", "other")]},
        {"sources": [("a", "digest"), ("a", "digest")]},
    ],
)
def test_all_that_a_copy_does_is_in_its_key(change: dict[str, Any]) -> None:
    assert keys.copy_inputs(**COPY).key != keys.copy_inputs(**{**COPY, **change}).key


def test_the_order_of_the_environment_means_nothing() -> None:
    assert keys.run_inputs(**RUN).key == keys.run_inputs(**{**RUN, "env": ("B=2", "A=1")}).key


def test_kinds_never_meet() -> None:
    chain = keys.below([])
    assert chain == "scratch"
    assert keys.workdir_inputs(chain, "/a", "").key != keys.workdir_inputs(chain, "/a", "node").key
    assert keys.workdir_inputs(chain, "/a", "").key != keys.copy_inputs(chain, "/a", "", None, []).key


def test_what_a_run_does_not_have_leaves_its_key_alone() -> None:
    nothing = {"mounts": [], "hosts": [], "limits": [], "shm": 0, "security": ""}
    assert keys.run_inputs(**RUN).key == keys.run_inputs(**RUN, more=nothing).key
