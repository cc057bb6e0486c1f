"""The network files of a container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cowl.runtime.netfiles import write_network_files


@pytest.mark.parametrize("network", ["none", "host"])
def test_a_container_knows_its_own_name(tmp_path: Path, network: str) -> None:
    pairs = write_network_files(str(tmp_path), "box.of.mine", network)
    assert [target for _, target in pairs] == ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]
    assert (tmp_path / "hosts").read_text().endswith("\n127.0.0.1\tbox.of.mine\n")
    assert (tmp_path / "hostname").read_text() == "box.of.mine\n"


def test_the_hosts_own_name_is_left_to_the_host(tmp_path: Path) -> None:
    write_network_files(str(tmp_path), os.uname().nodename, "host")
    assert (tmp_path / "hosts").read_bytes() == Path("/etc/hosts").read_bytes()


def test_without_a_network_the_hosts_names_are_not_told(tmp_path: Path) -> None:
    write_network_files(str(tmp_path), "box", "none")
    assert len((tmp_path / "hosts").read_text().splitlines()) == 7
    assert (tmp_path / "resolv.conf").read_text() == ""
