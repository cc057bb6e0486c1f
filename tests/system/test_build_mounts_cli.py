"""RUN --mount and what goes with it through the command line, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.caller import Caller

SECRET = "s3cr3t-7b1f0e"


@pytest.fixture
def project(caller: Caller, busybox_tar: Path) -> Path:
    """A context of the caller's, with the image `base` in its store."""
    with open(busybox_tar, "rb") as tar:
        caller.cowl("import", "-c", "ENV PATH=/bin", "-", "base", stdin=tar.read())
    directory = caller.home / "project"
    directory.mkdir()
    (directory / "a.txt").write_text("one")
    return caller.give(directory)


def build(caller: Caller, project: Path, text: str, *flags: str, status: int = 0, **more: str) -> str:
    """What a build wrote to standard error."""
    (project / "Dockerfile").write_text(text)
    words = ("build", "--progress", "plain", *flags, str(project))
    return caller.cowl(*words, status=status, env=more).stderr.decode()


def mounts(caller: Caller) -> list[dict[str, str]]:
    lines = caller.text("builder", "cache", "ls", "--no-trunc", "--format", "json").splitlines()
    return [json.loads(line) for line in lines]


def assert_nowhere(caller: Caller, *said: str) -> None:
    """The secret is in no file of the store, and in nothing that was said."""
    assert not any(SECRET in text for text in said)
    for folder, _, files in os.walk(caller.store):
        for name in files:
            assert SECRET.encode() not in (Path(folder) / name).read_bytes(), (folder, name)


def test_all_kinds_of_mounts(caller: Caller, project: Path) -> None:
    said = build(
        caller,
        project,
        "FROM base AS one\nRUN mkdir /out && echo stage > /out/f\n"
        "FROM base\n"
        "RUN --mount=target=/c,rw --mount=from=one,source=/out,target=/s,rw --mount=from=base,target=/i"
        " --mount=type=tmpfs,target=/t --mount=type=cache,target=/k --mount=type=secret,id=tok,target=/x"
        " test -e /i/bin/sh && echo w > /c/a.txt && cat /s/f && echo w > /s/f && echo w > /t/f"
        " && echo kept > /k/f && test -s /x && mkdir -p /made && echo x > /made/f\n"
        "RUN --mount=type=cache,target=/k cat /k/f; ls -A / | tr '\\n' ' '\n",
        "--secret",
        "id=tok,env=TOKEN",
        TOKEN=SECRET,
    )
    assert "stage" in said and "kept" in said
    assert (project / "a.txt").read_text() == "one"
    assert_nowhere(caller, said)
    assert caller.text("system", "check") == "0 problems"


def test_a_secret_leaves_no_trace_whatever_happens(caller: Caller, project: Path) -> None:
    secret = project / "token"
    secret.write_text(SECRET)
    (project / ".dockerignore").write_text("token\n")
    caller.give(project)
    mount = "--mount=type=secret,id=tok --mount=type=secret,id=tok,env=TOK"
    text = f'FROM base\nRUN {mount} sha256sum /run/secrets/tok && test -n "$TOK"\n'
    flag = ("--secret", f"id=tok,src={secret}")
    said = [build(caller, project, text, *flag, "-t", "x")]
    said.append(build(caller, project, text, *flag, "--explain"))
    said.append(build(caller, project, text.replace("test -n", "exit 3; test -n"), *flag, status=1))
    said.append(build(caller, project, text, *flag, "--progress", "json", "--no-cache"))
    said.append(caller.text("history", "--no-trunc", "x") + caller.text("inspect", "x"))
    said.append(caller.text("system", "df", "-v", "--format", "json"))
    assert_nowhere(caller, *said)
    wrong = build(caller, project, text, "--secret", "id=tok,src=/nowhere", status=1)
    assert "the secret 'tok' can't be read: /nowhere" in wrong


def test_a_required_secret_and_agent(caller: Caller, project: Path) -> None:
    said = build(caller, project, "FROM base\nRUN --mount=type=secret,id=tok,required true\n", status=1)
    assert "Dockerfile:2" in said and "the secret 'tok' was not given" in said and "--secret id=tok" in said
    said = build(caller, project, "FROM base\nRUN --mount=type=ssh,required=true true\n", status=1)
    assert "no ssh agent 'default' was given" in said and "--ssh default" in said
    assert "no agent here" in build(caller, project, "FROM base\n", "--ssh", "default", status=1)


def tools(directory: Path) -> str:
    """ssh-add of this machine with its libraries; how to call it from /tools."""
    directory.mkdir()
    listed = subprocess.run(["ldd", "/usr/bin/ssh-add"], capture_output=True, text=True, check=True).stdout
    paths = [word for word in listed.split() if word.startswith("/")]
    for path in (*paths, "/usr/bin/ssh-add"):
        shutil.copy(path, directory)
    loader = next(os.path.basename(path) for path in paths if "/ld-" in path)
    return f"/tools/{loader} --library-path /tools /tools/ssh-add"


def test_an_agent_is_forwarded(caller: Caller, project: Path) -> None:
    ssh_add = tools(project / "tools")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "the-key", "-f", project / "key"], check=True
    )
    (project / ".dockerignore").write_text("key*\n")
    caller.give(project)
    text = (
        "FROM base\nRUN --mount=source=tools,target=/tools --mount=type=ssh --mount=type=ssh,id=no,target=/no"
        f" test ! -e /no && test -S $SSH_AUTH_SOCK && {ssh_add} -l && {ssh_add} -L | wc -l\n"
    )
    said = build(caller, project, text, "--ssh", f"default={project}/key")
    assert "the-key (ED25519)" in said
    assert not [name for name in os.listdir("/tmp") if name.startswith("cowl-ssh-")]
    said = build(caller, project, text, "--ssh", f"default={project}/key.pub", "--no-cache", status=1)
    assert "ssh-add does not take" in said


def test_cache_mounts_are_listed_exported_imported_removed(caller: Caller, project: Path) -> None:
    text = (
        "FROM base\nRUN --mount=type=cache,id=pip,target=/k"
        " --mount=type=cache,target=/own,uid=7,gid=8,mode=0700"
        " echo kept > /k/f && ln /k/f /k/g && mkdir /k/d && chmod 750 /k/d && echo o > /own/x\n"
    )
    build(caller, project, text)
    found = {mount["Name"]: mount for mount in mounts(caller)}
    assert set(found) == {"pip", "/own"} and found["pip"]["InUse"] == "false"
    assert "exec.cachemount" in caller.text("system", "df", "-v")
    out = project / "pip.tar"
    caller.cowl("builder", "cache", "export", "pip", "-o", str(out))
    assert caller.cowl("builder", "cache", "export", found["pip"]["ID"][:10]).stdout == out.read_bytes()
    with tarfile.open(out) as tar:
        assert sorted(tar.getnames()) == ["d", "f", "g"] and tar.getmember("d").mode == 0o750
    own = caller.cowl("builder", "cache", "export", "/own").stdout
    assert caller.text("builder", "cache", "rm", "pip", "/own").endswith("B") and mounts(caller) == []
    caller.cowl("builder", "cache", "import", "pip", str(out))
    caller.cowl("builder", "cache", "import", "/own", "-", stdin=own)
    check = (
        "FROM base\nRUN --mount=type=cache,id=pip,target=/k"
        " --mount=type=cache,target=/own,uid=7,gid=8,mode=0700"
        " cat /k/f /own/x | tr '\\n' '-' && stat -c %h /k/g && stat -c %a /k/d /own\n"
    )
    said = build(caller, project, check)
    assert "kept-o-2" in said and "750" in said and "700" in said
    assert len(mounts(caller)) == 2
    caller.cowl("builder", "prune", "-f", "--filter", "type=regular")
    assert len(mounts(caller)) == 2
    caller.cowl("builder", "prune", "-f")
    assert mounts(caller) == [] and caller.text("system", "check") == "0 problems"
    assert "No such cache mount" in caller.cowl("builder", "cache", "rm", "pip", status=1).stderr.decode()
    assert b"name cache mounts" in caller.cowl("builder", "cache", "rm", status=1).stderr


def test_two_builds_take_turns_at_a_locked_cache(caller: Caller, project: Path) -> None:
    """Both add to one file, read and written whole: with anything but turns, lines get lost."""
    line = "cat /k/n > /k/t 2>/dev/null; sleep 0.05; echo $WHO >> /k/t; mv /k/t /k/n"
    (project / "Dockerfile").write_text(
        "FROM base\nARG WHO\nRUN --mount=type=cache,id=c,target=/k,sharing=locked"
        f" for i in 1 2 3 4 5; do {line}; done\n"
    )
    running = [
        subprocess.Popen(
            caller.argv("build", "--build-arg", f"WHO={who}", str(project)),
            env=caller.env,
            cwd=caller.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for who in ("a", "b")
    ]
    for process in running:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0, said
    (mount,) = mounts(caller)
    lines = Path(caller.store, "caches", mount["ID"], "data", "n").read_text().split()
    assert sorted(lines) == ["a"] * 5 + ["b"] * 5
    assert lines in (sorted(lines), sorted(lines, reverse=True))


def test_hosts_limits_and_shared_memory(caller: Caller, project: Path) -> None:
    said = build(
        caller,
        project,
        "FROM base\nRUN grep -E 'db|me|six' /etc/hosts; ulimit -n; ulimit -Hn; df -k /dev/shm | tail -1\n",
        *("--add-host", "db:10.1.2.3", "--add-host", "me=host-gateway", "--add-host", "six:[fd00::2]"),
        *("--ulimit", "nofile=300:400", "--shm-size", "2m"),
    )
    for text in ("10.1.2.3\tdb", "127.0.0.1\tme", "fd00::2\tsix", " 300", " 400", " 2048 "):
        assert text in said, text
    for flag, value, message in (
        ("--add-host", "db:nowhere", "is no IP address"),
        ("--ulimit", "files=3", "unknown limit"),
        ("--ulimit", "nofile=9:3", "above the hard one"),
        ("--shm-size", "much", "is no size"),
        ("--allow", "everything", "unknown entitlement"),
        ("--secret", "src=x", "needs an id"),
    ):
        assert message in build(caller, project, "FROM base\n", flag, value, status=1)


def test_security_and_network(caller: Caller, project: Path) -> None:
    text = "FROM base\nRUN --security=insecure grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status\n"
    said = build(caller, project, text, status=1)
    assert "Dockerfile:2:16" in said and "--allow security.insecure" in said
    said = build(caller, project, text, "--allow", "security.insecure")
    assert "000001ffffffffff" in said and "NoNewPrivs:\t0" in said
    assert ("Seccomp:\t0" in said) == (caller.name == "root")  # one id needs its calls answered
    text = "FROM base\nRUN --network=host ls /sys/class/net | wc -w\n"
    assert "--allow network.host" in build(caller, project, text, "--network", "none", status=1)
    build(caller, project, text, "--network", "none", "--allow", "network.host")
    said = build(caller, project, "FROM base\nRUN --device=a.b/c=d true\n", status=1)
    assert "no devices of the host" in said
