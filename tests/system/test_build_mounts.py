"""RUN --mount: what it shows, what it leaves, and what a hostile stage, cache or context can't do with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.building import Builder, as_fixture

from cowl.build.run_settings import run_settings
from cowl.build.run_step import RunFailed
from cowl.build.sources import SourceNotFound
from cowl.dockerfile.diagnostics import DockerfileError
from cowl.events import StepOutput

builder = as_fixture()
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="in-process builds of this module run as root")


def diff(builder: Builder, image: object, number: int = -1) -> set[str]:
    """All that a layer of a build holds."""
    layer = image.record.layers[number]  # type: ignore[attr-defined]
    top = Path(builder.store.directory.diff(layer.key))
    return {str(path.relative_to(top)) for path in top.rglob("*")}


def looks(path: Path) -> tuple[int, ...]:
    """What must not change of a canary."""
    found = os.stat(path)
    return found.st_ino, found.st_nlink, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def test_a_bind_of_the_context_shows_what_is_not_ignored(builder: Builder) -> None:
    builder.file("src/a.txt", "one")
    builder.file("src/secret.key", "no")
    builder.file(".dockerignore", "**/*.key\n")
    built = builder.build(
        "FROM base\nWORKDIR /w\n"
        "RUN --mount=source=src,target=in ls -ln /w/in; cat in/a.txt; touch in/b || echo read-only\n"
    )
    assert "a.txt" in built.output and "secret.key" not in built.output
    assert " 0 " in built.output and "one" in built.output and "read-only" in built.output
    assert diff(builder, built) == set()
    assert builder.leftovers() == []


def test_what_is_written_to_a_bind_is_thrown_away(builder: Builder) -> None:
    source = builder.file("a.txt", "one")
    built = builder.build(
        "FROM base AS one\nRUN mkdir /out && echo stage > /out/f\n"
        "FROM base\n"
        "RUN --mount=target=/c,rw --mount=from=one,source=/out,target=/s,readwrite=true "
        "echo two > /c/a.txt && echo x > /s/f && rm -f /c/none && mkdir /s/d && cat /c/a.txt /s/f > /seen\n"
        "RUN --mount=from=one,target=/s cat /s/out/f > /again; test ! -e /s/out/d; test -e /s/bin/sh\n"
    )
    assert built.text("/seen") == "two\nx\n"
    assert built.text("/again") == "stage\n"
    assert source.read_text() == "one"
    assert diff(builder, built, -2) == {"seen"} and diff(builder, built) == {"again"}


def test_files_can_be_bound_and_links_of_a_stage_stay_in_it(builder: Builder) -> None:
    builder.file("tool.sh", "#!/bin/sh\necho tool\n", 0o755)
    built = builder.build(
        "FROM base AS one\nRUN echo inside > /etc/shadow && ln -s /etc/shadow /link && ln -s ../../.. /up\n"
        "FROM base\n"
        "RUN --mount=source=tool.sh,target=/usr/local/bin/tool --mount=from=one,source=/link,target=/l"
        " --mount=from=one,source=/up/up/etc/shadow,target=/m /usr/local/bin/tool && cat /l /m > /seen\n"
    )
    assert "tool\n" in built.output
    assert built.text("/seen") == "inside\ninside\n"
    assert diff(builder, built) == {"seen"}


def test_targets_leave_nothing_and_parents_keep_their_looks(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nRUN mkdir -m 751 /app && chown 7:8 /app && touch -d @1000000000 /app\n"
        "RUN --mount=type=tmpfs,target=/app/new/deep --mount=type=tmpfs,target=/none/at/all "
        "stat -c '%a %u %g %Y' /app; mount | grep -c ' /app/new/deep ' && echo x > /app/new/deep/x\n"
        "RUN --mount=type=tmpfs,target=/app/new/deep touch /app/own\n"
        "RUN --mount=type=tmpfs,target=/app/new/deep touch /app/new/beside\n"
    )
    assert "751 7 8 1000000000" in built.output
    assert diff(builder, built, -3) == set()
    assert diff(builder, built, -2) == {"app", "app/own"}
    assert diff(builder, built) == {"app", "app/new", "app/new/beside"}
    assert built.owner("/app") == (7, 8, 0o751)


def test_a_target_that_a_layer_removed_is_there_again(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nRUN mkdir -p /gone/x\nRUN rm -r /gone\n"
        "RUN --mount=type=tmpfs,target=/gone/x test -d /gone/x\nRUN test ! -e /gone\n"
    )
    assert diff(builder, built, -2) == set()


def test_a_link_on_the_way_to_a_target_is_followed_in_the_image(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nRUN ln -s /real /alias && ln -s /../../../tmp/escape /out\n"
        "RUN --mount=type=tmpfs,target=/alias/x --mount=type=tmpfs,target=/out/y "
        "mount | grep -E ' /(real/x|tmp/escape/y) ' | wc -l > /n\n"
    )
    assert built.text("/n").strip() == "2"
    assert not os.path.exists("/tmp/escape")


def test_a_parent_that_a_run_swaps_for_a_link_removes_nothing(builder: Builder, tmp_path: Path) -> None:
    """CVE-2024-23652: the clean-up of a stub followed the link."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "x").write_text("alive")
    before = looks(canary / "x")
    built = builder.build(
        "FROM base\nRUN --mount=type=tmpfs,target=/a/b/x "
        f"mv /a /moved 2>/dev/null; rm -rf /a/b 2>/dev/null; ln -s {canary} /a/c; ln -s {canary} /b; true\n"
    )
    assert (canary / "x").read_text() == "alive" and looks(canary / "x") == before
    print(
        diff(builder, built), list(Path(builder.store.directory.diff(built.record.layers[-1].key)).rglob("*"))
    )
    assert "a/b/x" not in diff(builder, built)


def test_tmpfs_size_and_options(builder: Builder) -> None:
    built = builder.build(
        "FROM base\nARG SIZE=1m\n"
        "RUN --mount=type=tmpfs,target=/t,size=$SIZE dd if=/dev/zero of=/t/x bs=64k count=64 2>&1 | tail -1;"
        " stat -c %a /t; du -k /t/x\n"
    )
    assert "1777\n" in built.output and "1024\t/t/x" in built.output


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ("type=bind,source=none,target=/x", "not found in the build context"),
        ("type=bind,source=no.key,target=/x", "excludes it"),
        ("from=one,source=/none,target=/x", "not found in stage one"),
    ],
)
def test_a_missing_source_is_an_error_at_its_place(builder: Builder, mount: str, said: str) -> None:
    builder.file("no.key")
    builder.file(".dockerignore", "*.key\n")
    with pytest.raises(SourceNotFound, match=said) as caught:
        builder.build(f"FROM base AS one\nFROM base\nRUN --mount={mount} true\n")
    assert (caught.value.line, caught.value.column) == (3, 13)


def test_nothing_is_mounted_over_the_kernel(builder: Builder) -> None:
    for target in ("/proc/x", "/sys", "/proc"):
        with pytest.raises(Exception, match="nothing can be mounted at"):
            builder.build(f"FROM base\nRUN --mount=type=tmpfs,target={target} true\n")
    with pytest.raises(Exception, match="file system of the kernel"):
        builder.build("FROM base\nRUN ln -s /proc/self /p\nRUN --mount=target=/p/attr true\n")


def test_the_key_of_a_run_is_what_its_mounts_show(builder: Builder) -> None:
    builder.file("src/a", "one")
    text = "FROM base\nRUN --mount=source=src,target=/s cat /s/a > /a\n"
    assert builder.build(text).misses == [2]
    os.utime(builder.context / "src/a", (1, 1))
    builder.file("other", "x")
    assert builder.build(text).misses == []
    builder.file("src/a", "two")
    built = builder.build(text)
    assert built.misses == [2] and built.text("/a") == "two"
    for more in ("ro=false", "target=/t"):
        assert builder.build(
            text.replace("target=/s", f"target=/s,{more}").replace("cat", "true")
        ).misses == [2]


# Secrets


SECRET = "the-secret-d9f1c5"


def test_a_secret_is_seen_by_its_run_alone(builder: Builder) -> None:
    settings = run_settings(secrets={"tok": SECRET, "other": b"x" * 10})
    built = builder.build(
        "FROM base\n"
        "RUN --mount=type=secret,id=tok sha256sum /run/secrets/tok && stat -c '%a %u %g' /run/secrets/tok;"
        " echo y > /run/secrets/tok || echo read-only\n"
        "RUN --mount=type=secret,id=tok,target=/etc/tok,mode=0440,uid=5,gid=6 stat -c '%a %u %g' /etc/tok\n"
        "RUN --mount=type=secret,id=tok,env=TOKEN test ${#TOKEN} = 17 && test ! -e /run/secrets\n"
        'RUN test -z "$TOKEN" && test ! -e /run/secrets && test ! -e /etc/tok\n'
        "RUN --mount=type=secret,id=absent,env=NONE --mount=type=secret,id=nowhere"
        ' test "${NONE+set}" = set && test ! -e /run/secrets/nowhere\n',
        settings=settings,
    )
    assert "400 0 0" in built.output and "440 5 6" in built.output and "read-only" in built.output
    for number in range(1, 6):
        assert diff(builder, built, number) == set()
    needle = SECRET.encode()
    for folder, _, files in os.walk(builder.store.root):
        for name in files:
            assert needle not in (Path(folder) / name).read_bytes(), name
    assert SECRET not in repr(builder.events) and SECRET not in repr(settings)


def test_the_value_of_a_secret_is_not_in_the_key(builder: Builder) -> None:
    text = "FROM base\nRUN --mount=type=secret,id=tok true\n"
    assert builder.build(text, settings=run_settings(secrets={"tok": "a"})).misses == [2]
    assert builder.build(text, settings=run_settings(secrets={"tok": "b"})).misses == []
    assert builder.build(text.replace("tok", "tik")).misses == [2]


def test_a_required_secret_that_is_missing(builder: Builder) -> None:
    with pytest.raises(DockerfileError, match="the secret 'tok' was not given") as caught:
        builder.build("FROM base\nRUN --mount=type=secret,id=tok,required true\n")
    assert caught.value.line == 2 and "--secret id=tok" in caught.value.hint


def test_a_failing_run_tells_no_secret(builder: Builder) -> None:
    with pytest.raises(RunFailed) as caught:
        builder.build(
            "FROM base\nRUN --mount=type=secret,id=tok,env=T --mount=type=secret,id=tok false\n",
            settings=run_settings(secrets={"tok": SECRET}),
        )
    assert SECRET not in str(caught.value) + repr(vars(caught.value))


def test_no_byte_of_a_large_output_is_lost(builder: Builder) -> None:
    """More than pipes hold, from several writers, the last one in the background."""
    built = builder.build(
        "FROM base\nRUN head -c 20000000 /dev/zero & head -c 10000000 /dev/zero >&2; wait; (sleep 0.1;"
        " echo end) &\n"
    )
    chunks = [event for event in built.events if isinstance(event, StepOutput)]
    assert max(len(chunk.data) for chunk in chunks) <= 1 << 16
    out = b"".join(chunk.data for chunk in chunks if chunk.stream == "stdout")
    assert out.count(0) == 20_000_000
    assert sum(len(chunk.data) for chunk in chunks if chunk.stream == "stderr") == 10_000_000


def test_a_cache_begins_with_what_from_says(builder: Builder) -> None:
    text = (
        "FROM base AS one\nRUN mkdir /seed && echo s > /seed/f\nFROM base\n"
        "RUN --mount=type=cache,from=one,source=/seed,target=/k,id=c echo own >> /k/f; cat /k/f > /n\n"
    )
    assert builder.build(text).text("/n") == "s\nown\n"
    assert builder.build(text.replace("own", "more")).text("/n") == "s\nown\nmore\n"
    plain = builder.build("FROM base\nRUN --mount=type=cache,target=/k,id=c ls /k | wc -l > /n\n")
    assert plain.text("/n").strip() == "0"
    assert len(builder.store.cache_mounts.list()) == 2


def test_hostile_links_in_caches_and_stages_reach_nothing(builder: Builder, tmp_path: Path) -> None:
    """CVE-2024-9675, 2024-1753, 2024-11218: sources and ids that are links or lead upwards."""
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "x").write_text("alive")
    before = looks(canary), looks(canary / "x")
    evil = (
        f"FROM base AS evil\nRUN ln -s / /root-link && ln -s {canary} /canary"
        f" && mkdir /d && ln -s ../../../{canary} /d/l\nFROM base\n"
    )
    cache = f"RUN --mount=type=cache,id=../../../{canary},target=/k"
    builder.build(
        f"{evil}{cache} rm -rf /k/* && ln -s {canary} /k/l && echo w > /k/own\n"
        f"{cache} test -L /k/l && ! test -e /k/l/x && test -f /k/own\n"
        "RUN --mount=from=evil,source=/root-link,target=/r,rw rm -rf /r/d /r/etc;"
        f" echo w > /r/w; test ! -e /r{canary}\n"
        "RUN --mount=type=cache,from=evil,source=/d,id=e,target=/e ! test -e /e/l/x\n"
    )
    for source in ("/canary", "/d/l/x", "/canary/x"):
        with pytest.raises(SourceNotFound):
            builder.build(f"{evil}RUN --mount=from=evil,source={source},target=/r true\n")
    assert (looks(canary), looks(canary / "x")) == before


def test_a_bind_of_an_image_or_named_context(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "n").write_text("named")
    built = builder.build(
        "FROM base\nRUN --mount=from=base,source=/bin,target=/b --mount=from=extra,target=/x,rw"
        " test -x /b/sh && cat /x/n > /n && echo w > /x/n\n",
        build_contexts=(("extra", str(tmp_path / "named")),),
    )
    assert built.text("/n") == "named" and (tmp_path / "named" / "n").read_text() == "named"
