"""inspect of containers: Docker's keys, with what a container was made with."""

from __future__ import annotations

import json
from typing import Any

from tests.caller import Caller

# From https://docs.docker.com/reference/api/engine/version/v1.47/, GET /containers/{id}/json
DOCKERS = {
    "": "Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount "
    "Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver Mounts Config "
    "NetworkSettings",
    "State": "Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt Health",
    "HostConfig": "Binds LogConfig NetworkMode PortBindings RestartPolicy AutoRemove CapAdd CapDrop "
    "CgroupnsMode Dns DnsOptions DnsSearch ExtraHosts GroupAdd IpcMode OomScoreAdj PidMode Privileged "
    "PublishAllPorts ReadonlyRootfs SecurityOpt UTSMode UsernsMode ShmSize Sysctls Runtime CpuShares Memory "
    "NanoCpus CgroupParent BlkioWeight CpuPeriod CpuQuota CpusetCpus CpusetMems MemoryReservation MemorySwap "
    "MemorySwappiness OomKillDisable PidsLimit Ulimits MaskedPaths ReadonlyPaths",
    "GraphDriver": "Name Data",
    "Config": "Hostname Domainname User ExposedPorts Tty OpenStdin StdinOnce Env Cmd Healthcheck Image "
    "Volumes WorkingDir Entrypoint Labels StopSignal StopTimeout",
    "NetworkSettings": "SandboxKey Ports Gateway IPAddress IPPrefixLen MacAddress Networks",
}
BY_DESIGN = {
    "MountLabel": "no SELinux",
    "ProcessLabel": "no SELinux",
    "AppArmorProfile": "no AppArmor",
    "ExecIDs": "who executes something has it in hand",
}


def found(caller: Caller, name: str = "box") -> dict[str, Any]:
    attrs: dict[str, Any] = json.loads(caller.text("container", "inspect", name))[0]
    return attrs


def test_keys(based: Caller) -> None:
    flags = ("--health-cmd", "true", "--expose", "80", "-v", "/data")
    based.cowl("create", "--name", "box", *flags, "busybox", "sh")
    attrs = found(based)
    for part, keys in DOCKERS.items():
        known = {*(attrs[part] if part else attrs), *BY_DESIGN}
        assert [key for key in keys.split() if key not in known] == [], part


def test_what_was_asked_is_told(based: Caller) -> None:
    based.cowl(
        *("create", "--name", "box", "--hostname", "host", "--domainname", "example.org", "-u", "node"),
        *("--restart", "on-failure:3", "--stop-signal", "USR1", "--stop-timeout", "7", "--read-only"),
        *("--expose", "80-81", "--dns", "192.0.2.1", "--add-host", "other:192.0.2.2", "--network", "none"),
        *("-l", "stage=test", "-e", "A=b", "-w", "/tmp", "--cap-drop", "ALL", "--health-cmd", "true"),
        *("--health-interval", "1m30s", "-v", "data:/data:ro", "busybox", "sleep", "1"),
    )
    attrs = found(based)
    host, config = attrs["HostConfig"], attrs["Config"]
    assert attrs["State"]["Status"] == "created"
    assert attrs["State"]["StartedAt"] == "0001-01-01T00:00:00Z"
    assert (attrs["Path"], attrs["Args"], attrs["HostsPath"]) == ("sleep", ["1"], "")
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert (host["Dns"], host["ExtraHosts"]) == (["192.0.2.1"], ["other:192.0.2.2"])
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["NetworkMode"]) == (True, ["ALL"], "none")
    assert "/proc/kcore" in host["MaskedPaths"]
    assert (config["Hostname"], config["Domainname"], config["User"]) == ("host", "example.org", "node")
    assert config["ExposedPorts"] == {"80/tcp": {}, "81/tcp": {}}
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 90 * 10**9}
    assert (config["StopSignal"], config["StopTimeout"]) == ("USR1", 7)
    assert (config["Labels"], "A=b" in config["Env"], config["WorkingDir"]) == (
        {"stage": "test"},
        True,
        "/tmp",
    )
    assert [(each["Name"], each["Destination"], each["RW"]) for each in attrs["Mounts"]] == [
        ("data", "/data", False)
    ]
    assert attrs["NetworkSettings"]["Ports"] == {}
    assert attrs["GraphDriver"]["Data"]["UpperDir"].endswith("/upper")
    assert based.text("inspect", "-f", "{{.State.Status}} {{.Config.Image}}", "box") == "created busybox"


def test_several_of_different_kinds_and_what_is_missing(based: Caller) -> None:
    based.cowl("create", "--name", "box", "-v", "data:/data", "busybox", "sh")
    kinds = based.text("inspect", "-f", "{{json .}}", "box", "busybox", "data")
    assert len(kinds.splitlines()) == 3
    done = based.cowl("inspect", "box", "nobody", status=1)
    assert len(json.loads(done.stdout)) == 1
    assert b"No such object: nobody" in done.stderr
    assert (
        b"No such container: busybox"
        in based.cowl("inspect", "--type", "container", "busybox", status=1).stderr
    )
    assert "SizeRw" in json.loads(based.text("inspect", "--size", "box"))[0]
    based.cowl("inspect", "--type", "planet", "box", status=1)


def test_wait_for_several(based: Caller) -> None:
    based.cowl("run", "-d", "--name", "one", "busybox", "sh", "-c", "sleep 1; exit 3")
    based.cowl("run", "-d", "--name", "two", "busybox", "sh", "-c", "exit 4")
    based.cowl("create", "--name", "new", "busybox", "sh")
    assert based.text("wait", "one", "two", "new").split() == ["3", "4", "0"]
    done = based.cowl("wait", "nobody", "two", status=1)
    assert done.stdout == b"4\n"
    assert b"No such container: nobody" in done.stderr
