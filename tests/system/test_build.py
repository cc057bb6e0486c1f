"""Builds from inside: layers and history, the step cache, RUN, failures, and what hostile input can't do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.building import BUSYBOX_FILES, Builder, as_fixture

from cowl.build.run_step import RunFailed
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.errors import CowlError, Invalid, NotFound
from cowl.events import BuildFinished, BuildStarted, StepOutput, StepStarted

builder = as_fixture()

SEED = """\
FROM base
WORKDIR /app

LABEL author="xxx"
ENV BUILD_ENV=dev


COPY ./hello.txt ./ # echo test > hello.txt

RUN echo aaaaaaaaabbbbbbbbbb>>hello.txt
# RUN cat hello.txt
"""


@pytest.fixture
def seed(builder: Builder) -> Builder:
    builder.file("hello.txt", "test\n")
    return builder


def test_the_seed(seed: Builder) -> None:
    built = seed.build(SEED, tags=("seed",))
    assert built.layers[1:] == [(0, 0), (5, 1), (25, 1)]
    assert [(entry.created_by, entry.empty_layer) for entry in built.config.history[1:]] == [
        ("WORKDIR /app", False),
        ("LABEL author=xxx", True),
        ("ENV BUILD_ENV=dev", True),
        ("COPY ./hello.txt ./ # buildkit", False),
        ("RUN /bin/sh -c echo aaaaaaaaabbbbbbbbbb>>hello.txt # buildkit", False),
    ]
    assert built.text("/app/hello.txt") == "test\naaaaaaaaabbbbbbbbbb\n"
    assert built.record.references == ("docker.io/library/seed:latest",)
    (warning,) = built.warnings
    assert "Dockerfile:8:21: " in warning
    assert built.config.created == built.config.history[-1].created
    started = [event for event in built.events if isinstance(event, StepStarted)]
    assert [(event.number, event.total, event.line) for event in started] == [
        (1, 4, 1),
        (2, 4, 2),
        (3, 4, 8),
        (4, 4, 10),
    ]
    assert built.events[0] == BuildStarted(4)
    assert built.events[-1] == BuildFinished(str(built.record.id), ("seed:latest",))


def test_a_second_build_runs_nothing_and_gives_the_same_image(seed: Builder) -> None:
    first = seed.build(SEED, tags=("seed",))
    assert seed.runtimes == 1
    again = seed.build(SEED, tags=("seed",))
    assert again.record == first.record
    assert seed.runtimes == 1
    assert [cached for number, cached, _ in again.steps if number > 1] == [True, True, True]
    other = seed.build(SEED, tags=("other:1",))
    assert other.record.id == first.record.id
    assert len(other.record.references) == 2


def nothing(_builder: Builder) -> None:
    pass


def new_time(builder: Builder) -> None:
    os.utime(builder.context / "hello.txt", (1, 1))


def new_unread_file(builder: Builder) -> None:
    builder.file("unread.txt", "x")


def new_content(builder: Builder) -> None:
    builder.file("hello.txt", "TEST\n")


def new_mode(builder: Builder) -> None:
    builder.file("hello.txt", "test\n", 0o755)


@pytest.mark.parametrize(
    ("change", "old", "new", "misses"),
    [
        (nothing, "", "", []),
        (new_time, "", "", []),
        (new_unread_file, "", "", []),
        (nothing, "# RUN cat", "# other", []),
        (nothing, 'author="xxx"', "author=yyy", []),
        (nothing, "# RUN cat", "HEALTHCHECK CMD true\n# RUN cat", []),
        (nothing, "# RUN cat", "ONBUILD RUN make\n# RUN cat", []),
        (nothing, "COPY ./hello.txt ./ #", "COPY hello.txt /app/ #", []),
        (new_content, "", "", [3, 4]),
        (new_mode, "", "", [3, 4]),
        (nothing, "BUILD_ENV=dev", "BUILD_ENV=prod", [4]),
        (nothing, "aaa", "aab", [4]),
        (nothing, "LABEL", "USER 0:0\nLABEL", [4]),
        (nothing, "LABEL", 'SHELL ["/bin/sh", "-ec"]\nLABEL', [4]),
        (nothing, "LABEL", "ARG X=1\nLABEL", [4]),
        (nothing, "/app", "/app2", [2, 3, 4]),
    ],
)
def test_what_the_cache_sees(
    seed: Builder, change: Callable[[Builder], None], old: str, new: str, misses: list[int]
) -> None:
    seed.build(SEED)
    change(seed)
    assert seed.build(SEED.replace(old, new, 1) if old else SEED).misses == misses


def test_another_base_misses(seed: Builder, busybox_tar: Path) -> None:
    seed.build(SEED)
    seed.add_base(busybox_tar, "twin", env=("PATH=/bin",), labels=(("a", "b"),))
    assert seed.build(SEED.replace("FROM base", "FROM twin")).misses == []  # the same files
    seed.build("FROM base\nRUN touch /new\n", tags=("other",))
    assert seed.build(SEED.replace("FROM base", "FROM other")).misses == [2, 3, 4]


def test_no_cache_runs_everything_again(seed: Builder) -> None:
    first = seed.build(SEED)
    again = seed.build(SEED, no_cache=True)
    assert again.misses == [2, 3, 4]
    assert again.layers == first.layers


def test_an_image_that_was_not_built_here_is_no_candidate(seed: Builder) -> None:
    built = seed.build(SEED)
    seed.store.steps.prune()
    assert seed.build(SEED).misses == [2, 3, 4]
    assert seed.store.images.get(built.record.id)


def test_a_healthcheck_and_triggers_reach_the_image_of_a_cached_build(seed: Builder) -> None:
    seed.build(SEED)
    built = seed.build(SEED + "HEALTHCHECK CMD one\nONBUILD RUN x\n")
    other = seed.build(SEED + "HEALTHCHECK CMD two\nONBUILD RUN y\n")
    assert json.loads(built.config.config.healthcheck)["Test"] == ["CMD-SHELL", "one"]
    assert json.loads(other.config.config.healthcheck)["Test"] == ["CMD-SHELL", "two"]
    assert other.config.config.onbuild == ("RUN y",)


def test_a_build_without_layers_gives_the_same_image_too(builder: Builder) -> None:
    text = "FROM base\nENV A=1\nWORKDIR /etc\nCMD b\n"
    first = builder.build(text)
    time.sleep(0.01)
    assert builder.build(text).record.id == first.record.id
    assert builder.build(text, no_cache=True).record.id == first.record.id
    assert first.layers == builder.build("FROM base\n").layers
    assert first.told == ["ENV A=1", "WORKDIR /etc", 'CMD ["/bin/sh" "-c" "b"]']
    assert all(entry.empty_layer for entry in first.config.history[1:])
    assert all(entry.created for entry in first.config.history)


@pytest.mark.parametrize(
    ("lines", "path", "layers"),
    [
        ("WORKDIR /", "/", 0),
        ("WORKDIR /etc", "/etc", 0),
        ("WORKDIR /a/b", "/a/b", 1),
        ("WORKDIR a\nWORKDIR b", "/a/b", 2),
        ("WORKDIR /a\nWORKDIR ../../../c", "/c", 2),
        ("WORKDIR /a/\nWORKDIR /a", "/a", 1),
        ("WORKDIR ../../etc", "/etc", 0),
        ("ENV D=x\nWORKDIR /$D/y", "/x/y", 1),
    ],
)
def test_workdir(builder: Builder, lines: str, path: str, layers: int) -> None:
    built = builder.build(f"FROM base\n{lines}\nRUN pwd\n")
    assert built.config.config.working_dir == path
    assert len(built.layers) == 1 + layers + 1
    assert built.output == f"{path}\n"
    assert built.told[-2] == f"WORKDIR {path}"


def test_workdir_belongs_to_the_user_in_force(builder: Builder) -> None:
    built = builder.build("FROM base\nUSER node\nWORKDIR /a/b\nRUN touch x\n")
    assert built.owner("/a") == built.owner("/a/b") == (1000, 1000, 0o755)
    assert built.owner("/a/b/x") == (1000, 1000, 0o644)


def test_workdir_on_a_file_is_refused(builder: Builder) -> None:
    with pytest.raises(DockerfileError, match="/etc/passwd is not a directory"):
        builder.build("FROM base\nWORKDIR /etc/passwd/x\n")


def test_workdir_through_links_stays_in_the_image(builder: Builder, tmp_path: Path) -> None:
    (builder.context / "out").symlink_to(tmp_path)
    built = builder.build("FROM base\nCOPY . /l/\nWORKDIR /l/out/new\n")
    assert not (tmp_path / "new").exists()
    assert built.node(f"{tmp_path}/new").is_directory


def test_run_sees_config_and_arguments_and_nothing_of_the_host(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COWL_TEST_SECRET", "hush")
    text = "FROM base\nARG A=1\nARG B\nARG C\nENV D=4 PATH=/bin\nUSER node\nRUN env | sort; id -u; id -G\n"
    built = builder.build(text, args={"B": "2", "HTTP_PROXY": "http://p", "A": None})
    words = [line for line in built.output.splitlines() if not line.startswith(("PWD=", "SHLVL="))]
    assert words == [
        "A=1",
        "B=2",
        "D=4",
        "HOME=/home/node",
        "HTTP_PROXY=http://p",
        "PATH=/bin",
        "http_proxy=http://p",
        "1000",
        "1000 2000",
    ]
    assert built.told[-1] == "RUN |3 A=1 B=2 C= /bin/sh -c env | sort; id -u; id -G # buildkit"
    assert b"http://p" not in built.record.config_bytes
    assert builder.build(text, args={"B": "2", "HTTP_PROXY": "http://q"}).misses == []


def test_run_forms(builder: Builder) -> None:
    built = builder.build(
        'FROM base\nRUN ["/bin/echo", "$HOME", "a b"]\n'
        'SHELL ["/bin/sh", "-ec"]\nRUN echo $0 && false || echo x\n'
    )
    assert built.output == "$HOME a b\n/bin/sh\nx\n"
    assert built.told[0] == "RUN /bin/echo $HOME a b # buildkit"


def test_a_run_that_changes_nothing_adds_an_empty_layer(builder: Builder) -> None:
    built = builder.build("FROM base\nRUN true\n")
    assert built.layers[1:] == [(0, 0)]
    assert built.view.list("/") == builder.build("FROM base\n").view.list("/")


def test_run_removes_and_replaces(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nRUN mkdir /d && echo 1 > /d/a && echo 2 > /d/b && touch /root/x\n"
        "RUN rm /d/a && rm -r /root && mkdir /root && ls /d /root\n"
    )
    assert built.view.list("/d") == ("b",)
    assert built.view.list("/root") == ()
    assert built.output == "/d:\nb\n\n/root:\n"
    again = builder.build(
        "FROM base\nRUN mkdir /d && echo 1 > /d/a && echo 2 > /d/b\nRUN ls /d\n", no_cache=True
    )
    assert again.output == "a\nb\n"


def test_no_mount_stub_reaches_a_layer(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nRUN cat /etc/resolv.conf /etc/hosts /etc/hostname > /dev/null; ls /proc/1\n"
    )
    below = builder.build("FROM base\n").view
    assert built.layers[1:] == [(0, 0)]
    assert built.view.list("/etc") == below.list("/etc")


def test_output_comes_from_both_streams_as_it_is_written(builder: Builder) -> None:
    built = builder.build("FROM base\nRUN echo out; echo err >&2; printf '\\377'\n")
    pieces = [(event.number, event.stream) for event in built.events if isinstance(event, StepOutput)]
    assert set(pieces) == {(2, "stdout"), (2, "stderr")}
    data = b"".join(e.data for e in built.events if isinstance(e, StepOutput) and e.stream == "stdout")
    assert data == b"out\n\xff"


def test_a_run_that_fails(builder: Builder) -> None:
    text = "FROM base\nRUN touch /first\nRUN seq 1 30; echo broken >&2; exit 42\nRUN never\n"
    with pytest.raises(RunFailed) as caught:
        builder.build(text, tags=("broken",))
    failure = caught.value
    assert (failure.line, failure.exit_code) == (3, 42)
    assert failure.command == "/bin/sh -c seq 1 30; echo broken >&2; exit 42"
    assert {"30", "broken"} <= set(failure.output.splitlines())
    assert "exit code: 42" in failure.message
    assert ":3:" in failure.message
    assert builder.leftovers() == []
    with pytest.raises(NotFound):
        builder.store.images.find("broken")
    fixed = builder.build(text.replace("exit 42", "exit 0").replace("RUN never\n", ""))
    assert fixed.misses == [3]
    assert builder.store.check() == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('RUN ["/no/such/program"]', "/no/such/program"),
        ('RUN ["/etc/passwd"]', "/etc/passwd"),
        ("USER ghost\nRUN true", "ghost"),
        ("USER 4294967296\nRUN true", "4294967296"),
        ("USER -1\nRUN true", "-1"),
    ],
)
def test_a_run_that_can_not_start(builder: Builder, line: str, said: str) -> None:
    with pytest.raises(Exception, match=said) as caught:
        builder.build(f"FROM base\n{line}\n")
    assert hasattr(caught.value, "message")
    assert builder.leftovers() == []
    assert builder.store.check() == []


def test_an_unknown_base_is_told_with_its_place(builder: Builder) -> None:
    with pytest.raises(NotFound) as caught:
        builder.build("# syntax=docker/dockerfile:1\nFROM base AS x\nFROM nowhere:1\nRUN true\n")
    assert ":3:6: " in caught.value.message
    assert "nowhere:1" in caught.value.message


def test_nothing_runs_before_a_refusal(builder: Builder) -> None:
    with pytest.raises(DockerfileError, match="--device"):
        builder.build("FROM base\nRUN true\nRUN --device=vendor.com/gpu=0 true\n")
    assert builder.runtimes == 0


def test_a_syntax_directive_is_never_executed(builder: Builder) -> None:
    built = builder.build("# syntax=example.com/evil/frontend@sha256:" + "0" * 64 + "\nFROM base\nENV A=1\n")
    assert built.told == ["ENV A=1"]


def test_arguments(builder: Builder) -> None:
    built = builder.build(
        "ARG NAME=base\nARG TAG\nFROM $NAME\nARG TAG=x\nARG NAME\nLABEL n=$NAME t=$TAG q=${Q:-none}\n",
        args={"TAG": "y", "UNUSED": "1"},
    )
    assert dict(built.config.config.labels) == {"n": "base", "t": "y", "q": "none"}
    assert built.warnings == ["one or more build-args [UNUSED] were not consumed"]


def test_labels_of_the_request(builder: Builder) -> None:
    built = builder.build("FROM base\nLABEL a=1\n", labels=(("a", "2"), ("b", "3")))
    assert dict(built.config.config.labels) == {"a": "2", "b": "3"}


def test_a_target(builder: Builder) -> None:
    text = "FROM base AS one\nENV A=1\nFROM one AS two\nENV A=2\nFROM base\nRUN exit 1\n"
    assert builder.build(text, target="two").told == ["ENV A=1", "ENV A=2"]
    with pytest.raises(Invalid, match="target stage"):
        builder.build(text, target="three")


def test_hostile_labels_change_no_command(builder: Builder) -> None:
    text = (
        'FROM base\nLABEL io.x="y" run.oci.keep_original_groups="1" org.systemd.property.X="y"\nRUN id -G\n'
    )
    assert builder.build(text).output == "0\n"


def test_two_builds_at_once_share_and_agree(seed: Builder) -> None:
    images: list[str] = []
    text = SEED + "RUN sleep 0.2; echo x > /x\n"
    other = Builder.__new__(Builder)
    other.__dict__.update(seed.__dict__)

    def one(which: Builder) -> None:
        images.append(str(which.build(text).record.id))

    one(seed)
    threads = [threading.Thread(target=one, args=(which,)) for which in (seed, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(images)) == 1
    assert seed.store.check() == []


INTERRUPTED = """\
import sys, os, time
from tests.building import Builder
from pathlib import Path
builder = Builder(Path(sys.argv[1]))
builder.add_base(Path(sys.argv[2]))
print("ready", flush=True)
try:
    builder.build("FROM base\\nWORKDIR /w\\nRUN echo started; touch /x; echo on > /w/on; sleep 100\\n")
except KeyboardInterrupt:
    print("left", builder.leftovers(), len(builder.store.check()), flush=True)
    builder.close()
"""


def test_interrupted_it_leaves_nothing_and_ends_the_command(tmp_path: Path, busybox_tar: Path) -> None:
    here = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path), str(busybox_tar)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(here)},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        _wait_for_file(tmp_path / "store" / "staging", "on")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        assert out == "left [] 0\n"
    finally:
        process.kill()
        process.wait()


def _wait_for_file(folder: Path, name: str) -> None:
    for _ in range(1000):
        if any(name in files for _, _, files in os.walk(folder)):
            return
        time.sleep(0.02)
    raise AssertionError(f"{name} never appeared")


def test_the_base_is_as_the_tests_think(builder: Builder) -> None:
    assert set(BUSYBOX_FILES) <= set(builder.build("FROM base\n").view.list("/"))


@pytest.mark.parametrize("number", range(16))
def test_a_working_directory_in_proc_leads_nowhere(builder: Builder, number: int) -> None:
    """The class of 2024-21626: a descriptor of the host's that leaked would be a way out."""
    try:
        built = builder.build(f"FROM base\nWORKDIR /proc/self/fd/{number}\nRUN pwd; ls -la .. | wc -l\n")
    except CowlError:
        assert builder.leftovers() == []
    else:
        assert built.output.startswith(f"/proc/self/fd/{number}\n") or built.output.startswith("/proc/")
        assert "unreachable" not in built.output


def test_a_path_that_is_too_long_is_a_clear_error(builder: Builder) -> None:
    builder.file("a", "a")
    for path in ("x" * 300, "/".join(["d" * 200] * 30)):
        for line in (f"COPY a /{path}/", f"WORKDIR /{path}"):
            with pytest.raises(CowlError, match="Dockerfile:2"):
                builder.build(f"FROM base\n{line}\n")
    assert builder.leftovers() == []
