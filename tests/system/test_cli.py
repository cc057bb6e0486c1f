"""The commands as a user types them, with Docker's output; as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.caller import Caller

BASE = "busybox"


@pytest.fixture
def based(caller: Caller, busybox_tar: Path) -> Caller:
    caller.cowl("import", str(busybox_tar), BASE)
    return caller


@contextmanager
def running(caller: Caller, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`cowl run --rm --name NAME busybox WORDS` in the background, once `ps` shows it; killed at the end."""
    argv = caller.argv("run", "--rm", "--name", name, BASE, *words)
    with subprocess.Popen(
        argv, env=caller.env, cwd=caller.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        try:
            deadline = time.monotonic() + 30
            while caller.text("ps", "-q", "-f", f"name=^{name}$") == "":
                assert process.poll() is None, "it ended before it was seen"
                assert time.monotonic() < deadline
            yield process
        finally:
            process.kill()


def dockerfile(caller: Caller, text: str) -> str:
    context = caller.home / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(text)
    caller.give(context)
    return str(context)


def test_import_gives_the_id_and_a_history(caller: Caller, busybox_tar: Path) -> None:
    identity = caller.text(
        "import", "-m", "from a tar", "-c", "ENV A=1", "-c", 'CMD ["env"]', str(busybox_tar), "b:1"
    )
    assert re.fullmatch("sha256:[0-9a-f]{64}", identity)
    assert caller.text("images", "-q", "--no-trunc") == identity
    assert caller.text("history", "--format", "{{.Comment}}", "b:1") == "from a tar"
    assert "A=1" in caller.text("run", "--rm", "b:1").splitlines()
    with open(busybox_tar, "rb") as tar:
        again = caller.cowl("import", "-", "b:2", stdin=tar.read()).stdout.decode().strip()
    assert re.fullmatch("sha256:[0-9a-f]{64}", again)


def test_images_tag_and_rmi(based: Caller) -> None:
    based.cowl("tag", BASE, "localhost:5000/team/app:2")
    header, *rows = based.text("images").splitlines()
    assert re.split(" {2,}", header) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert {tuple(row.split()[:2]) for row in rows} == {(BASE, "latest"), ("localhost:5000/team/app", "2")}
    assert len(set(based.text("images", "-q").splitlines())) == 1
    assert (
        based.text("images", "--format", "{{.Repository}}", "localhost:5000/*/*") == "localhost:5000/team/app"
    )
    assert based.text("images", "-q", "-f", "dangling=true") == ""
    assert based.text("image", "ls", "-qf", "reference=busy*") != ""
    assert based.text("image", "rm", "localhost:5000/team/app:2") == "Untagged: localhost:5000/team/app:2"
    untagged, *deleted = based.text("rmi", BASE).splitlines()
    assert untagged == "Untagged: busybox:latest"
    assert len(deleted) == 2
    assert all(re.fullmatch("Deleted: sha256:[0-9a-f]{64}", line) for line in deleted)
    done = based.cowl("rmi", "nope", BASE, status=1)
    assert done.stderr.decode().count("cowl: No such image") == 2


def test_inspect_in_all_its_forms(based: Caller) -> None:
    based.cowl("run", "--name", "box", "-l", "a=1", "--label", "b", BASE, "true")
    text = based.text("inspect", "box", BASE)
    assert text.startswith('[\n    {\n        "Id": "')
    container, image = json.loads(text)
    assert (container["Name"], image["RepoTags"]) == ("/box", ["busybox:latest"])
    assert based.text("inspect", "-f", "{{.Name}} {{.State.ExitCode}}", "box") == "/box 0"
    assert based.text("inspect", "-f", '{{index .Config.Labels "a"}}', "box") == "1"
    assert based.text("inspect", "-f", "{{.ID}}", "--type", "image", BASE) == image["Id"]
    assert json.loads(based.text("inspect", "-s", "box"))[0]["SizeRw"] == 0
    assert json.loads(based.text("inspect", "--format", "json", "box"))["Id"] == container["Id"]
    based.cowl("image", "inspect", "box", status=1)
    done = based.cowl("inspect", BASE, "nope", status=1)
    assert len(json.loads(done.stdout)) == 1
    assert done.stderr == b"cowl: No such object: nope\n"


def test_ps_and_its_filters(based: Caller) -> None:
    based.cowl("run", "--name", "one", "-l", "kind=a", BASE, "sh", "-c", "exit 3", status=3)
    based.cowl("run", "--name", "two", BASE, "true")
    header, *rows = based.text("ps", "-as").splitlines()
    titles = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES", "SIZE"]
    assert re.split(" {2,}", header) == titles
    assert [row.split()[-4] for row in rows] == ["two", "one"]
    assert rows[0].endswith("0B (virtual 1.98MB)") or "(virtual" in rows[0]
    for filters, expected in (
        (["name=o"], "two one"),
        (["name=^one"], "one"),
        (["label=kind=a"], "one"),
        (["exited=3"], "one"),
        (["status=exited", "name=two"], "two"),
        (["status=running"], ""),
        (["ancestor=busybox"], "two one"),
        (["ancestor=nope"], ""),
    ):
        words = [word for text in filters for word in ("-f", text)]
        assert " ".join(based.text("ps", "-a", *words, "--format", "{{.Names}}").split()) == expected
    assert based.text("ps", "-l", "--format", "{{.Names}}") == "two"
    assert based.text("ps", "-n", "5", "--format", "{{.Names}}") == "two\none"
    assert based.text("ps", "--format", "{{.Names}}") == ""
    identity = based.text("ps", "-aq", "--no-trunc").splitlines()[0]
    assert based.text("rm", identity[:6], "one") == f"{identity[:6]}\none"


def test_a_running_container(based: Caller) -> None:
    with running(
        based, "live", "sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"
    ) as process:
        assert based.text("ps", "--format", "{{.Names}} {{.State}}") == "live running"
        assert based.text("exec", "live", "sh", "-c", "echo $$ > /tmp/x; hostname") != ""
        assert based.cowl("exec", "-i", "live", "cat", stdin=b"in").stdout == b"in"
        assert based.text("exec", "-e", "A=1", "-w", "/tmp", "live", "sh", "-c", "echo $A; pwd") == "1\n/tmp"
        if based.name == "root":  # one id has no second user
            assert based.text("exec", "-u", "node", "live", "id", "-un") == "node"
        based.cowl("exec", "live", "sh", "-c", "exit 42", status=42)
        based.cowl("exec", "live", "nope", status=127)
        based.cowl("exec", "live", "/etc/passwd", status=126)
        assert "A /tmp/x" in based.text("diff", "live").splitlines()
        assert b"container is running: stop the container" in based.cowl("rm", "live", status=1).stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 7
    done = based.cowl("exec", "live", "true", status=1)
    assert done.stderr == b"cowl: No such container: live\n"


def test_rm_force_ends_it(based: Caller) -> None:
    with running(based, "victim", "sleep", "600") as process:
        assert based.text("rm", "-f", "victim") == "victim"
        assert process.wait(30) == 137
    assert based.text("ps", "-aq") == ""


def test_the_environment_of_a_run(based: Caller) -> None:
    (based.home / "vars").write_text("# comment\nFILE=from file\nBOTH=file\n")
    words = ["-e", "BOTH=flag", "-e", "HOST_ONE", "-e", "HOST_NONE", "--env-file", "vars"]
    lines = based.cowl("run", "--rm", *words, BASE, "env", env={"HOST_ONE": "1"}).stdout.decode().splitlines()
    assert {"FILE=from file", "BOTH=flag", "HOST_ONE=1"} <= set(lines)
    assert not any(line.startswith("HOST_NONE") for line in lines)
    based.cowl("run", "--rm", "--env-file", "nope", BASE, "env", status=125)


def test_entrypoint_workdir_hostname_and_cidfile(based: Caller) -> None:
    based.cowl(
        "build", "-q", "-t", "echo", dockerfile(based, f'FROM {BASE}\nENTRYPOINT ["echo"]\nCMD ["default"]\n')
    )
    assert based.text("run", "--rm", "echo") == "default"
    assert based.text("run", "--rm", "echo", "given") == "given"
    assert based.text("run", "--rm", "--entrypoint", "pwd", "-w", "/tmp", "echo") == "/tmp"
    assert based.text("run", "--rm", "--entrypoint=", "echo", "hostname") != ""
    assert based.text("run", "--rm", "-h", "box", "--cidfile", "cid", BASE, "hostname") == "box"
    assert re.fullmatch("[0-9a-f]{64}", (based.home / "cid").read_text())
    done = based.cowl("run", "--rm", "--cidfile", "cid", BASE, "true", status=125)
    assert b"container ID file found" in done.stderr


def test_a_relative_bind(based: Caller) -> None:
    (based.home / "data").mkdir()
    (based.home / "data" / "file").write_text("here")
    based.give(based.home / "data")
    assert based.text("run", "--rm", "-v", "./data:/data:ro", BASE, "cat", "/data/file") == "here"


def test_files_of_the_callers_stay_outside(based: Caller) -> None:
    """What is redirected from or to a file reaches the container as a pipe."""
    script = (
        "readlink /proc/self/fd/0; readlink /proc/self/fd/1; readlink /proc/self/fd/2; ls /proc/self/fd | cat"
    )
    with open(based.home / "out", "wb") as out:
        source = os.open("/etc/passwd", os.O_RDONLY)
        subprocess.run(
            based.argv("run", "--rm", "-i", "--network", "none", BASE, "sh", "-c", script),
            env=based.env, cwd=based.home, stdin=source, stdout=out, stderr=out, check=True, timeout=60,
        )  # fmt: skip
        os.close(source)
    lines = (based.home / "out").read_text().splitlines()
    assert all(line.startswith("pipe:") for line in lines[:3]), lines
    assert lines[3:6] == ["0", "1", "2"]


def test_no_image_is_fetched_against_the_users_will(based: Caller) -> None:
    done = based.cowl("run", "--pull", "never", "nope", status=125)
    assert b"No such image: nope" in done.stderr
    mirror = {"COWL_MIRRORS": "docker.io=127.0.0.1:1", "COWL_INSECURE": "127.0.0.1:1"}
    done = based.cowl("run", "nope", status=125, env=mirror)
    assert done.stderr.startswith(b"Unable to find image 'nope:latest' locally\ncowl: ")
    assert based.text("ps", "-aq") == ""


def test_build_progress_is_on_standard_error_alone(based: Caller) -> None:
    context = dockerfile(based, f"FROM {BASE}\nENV A=1\nRUN echo from the step\n")
    done = based.cowl("build", "-t", "one", "-t", "two:2", "--label", "l=1", "--iidfile", "iid", context)
    assert done.stdout == b""
    said = done.stderr.decode()
    assert re.search(r"^#2 \[2/2\] RUN echo from the step$", said, re.MULTILINE)
    assert re.search(r"^#2 [0-9.]+ from the step$", said, re.MULTILINE)
    assert re.search(r"^#2 DONE [0-9.]+s", said, re.MULTILINE)
    identity = (based.home / "iid").read_text()
    assert identity == based.text("images", "-q", "--no-trunc", "one")
    done = based.cowl("build", "-q", "-t", "one", "--label", "l=1", context)
    assert (done.stdout.decode(), done.stderr) == (f"{identity}\n", b"")
    assert based.text("inspect", "-f", '{{.Config.Env}} {{index .Config.Labels "l"}}', "two:2").endswith(
        "A=1] 1"
    )


def test_build_args_target_and_failure(based: Caller) -> None:
    text = f"FROM {BASE} AS first\nARG V=0\nRUN echo $V > /v\nFROM first\nRUN echo broken >&2; exit 4\n"
    context = dockerfile(based, text)
    based.cowl("build", "-q", "-t", "v", "--target", "first", "--build-arg", "V=5", context)
    assert based.text("run", "--rm", "v", "cat", "/v") == "5"
    done = based.cowl("build", context, status=1)
    assert b"broken" in done.stderr
    assert b"exit code: 4" in done.stderr
    assert based.cowl("build", "-q", context, status=1).stdout == b""
    assert based.text("images", "-q", "-f", "dangling=true") == ""


def test_system_df_check_and_prune(based: Caller) -> None:
    based.cowl(
        "build", "-q", "-t", "x", dockerfile(based, f"FROM {BASE}\nRUN head -c 100000 /dev/zero > /x\n")
    )
    header, *rows = based.text("system", "df").splitlines()
    assert re.split(" {2,}", header) == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [row[:16].strip() for row in rows] == ["Images", "Containers", "Local Volumes", "Build Cache"]
    assert "Images space usage:\n\nREPOSITORY   TAG " in based.text("system", "df", "-v")
    types = [json.loads(line)["Type"] for line in based.text("system", "df", "--format", "json").splitlines()]
    assert types == ["Images", "Containers", "Local Volumes", "Build Cache"]
    based.cowl("rmi", "x")
    done = based.cowl("builder", "prune", stdin=b"n\n")
    assert done.stdout == b"" and done.stderr.endswith(b"Are you sure you want to continue? [y/N] ")
    title, key, _, freed = based.text("builder", "prune", "-f").splitlines()
    assert (title, len(key)) == ("Deleted build cache objects:", 64)
    assert re.fullmatch(r"Total reclaimed space: \S+kB", freed)
    assert based.text("builder", "prune", "-f") == "Total reclaimed space: 0B"
    assert based.text("system", "check") == "0 problems"


def test_info_and_version(caller: Caller) -> None:
    found = json.loads(caller.text("info", "--format", "{{json .}}"))
    assert (found["Images"], found["DockerRootDir"]) == (0, str(caller.store))
    assert found["Rung"] == ("root" if caller.name == "root" else "single-id")
    assert f"Root Dir: {caller.store}" in caller.text("info").splitlines()
    version = caller.text("version", "--format", "{{.Client.Version}}")
    assert caller.text("--version") == f"cowl version {version}"


def test_another_root(caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("--root", "other", "import", str(busybox_tar), "there")
    assert caller.text("--root", "other", "images", "--format", "{{.Repository}}") == "there"
    assert caller.text("images", "-q") == ""
    assert (caller.home / "other" / "cowl.db").exists()


def test_an_interrupted_build_leaves_nothing(based: Caller) -> None:
    context = dockerfile(based, f"FROM {BASE}\nRUN echo begun; sleep 600\n")
    argv = based.argv("build", "-t", "never", context)
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with subprocess.Popen(
            argv, env=based.env, cwd=based.home, stderr=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if b" begun" in line:
                    break
            process.send_signal(number)
            rest = process.stderr.read()
            assert process.wait(30) == status, rest
            assert b"#2 CANCELED" in rest
            assert b"Traceback" not in rest
        assert based.text("images", "-q", "never") == ""
        assert os.listdir(based.store / "staging") == []
        assert based.text("system", "check") == "0 problems"
