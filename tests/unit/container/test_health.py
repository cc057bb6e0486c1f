"""Health checks: what image and caller ask, and what the results of probes make of a container."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cowl.container.health import SECOND, Health, fold_health, go_duration, image_health, make_health
from cowl.container.health_state import (
    HealthResult,
    HealthState,
    begin_health,
    read_health,
    write_health,
)
from cowl.container.options import RunOptions, Settings, fold, run_options
from cowl.container.words import InvalidOptions
from cowl.oci.image_config import ContainerConfig

IMAGE = {"Test": ["CMD-SHELL", "check"], "Interval": 5 * SECOND, "Retries": 7}


def config(**members: object) -> ContainerConfig:
    return ContainerConfig(cmd=("sh",), healthcheck=json.dumps({**IMAGE, **members}))


def test_the_caller_overrides_what_he_names() -> None:
    asked = make_health(health_timeout=2, health_retries=1)
    found = fold_health(config(), asked)
    assert found == Health(("CMD-SHELL", "check"), interval=5 * SECOND, timeout=2 * SECOND, retries=1)
    assert found.command == ("/bin/sh", "-c", "check")
    other = fold_health(config(), make_health(health_cmd=["probe", "-v"]))
    assert other
    assert other.command == ("probe", "-v")
    with_shell = fold_health(ContainerConfig(healthcheck=json.dumps(IMAGE), shell=("ash", "-ec")), None)
    assert with_shell
    assert with_shell.command == ("ash", "-ec", "check")


def test_none_is_none() -> None:
    assert fold_health(ContainerConfig(), make_health(health_interval=3)) is None
    assert fold_health(config(), make_health(no_healthcheck=True)) is None
    assert fold_health(config(Test=["NONE"]), None) is None
    assert fold_health(config(Test=["CMD"]), None) is None


def test_settings_keep_it() -> None:
    settings = fold("image", config(), (), RunOptions())
    assert settings.health
    assert settings.health.attrs() == IMAGE
    assert Settings.from_json(json.loads(json.dumps(settings.to_json()))) == settings
    assert fold("image", ContainerConfig(cmd=("sh",)), (), RunOptions()).health is None


@pytest.mark.parametrize(
    "keywords",
    [
        {"health_interval": -1},
        {"health_timeout": 0.0001},
        {"health_retries": -1},
        {"health_cmd": "a\0b"},
        {"no_healthcheck": True, "health_cmd": "true"},
    ],
)
def test_what_can_not_be_is_refused(keywords: dict[str, Any]) -> None:
    with pytest.raises(InvalidOptions):
        run_options(**keywords)


@pytest.mark.parametrize(
    "text",
    ['"text"', "[]", '{"Test": "CMD true"}', '{"Test": ["CMD", 1]}', '{"Test": ["CMD", "a\\u0000"]}'],
)
def test_of_an_image_without_sense_nothing_is_taken(text: str) -> None:
    assert image_health(text) == Health()


def test_odd_numbers_of_an_image_are_nobodys() -> None:
    found = image_health(json.dumps({**IMAGE, "Interval": -1, "Timeout": True, "Retries": 10**30}))
    assert found == Health(("CMD-SHELL", "check"))


def result(code: int, start: float = 100.0) -> HealthResult:
    return HealthResult(start, start + 1, code, f"said {code}")


def statuses(check: Health, *codes: int) -> list[tuple[str, int]]:
    state, found = HealthState(), []
    for number, code in enumerate(codes):
        state = state.after(result(code, 10.0 * number), check, started_at=0)
        found.append((state.status, state.failing_streak))
    return found


def test_failures_in_a_row_make_it_unhealthy_and_one_success_heals() -> None:
    assert statuses(Health(retries=2), 1, 0, 1, -1, 1, 0) == [
        ("starting", 1),
        ("healthy", 0),
        ("healthy", 1),
        ("unhealthy", 2),
        ("unhealthy", 3),
        ("healthy", 0),
    ]


def test_failures_of_the_start_period_do_not_count() -> None:
    check = Health(retries=1, start_period=15 * SECOND)
    assert statuses(check, 1, 1, 1) == [("starting", 0), ("starting", 0), ("unhealthy", 1)]
    assert statuses(check, 0, 1) == [("healthy", 0), ("unhealthy", 1)]


def test_the_last_five_results_are_kept_in_dockers_form() -> None:
    state = HealthState()
    for number in range(7):
        state = state.after(result(number), Health(), 0)
    attrs = state.attrs()
    assert [each["ExitCode"] for each in attrs["Log"]] == [2, 3, 4, 5, 6]
    assert attrs["Log"][0] == {
        "Start": "1970-01-01T00:01:40.000000000Z",
        "End": "1970-01-01T00:01:41.000000000Z",
        "ExitCode": 2,
        "Output": "said 2",
    }


def test_the_file(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert read_health(directory) == HealthState()
    state = HealthState("healthy", 0, (result(0), result(1)))
    write_health(directory, state)
    assert read_health(directory) == state
    begin_health(directory)
    assert read_health(directory) == HealthState("starting", 0, state.results)
    assert os.listdir(tmp_path) == ["health.json"]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (SECOND // 2, "500ms"),
        (SECOND, "1s"),
        (3 * SECOND // 2, "1.5s"),
        (90 * SECOND, "1m30s"),
        (7200 * SECOND, "2h0m0s"),
    ],
)
def test_durations_as_go_prints_them(nanoseconds: int, text: str) -> None:
    assert go_duration(nanoseconds) == text


def test_the_schedule_is_in_milliseconds() -> None:
    assert Health(("CMD", "x")).schedule() == "30000 5000 0 30000"
    asked = Health(("CMD", "x"), interval=SECOND, timeout=2 * SECOND, start_period=3, start_interval=1)
    assert asked.schedule() == "1000 1 1 2000"
