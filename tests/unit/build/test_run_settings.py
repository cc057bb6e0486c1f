"""What the caller says about RUNs: checked when it is said, and secrets never shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cowl.build.request import build_request
from cowl.build.run_settings import SECRET_LIMIT, InvalidSetting, SecretUnreadable, run_settings


def test_all_of_it() -> None:
    found = run_settings(
        add_hosts={"a": "10.0.0.1", "b": "[::1]", "c": "host-gateway"},
        allow=["network.host", "security.insecure"],
        shm_size="1m",
        ulimits={"nofile": 5, "core": (0, -1), "cpu": "1:2", "stack": "-1"},
        ssh={"default": "/x", "keys": ["/a", "/b"]},
    )
    assert found.hosts == (("a", "10.0.0.1"), ("b", "::1"), ("c", "host-gateway"))
    assert found.limits == (
        ("RLIMIT_NOFILE", 5, 5),
        ("RLIMIT_CORE", 0, -1),
        ("RLIMIT_CPU", 1, 2),
        ("RLIMIT_STACK", -1, -1),
    )
    assert found.shm_bytes == 1 << 20
    assert [agent.paths for agent in found.agents] == [("/x",), ("/a", "/b")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"add_hosts": {"a": "nowhere"}},
        {"add_hosts": {"a": "10.0.0.1\n1.1.1.1 b"}},
        {"add_hosts": {"a b": "10.0.0.1"}},
        {"add_hosts": {"": "10.0.0.1"}},
        {"allow": ["all"]},
        {"allow": ["device"]},
        {"shm_size": -1},
        {"shm_size": "x"},
        {"ulimits": {"nofiles": 1}},
        {"ulimits": {"nofile": (2, 1)}},
        {"ulimits": {"nofile": (-1, 1)}},
        {"ulimits": {"nofile": "x"}},
        {"ulimits": {"nofile": -2}},
        {"ulimits": {"nofile": 1 << 70}},
        {"ssh": {"default": []}},
        {"ssh": {"default": ""}},
    ],
)
def test_what_makes_no_sense_names_its_option(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting) as caught:
        run_settings(**wrong)
    assert caught.value.option == next(iter(wrong))


def test_secrets_are_values_or_files_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"from a file")
    found = run_settings(secrets={"a": "text", "b": b"\x00\xff", "c": tmp_path / "s"})
    assert [secret.data for secret in found.secrets] == [b"text", b"\x00\xff", b"from a file"]
    request = build_request(".", {"secrets": {"a": "sesame"}})
    assert "sesame" not in repr(request) and request.settings.secrets[0].data == b"sesame"
    assert found.secret("z") is None


def test_secrets_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(SecretUnreadable, match="No such file"):
        run_settings(secrets={"a": tmp_path / "none"})
    with pytest.raises(SecretUnreadable, match="500 KiB"):
        run_settings(secrets={"a": b"x" * (SECRET_LIMIT + 1)})
