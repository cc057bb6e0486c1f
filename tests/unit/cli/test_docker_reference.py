"""The commands about containers beside Docker's reference: what is missing is missing by design, and named.

Written down from https://docs.docker.com/reference/cli/docker/container/ (28.x), without what is there for
Windows, experimental or deprecated.
"""

from __future__ import annotations

import pytest

from cowl.cli.commands.table import index

# Of each command its flags, with the letter of those that have one.
DOCKERS = {
    "attach": "detach-keys no-stdin sig-proxy",
    "commit": "author,a change,c message,m no-pause",
    "cp": "archive,a follow-link,L quiet,q",
    "create": "",
    "diff": "",
    "exec": "detach,d detach-keys env,e env-file interactive,i privileged tty,t user,u workdir,w",
    "export": "output,o",
    "inspect": "format,f size,s",
    "kill": "signal,s",
    "logs": "details follow,f since tail,n timestamps,t until",
    "ls": "all,a filter,f format last,n latest,l no-trunc quiet,q size,s",
    "pause": "",
    "port": "",
    "prune": "filter force,f",
    "rename": "",
    "restart": "signal,s timeout,t",
    "rm": "force,f link,l volumes,v",
    "run": "detach,d detach-keys sig-proxy",
    "start": "attach,a checkpoint checkpoint-dir detach-keys interactive,i",
    "stats": "all,a format no-stream no-trunc",
    "stop": "signal,s timeout,t",
    "top": "",
    "unpause": "",
    "update": (
        "blkio-weight cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares,c cpus cpuset-cpus "
        "cpuset-mems memory,m memory-reservation memory-swap pids-limit restart"
    ),
    "wait": "",
}
NEW = (
    "add-host annotation attach,a blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns "
    "cidfile cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares,c cpus cpuset-cpus cpuset-mems "
    "device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops dns "
    "dns-option dns-search domainname entrypoint env,e env-file expose gpus group-add health-cmd "
    "health-interval health-retries health-start-interval health-start-period health-timeout hostname,h init "
    "interactive,i ip ip6 ipc label,l label-file link link-local-ip log-driver log-opt mac-address memory,m "
    "memory-reservation memory-swap memory-swappiness mount name network network-alias no-healthcheck "
    "oom-kill-disable oom-score-adj pid pids-limit platform privileged publish,p publish-all,P pull quiet,q "
    "read-only restart rm runtime security-opt shm-size stop-signal stop-timeout storage-opt sysctl tmpfs "
    "tty,t ulimit user,u userns uts volume,v volume-driver volumes-from workdir,w"
)
ALIASES = {"ls": ("ps", "container ls", "container list", "container ps"), "rm": ("rm", "container remove")}
ONLY_IN_THE_GROUP = ("inspect", "prune")  # `inspect` alone is about everything

# Not here, and why.
BY_DESIGN = {
    "run attach": "all streams are attached, or none with -d",
    "annotation": "annotations are for runtimes that read them, and ours don't",
    "blkio-weight-device": "limits of single disks",
    "checkpoint": "CRIU",
    "checkpoint-dir": "CRIU",
    "cpu-rt-period": "cgroup v1's real-time group scheduling, which v2 does not have",
    "cpu-rt-runtime": "likewise",
    "details": "log drivers that add attributes",
    "device-cgroup-rule": "rules of cgroup v1's device controller",
    "device-read-bps": "limits of single disks",
    "device-read-iops": "likewise",
    "device-write-bps": "likewise",
    "device-write-iops": "likewise",
    "gpus": "vendors' hooks",
    "ip6": "no IPv6 unless asked, and it can't be asked yet",
    "link": "legacy links: networks have names",
    "link-local-ip": "likewise",
    "mac-address": "an address of the kernel's or of ours",
    "volume-driver": "volumes lie in the store",
}


def words(text: str) -> set[str]:
    return {word for word in text.split() if word}


def dockers(command: str) -> set[str]:
    """The flags of Docker's command, as "name" or "name,letter"."""
    return words(DOCKERS[command]) | (words(NEW) if command in ("create", "run") else set())


def is_left_out(command: str, flag: str) -> bool:
    name = flag.partition(",")[0]
    return name in BY_DESIGN or (command in ("create", "run") and f"run {name}" in BY_DESIGN)


@pytest.mark.parametrize("command", DOCKERS)
def test_every_command_and_flag_of_dockers_is_there(command: str) -> None:
    known = index()
    names = ALIASES.get(command, () if command in ONLY_IN_THE_GROUP else (command,))
    for name in (f"container {command}", *names):
        assert name in known, f"cowl {name}"
        ours = {f"{flag.name},{flag.short}" if flag.short else flag.name for flag in known[name].flags}
        missing = {flag for flag in dockers(command) - ours if not is_left_out(command, flag)}
        assert missing == set(), f"cowl {name}"


def test_what_is_missing_by_design_is_a_flag_of_dockers() -> None:
    every = {flag.partition(",")[0] for command in DOCKERS for flag in dockers(command)}
    assert {name.removeprefix("run ") for name in BY_DESIGN} <= every
