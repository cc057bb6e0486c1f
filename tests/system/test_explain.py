"""Why a step is made again: right for a mutation of every kind of input, and silent about secrets."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.building import Builder, Built, as_fixture
from tests.caller import Caller

from cowl.events import StepMissed, StepStarted

builder = as_fixture()

TEXT = """\
FROM base AS one
ARG UNUSED
ARG VERSION=1
ENV MODE=a
LABEL l=1
WORKDIR /app
COPY --chown=0:0 package.json link lib /app/
RUN echo $MODE $VERSION
"""
STEPS = {2: "WORKDIR", 3: "COPY", 4: "RUN"}

Mutation = Callable[[Builder], object]


def told(built: Built) -> dict[int, str]:
    """The reason of each step that missed, by its number."""
    return {event.number: event.reason for event in built.events if isinstance(event, StepMissed)}


@pytest.fixture
def project(builder: Builder) -> Builder:
    builder.file("package.json", "{}\n")
    builder.file("lib/a.js", "a\n")
    builder.file("lib/b.js", "b\n")
    (builder.context / "link").symlink_to("lib/a.js")
    return builder


def keep_mtime(builder: Builder) -> None:
    """Same length, same mtime, other bytes."""
    before = (builder.context / "package.json").stat()
    builder.file("package.json", "[]\n")
    os.utime(builder.context / "package.json", ns=(before.st_atime_ns, before.st_mtime_ns))


def clone(umask: int) -> Mutation:
    """A checkout elsewhere, with other times: git keeps the x bit, the umask decides the rest."""

    def body(builder: Builder) -> None:
        copy = builder.context.with_name("clone")
        shutil.copytree(builder.context, copy, symlinks=True)
        copy.chmod(0o777 & ~umask)
        for folder, folders, files in os.walk(copy):
            for name in (*folders, *files):
                path = Path(folder, name)
                if not path.is_symlink():
                    path.chmod((0o777 if name in folders else 0o666) & ~umask)
                os.utime(path, (5, 5), follow_symlinks=False)
        builder.context = copy

    return body


def relink(builder: Builder) -> None:
    (builder.context / "link").unlink()
    (builder.context / "link").symlink_to("lib/b.js")


def move(old: str, new: str) -> Mutation:
    return lambda builder: (builder.context / old).rename(builder.context / new)


def write(name: str, text: str, mode: int = 0o644) -> Mutation:
    return lambda builder: builder.file(name, text, mode)


def remove(name: str) -> Mutation:
    return lambda builder: (builder.context / name).unlink()


def text(old: str, new: str) -> dict[str, str]:
    return {"old": old, "new": new}


def nothing(_builder: Builder) -> None:
    pass


HIT: dict[int, str] = {}
ABOVE = "step above"
MOVED = {2: "WORKDIR /app -> /srv", 3: ABOVE, 4: "step above, WORKDIR /app -> /srv"}
INSERTED = {2: "first build of this step", 3: ABOVE, 4: ABOVE, 5: ABOVE}
IGNORED = {3: "lib/b.js removed (.dockerignore excludes it)", 4: ABOVE}


@pytest.mark.parametrize(
    ("change", "options", "reasons"),
    [
        # the files that are read; the link is copied as the file that it leads to
        (write("package.json", "{1}\n"), {}, {3: "package.json changed (content)", 4: ABOVE}),
        (keep_mtime, {}, {3: "package.json changed (content)", 4: ABOVE}),
        (write("package.json", "{}\n", 0o755), {}, {3: "package.json changed (mode)", 4: ABOVE}),
        (write("lib/c.js", "c\n"), {}, {3: "lib/c.js added", 4: ABOVE}),
        (remove("lib/b.js"), {}, {3: "lib/b.js removed", 4: ABOVE}),
        (move("lib/b.js", "lib/z.js"), {}, {3: "lib/b.js renamed to lib/z.js", 4: ABOVE}),
        (relink, {}, {3: "link changed (content)", 4: ABOVE}),
        (write(".dockerignore", "lib/b.js\n"), {}, IGNORED),
        (write(".dockerignore", "nothing/*\n"), {}, HIT),
        (write("unread.txt", "x"), {}, HIT),
        (lambda b: os.utime(b.context / "package.json", (1, 1)), {}, HIT),
        (clone(0o022), {}, HIT),
        (clone(0o002), {}, HIT),
        # variables
        (nothing, {"args": {"VERSION": "2"}}, {4: "ARG VERSION 1 -> 2"}),
        (nothing, {"args": {"VERSION": "1"}}, HIT),
        (nothing, {"args": {"OTHER": "x"}}, HIT),
        (nothing, {"args": {"UNUSED": "x"}}, {4: "ARG UNUSED added"}),  # RUN sees every ARG above it
        (nothing, text("RUN", "ARG BELOW=1\nRUN"), {4: "ARG BELOW added"}),
        (nothing, text("ENV MODE=a", "ENV MODE=b"), {4: "ENV MODE a -> b"}),
        (nothing, text("ENV MODE=a", "ENV MODE=a NEW=1"), {4: "ENV NEW added"}),
        (nothing, text("ARG VERSION=1\n", ""), {4: "ARG VERSION removed"}),
        (nothing, text("ARG VERSION=1\n", "ENV VERSION=1\n"), HIT),
        # the instruction
        (nothing, text("LABEL l=1", "LABEL l=2"), HIT),
        (nothing, text("WORKDIR", "# a comment\nWORKDIR"), HIT),
        (nothing, text("echo $MODE", "echo  $MODE"), {4: "command changed"}),
        (nothing, text("=0:0", "=1:1"), {3: "--chown 0:0 -> 1:1", 4: ABOVE}),
        (nothing, text("=0:0", "=0:0 --chmod=700"), {3: "--chmod none -> 700", 4: ABOVE}),
        (nothing, text("/app/\n", "/app/x/\n"), {3: "the destination /app/ -> /app/x/", 4: ABOVE}),
        (nothing, text("RUN", "USER node\nRUN"), {4: "USER none -> node"}),
        (nothing, text("WORKDIR /app", "WORKDIR /srv"), MOVED),
        (nothing, text("RUN", 'SHELL ["/bin/sh", "-ec"]\nRUN'), {4: 'SHELL "/bin/sh -c" -> "/bin/sh -ec"'}),
        (nothing, text("RUN", "RUN --network=none"), {4: "the network host -> none"}),
        (nothing, {"network": "none"}, {4: "the network host -> none"}),
        # what lies below
        (nothing, text("FROM base", "FROM other"), {2: "base image base -> other", 3: ABOVE, 4: ABOVE}),
        (nothing, {"rebase": True}, {2: "base image changed", 3: ABOVE, 4: ABOVE}),
        (nothing, text("WORKDIR", "RUN true\nWORKDIR"), INSERTED),
        (nothing, text("WORKDIR /app\n", ""), {2: "other steps above", 3: ABOVE + ", WORKDIR /app -> /"}),
        # being asked to
        (nothing, {"no_cache": True}, dict.fromkeys(STEPS, "--no-cache")),
        (nothing, {"no_cache_filter": ("ONE",)}, dict.fromkeys(STEPS, "--no-cache-filter one")),
        (nothing, {"no_cache_filter": ("two",)}, HIT),
        (nothing, {"target": "one"}, HIT),
    ],
)  # fmt: skip
def test_a_mutation(
    project: Builder, busybox_tar: Path, change: Mutation, options: dict[str, Any], reasons: dict[int, str]
) -> None:
    options = dict(options)
    dockerfile = TEXT
    project.add_base(busybox_tar, "other", env=("PATH=/bin",))
    if "FROM other" in str(options.get("new")):
        _other_base(project, "other")
    assert set(told(project.build(TEXT)).values()) == {"first build of this step"}
    assert told(project.build(TEXT)) == {}
    change(project)
    if "old" in options:
        assert options["old"] in TEXT
        dockerfile = TEXT.replace(options.pop("old"), options.pop("new"))
    if options.pop("rebase", False):
        _other_base(project, "base")
    built = project.build(dockerfile, **options)
    assert told(built) == reasons
    assert sorted(told(built)) == built.misses


def _other_base(builder: Builder, name: str) -> None:
    """Points a name to an image of other files."""
    image = builder.build("FROM base\nRUN touch /other-base\n", tags=(name,))
    assert len(image.layers) == 2


def missed(built: Built, number: int) -> StepMissed:
    (event,) = [each for each in built.events if isinstance(each, StepMissed) and each.number == number]
    return event


def test_a_pruned_layer_is_told(project: Builder) -> None:
    project.build(TEXT, tags=("kept",))
    project.store.steps.prune()
    again = project.build(TEXT)
    assert told(again)[2] == "its layer was pruned"
    assert missed(again, 2).earlier > 0


def test_a_clone_elsewhere_is_compared_with_its_twin(project: Builder) -> None:
    project.build(TEXT)
    clone(0o022)(project)
    project.file("package.json", "[]\n")
    built = project.build(TEXT)
    assert told(built) == {3: "package.json changed (content)", 4: ABOVE}
    assert missed(built, 3).elsewhere
    assert missed(built, 4).elsewhere


def test_an_unrelated_dockerfile_is_not_compared(project: Builder, tmp_path: Path) -> None:
    project.build(TEXT)
    project.context = tmp_path / "unrelated"
    project.file("other.txt", "x")
    built = project.build("FROM base\nCOPY other.txt /x\nRUN echo other\n")
    assert set(told(built).values()) == {"first build of this step"}


def test_the_order_of_steps(builder: Builder) -> None:
    builder.build("FROM base\nRUN touch /a\nRUN touch /b\n")
    built = builder.build("FROM base\nRUN touch /b\nRUN touch /a\n")
    assert told(built) == {2: "other steps above", 3: ABOVE}


def test_the_nearest_form_is_the_one_that_differs_least(builder: Builder) -> None:
    text = "FROM base\nARG A\nARG B\nRUN echo $A $B\n"
    for a, b in (("1", "1"), ("2", "2")):
        builder.build(text, args={"A": a, "B": b})
    assert told(builder.build(text, args={"A": "1", "B": "3"})) == {2: "ARG B 1 -> 3"}
    assert told(builder.build(text, args={"A": "2", "B": "3"})) == {2: "ARG A 1 -> 2"}


def test_stages_and_what_they_copy_from_each_other(builder: Builder) -> None:
    text = (
        "FROM base AS one\nCOPY a /a\nFROM one AS two\nRUN touch /b\n"
        "FROM base\nCOPY --from=two /a /b /\nRUN true\n"
    )
    builder.file("a", "1")
    builder.build(text)
    builder.file("a", "2")
    reasons = told(builder.build(text))
    assert reasons == {2: "a changed (content)", 4: ABOVE, 6: "a changed (content)", 7: ABOVE}
    builder.build(text, target="one")
    one = told(builder.build(text.replace("touch /b", "touch /c /b"), no_cache_filter=("one",)))
    assert (one[2], one[4]) == ("--no-cache-filter one", "command changed")


def test_a_filter_that_names_no_stage_is_warned_about(project: Builder) -> None:
    built = project.build(TEXT, no_cache_filter=("on",))
    assert built.warnings == ['--no-cache-filter "on": no stage is called so\nDid you mean one?']


def test_links_in_a_directory(project: Builder) -> None:
    text = "FROM base\nCOPY . /x/\n"
    project.build(text)
    relink(project)
    assert told(project.build(text)) == {2: "link changed (target)"}
    remove("link")(project)
    project.file("link/x", "dir")
    assert told(project.build(text)) == {2: "link/ changed (kind), link/x added"}
    for number in range(5):
        project.file(f"new/{number}", str(number))
    reason = told(project.build(text))[2]
    assert reason == "new/ added, new/0 added, new/1 added and 3 more"


def test_owners_of_another_stage(builder: Builder) -> None:
    text = "FROM base AS one\nRUN touch /f && chown 1:1 /f\nFROM base\nCOPY --from=one /f /\n"
    builder.build(text)
    assert told(builder.build(text.replace("1:1", "2:2")))[4] == "f changed (owner)"


def test_a_secret_is_neither_kept_nor_shown(builder: Builder) -> None:
    text = "FROM base\nARG NPM_TOKEN\nARG HTTP_PROXY\nENV DB_PASSWORD=hush-env\nRUN true\n"
    builder.build(text, args={"NPM_TOKEN": "hush-one", "HTTP_PROXY": "http://hush:hush@proxy"})
    built = builder.build(text, args={"NPM_TOKEN": "hush-two", "HTTP_PROXY": "http://hush:hush@proxy"})
    assert told(built) == {2: "ARG NPM_TOKEN changed (not shown)"}
    assert "hush" not in repr([event for event in built.events if isinstance(event, StepMissed)])
    rows = builder.store._database.rows("SELECT inputs, files FROM notes")
    assert rows
    assert all("hush" not in inputs and b"hush" not in files for inputs, files in rows)


def test_long_and_odd_values_are_cut_and_printable(builder: Builder) -> None:
    text = "FROM base\nARG A\nRUN true\n"
    builder.build(text, args={"A": "x" * 1000})
    assert told(builder.build(text, args={"A": ""})) == {2: f'ARG A {"x" * 57}... -> ""'}
    assert told(builder.build(text, args={"A": "\x1b[31m a"}))[2].endswith('-> "\ufffd[31m a"')


def test_a_cached_build_reads_and_writes_no_note(project: Builder) -> None:
    project.build(TEXT)
    asked: list[str] = []
    project.store._database.connection.set_trace_callback(asked.append)
    project.build(TEXT)
    project.store._database.connection.set_trace_callback(None)
    assert asked
    assert not [sql for sql in asked if "notes" in sql]


def test_the_command_line_tells_it_all(caller: Caller) -> None:
    """FROM scratch: no base, no RUN, so it is the same for everybody."""
    project = caller.home / "project"
    project.mkdir()
    (project / "Dockerfile").write_text("FROM scratch AS x\nCOPY a b /\n")
    (project / "a").write_text("1")
    (project / "b").write_text("1")
    caller.give(project)
    words = ("build", "--progress=plain", str(project))
    assert b"#2 miss: first build of this step\n" in caller.cowl(*words).stderr
    assert b"miss" not in caller.cowl(*words).stderr
    (project / "a").write_text("2")
    (project / "b").write_text("22")
    said = caller.cowl(*words, "--explain").stderr.decode()
    assert "#2 miss: a changed (content), b changed (content)\n" in said
    assert "#2   a changed (content)\n#2   b changed (content)\n#2   compared with the step made " in said
    assert "#2 CACHED (3B in 2 files, made " in caller.cowl(*words, "--explain").stderr.decode()
    assert caller.cowl(*words, "--quiet", "--no-cache").stderr == b""
    said = caller.cowl("build", "--progress=json", "--no-cache-filter=x", str(project)).stderr.decode()
    events = [json.loads(line) for line in said.splitlines()]
    assert [event["event"] for event in events][:2] == ["build_started", "step_started"]
    (why,) = [event for event in events if event["event"] == "step_missed"]
    assert (why["number"], why["reason"], why["cause"]) == (2, "--no-cache-filter x", "no-cache")
    refused = caller.cowl("build", "--progress=rawjson", str(project), status=None)
    assert b"BuildKit's own record" in refused.stderr


def test_an_archive_that_is_unpacked(builder: Builder) -> None:
    import tarfile

    def pack(word: str) -> None:
        builder.file("inside", word)
        with tarfile.open(builder.context / "a.tar", "w") as tar:
            tar.add(builder.context / "inside", "inside")

    text = "FROM base\nADD a.tar /x/\n"
    pack("1")
    builder.build(text)
    pack("2")
    assert told(builder.build(text)) == {2: "a.tar changed (content)"}
    assert told(builder.build(text.replace("/x/", "/y/"))) == {2: "the destination /x/ -> /y/"}
    builder.build("FROM base\nCOPY <<EOF /h\none\nEOF\n")
    assert told(builder.build("FROM base\nCOPY <<EOF /h\ntwo\nEOF\n"))[2].endswith("changed (content)")


def test_an_argument_that_no_file_step_sees(builder: Builder) -> None:
    builder.file("a", "1")
    text = "FROM base\nARG V=1\nCOPY a /a\nWORKDIR /w\nRUN true\nARG W=1\n"
    builder.build(text)
    assert told(builder.build(text, args={"W": "2"})) == {}
    assert told(builder.build(text, args={"V": "2"})) == {4: "ARG V 1 -> 2"}


def test_the_platform(builder: Builder, busybox_tar: Path) -> None:
    builder.file("a", "1")
    scratch = "FROM scratch\nCOPY a /\n"
    builder.build(scratch, platform="linux/amd64")
    assert told(builder.build(scratch, platform="linux/arm64")) == {}
    named = "FROM scratch\nARG TARGETARCH\nCOPY a /$TARGETARCH/\n"
    builder.build(named, platform="linux/amd64")
    reason = "the destination /amd64/ -> /arm64/"
    assert told(builder.build(named, platform="linux/arm64")) == {2: reason}
    text = "FROM based\nCOPY a /\n"
    for architecture, layers in (("amd64", ()), ("arm64", ("touch /other",))):
        config = builder.build("FROM base\n" + "".join(f"RUN {each}\n" for each in layers))
        image = config.config.replace(architecture=architecture, variant="")
        keys = config.record.layer_keys
        builder.store.images.add(image.serialize(), keys, references=["docker.io/library/based:latest"])
        built = builder.build(text, platform=f"linux/{architecture}")
    assert told(built) == {2: "platform linux/amd64 -> linux/arm64"}


def test_stages_side_by_side_are_explained_each_for_itself(builder: Builder) -> None:
    stage = "FROM base AS s{0}\nCOPY {0} /f\nRUN cp /f /{0}\n"
    copies = "".join(f"COPY --from=s{name} /{name} /\n" for name in "abc")
    text = "".join(stage.format(name) for name in "abc") + "FROM base\n" + copies
    for name in "abc":
        builder.file(name, "1")
    builder.build(text)
    for name in "ac":
        builder.file(name, "2")
    built = builder.build(text)
    by_line = {event.number: event.line for event in built.events if isinstance(event, StepStarted)}
    assert {by_line[number]: reason for number, reason in told(built).items()} == {
        2: "a changed (content)",
        3: ABOVE,
        8: "c changed (content)",
        9: ABOVE,
        11: "a changed (content)",
        12: ABOVE,
        13: "step above, c changed (content)",
    }
