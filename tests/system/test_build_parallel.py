"""Stages side by side: in the time of one, in any order of events but one outcome, ended together."""

from __future__ import annotations

import itertools
import os
import select
import signal
import subprocess
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture
from tests.caller import Caller

from cowl.build.run_step import RunFailed
from cowl.events import Event, StepCanceled, StepOutput, StepStarted, StepWaiting
from cowl.runtime.protocol import Runtime

builder = as_fixture()


def test_two_stages_run_at_once(builder: Builder) -> None:
    text = (
        "FROM base AS one\nRUN for i in 1 2 3 4 5 6; do echo one; sleep 0.1; done\n"
        "FROM base AS two\nRUN for i in 1 2 3 4 5 6; do echo two; sleep 0.1; done\n"
        "FROM base\nCOPY --from=one /bin/sh /1\nCOPY --from=two /bin/sh /2\n"
    )
    built = builder.build(text)
    said = [e.data.split()[0] for e in built.events if isinstance(e, StepOutput)]
    changes = sum(a != b for a, b in itertools.pairwise(said))
    assert changes > 2, said
    assert [number for number, _, _ in built.steps] == [1, 2, 3, 4, 5, 6, 7]
    again = builder.build(text)
    assert again.misses == []
    assert again.record.id == built.record.id
    alone = builder.build(text, jobs=1, no_cache=True)
    assert [number for number, _, _ in alone.steps] == [1, 2, 3, 4, 5, 6, 7]
    assert alone.told == built.told
    said = [e.data.split()[0] for e in alone.events if isinstance(e, StepOutput)]
    assert said == sorted(said)


def test_a_stage_waits_only_where_it_needs_another(builder: Builder) -> None:
    """As in BuildKit, what a stage does before its COPY --from goes on beside the stage that it copies."""
    built = builder.build(
        "FROM base AS one\nRUN for i in 1 2 3 4 5 6; do echo one; sleep 0.1; done; echo made > /made\n"
        "FROM base\nRUN echo two\nCOPY --from=one /made /\n"
    )
    said = [e.data.split()[0] for e in built.events if isinstance(e, StepOutput)]
    assert said.index(b"two") < len(said) - 1
    assert built.text("/made") == "made\n"


def test_a_line_of_stages_needs_no_thread(builder: Builder) -> None:
    text = "FROM base AS a\nRUN echo a > /a\nFROM a AS b\nRUN echo b > /b\nFROM b\nRUN cat /a /b\n"
    before, seen = _threads(), []

    def runtime() -> Runtime:
        seen.append(_threads())
        return Builder.runtime(builder)

    builder.runtime = runtime  # type: ignore[method-assign]
    assert builder.build(text).output == "a\nb\n"
    assert set(seen) == {before}


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_many_stages(builder: Builder) -> None:
    """More than there may be threads, each with the one before and its own base."""
    lines = ["FROM base AS s0\nCOPY a /0"]
    lines += [f"FROM base AS s{n}\nCOPY --from=s{n - 1} /{n - 1} /{n}" for n in range(1, 60)]
    builder.file("a", "a")
    built = builder.build("\n".join(lines) + "\n")
    assert built.text("/59") == "a"
    assert len(built.steps) == 120


def test_the_same_step_in_two_stages_is_made_once(builder: Builder) -> None:
    text = (
        "FROM base AS one\nRUN echo made >&2; sleep 0.3; echo x > /x\n"
        "FROM base AS two\nRUN echo made >&2; sleep 0.3; echo x > /x\n"
        "FROM base\nCOPY --from=one /x /1\nCOPY --from=two /x /2\n"
    )
    for no_cache in (False, True):
        built = builder.build(text, no_cache=no_cache)
        assert built.output == "made\n"
        assert len([e for e in built.events if isinstance(e, StepWaiting)]) == 1
        assert [cached for number, cached, _ in built.steps if number in (2, 4)].count(True) == 1


def test_the_same_base_is_resolved_once(builder: Builder) -> None:
    from cowl.build.build import build
    from cowl.build.request import BuildRequest

    asked = []

    def resolve(name: str, _platform: object, _emit: object) -> object:
        asked.append(name)
        return builder.store.images.find(name)

    path = builder.context.parent / "Dockerfile"
    path.write_text(
        "FROM base AS a\nFROM base AS b\nFROM base\nCOPY --from=a /etc /a\nCOPY --from=b /etc /b\n"
    )
    build(
        BuildRequest(str(builder.context), str(path)),
        store=builder.store,
        runtime=builder.runtime,
        resolve_base=resolve,  # type: ignore[arg-type]
        emit=lambda _event: None,
        clock=lambda: 0.0,
    )
    assert asked == ["base"]


def test_the_first_failure_ends_the_others(builder: Builder) -> None:
    with pytest.raises(RunFailed) as caught:
        builder.build(
            "FROM base AS one\nRUN echo up; sleep 1007\n"
            "FROM base AS two\nRUN sleep 1007 >/dev/null 2>&1 0<&-\n"
            "FROM base AS three\nRUN sleep 0.3; exit 3\n"
            "FROM scratch\nCOPY --from=one / /\nCOPY --from=two / /\nCOPY --from=three / /\n",
            jobs=3,
        )
    assert (caught.value.line, caught.value.exit_code) == (6, 3)
    canceled = {event.number for event in builder.events if isinstance(event, StepCanceled)}
    assert canceled == {2, 4}
    assert builder.leftovers() == []
    assert builder.store.check() == []
    assert not _sleepers()


def _sleepers() -> list[str]:
    """Processes of this test's containers: `sleep 1007`."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue
        if line.endswith(b"sleep\x001007\x00"):
            found.append(name)
    return found


def test_an_emit_that_fails_ends_the_build(builder: Builder) -> None:
    class Heard(Exception):
        pass

    def hear(event: Event) -> None:
        if isinstance(event, StepStarted) and event.text.startswith("RUN"):
            raise Heard

    from cowl.build.build import build
    from cowl.build.request import BuildRequest

    path = builder.context.parent / "Dockerfile"
    path.write_text("FROM base AS one\nRUN sleep 1007\nFROM base\nRUN sleep 1007\nCOPY --from=one / /\n")
    with pytest.raises(Heard):
        build(
            BuildRequest(str(builder.context), str(path)),
            store=builder.store,
            runtime=builder.runtime,
            resolve_base=lambda name, _platform, _emit: builder.store.images.find(name),
            emit=hear,
            clock=lambda: 0.0,
        )
    assert builder.leftovers() == []


def test_ctrl_c_while_two_stages_run(caller: Caller, busybox_tar: Path) -> None:
    caller.cowl("import", str(busybox_tar), "base")
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM base AS one\nRUN echo up; sleep 1007\nFROM base AS two\nRUN echo  up; sleep 1007\n"
        "FROM scratch\nCOPY --from=one / /\nCOPY --from=two / /\n"
    )
    caller.give(context)
    layers = os.listdir(caller.store / "layers")
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen(
            caller.argv("build", "--progress", "plain", str(context)),
            env=caller.env,
            cwd=caller.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            assert process.stderr is not None
            said = b""
            while said.count(b" up\n") < 2:
                assert select.select([process.stderr], (), (), 60)[0], said
                said += os.read(process.stderr.fileno(), 1 << 16)
            os.killpg(process.pid, number)
            rest = process.communicate(timeout=60)[1]
        assert process.returncode == 128 + number, rest
        assert rest.count(b"CANCELED") == 2 and b"Traceback" not in rest, rest
        assert os.listdir(caller.store / "staging") == []
        assert os.listdir(caller.store / "layers") == layers
        assert not _sleepers()
    assert caller.text("system", "check") == "0 problems"
