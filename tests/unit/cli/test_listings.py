"""images, history, ps and system df: rows from objects, without a store."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cowl.cli import history, images, names, ps
from cowl.cli.container_filters import Wanted
from cowl.cli.filters import InvalidFilter
from cowl.cli.rows import rendered
from cowl.cli.template import TemplateError
from cowl.oci.reference import Reference

NOW = 1_700_000_000.0
TWO_HOURS_AGO = "2023-11-14T20:13:20.5Z"
ID = "sha256:" + "0123456789abcdef" * 4


def image(**changes: Any) -> Any:
    return SimpleNamespace(
        **{
            "id": ID,
            "references": ("docker.io/library/node:14",),
            "repo_digests": (),
            "created": TWO_HOURS_AGO,
            "size_bytes": 117_345_678,
            **changes,
        }
    )


def test_an_image_has_a_row_for_each_name() -> None:
    rows = images.image_rows([image(references=("docker.io/library/a:1", "localhost:5000/b:2"))], NOW)
    assert [(row["Repository"], row["Tag"]) for row in rows] == [("a", "1"), ("localhost:5000/b", "2")]


def test_the_table_of_images() -> None:
    rows = images.image_rows([image(), image(references=(), created="")], NOW)
    assert rendered(rows, images.HEADERS, images.COLUMNS, "") == (
        "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE\n"
        "node         14        0123456789ab   2 hours ago   117MB\n"
        "<none>       <none>    0123456789ab   N/A           117MB\n"
    )


def test_digests_have_rows_only_when_asked_for() -> None:
    digest = "sha256:" + "f" * 64
    pulled = image(repo_digests=(f"docker.io/library/node@{digest}", f"docker.io/u/x@{digest}"))
    plain = images.image_rows([pulled], NOW)
    assert [(row["Repository"], row["Tag"], row["Digest"]) for row in plain] == [
        ("node", "14", "<none>"),
        ("u/x", "<none>", "<none>"),
    ]
    full = images.image_rows([pulled], NOW, digests=True)
    assert [(row["Repository"], row["Tag"], row["Digest"]) for row in full] == [
        ("node", "14", digest),
        ("u/x", "<none>", digest),
    ]


@pytest.mark.parametrize(
    ("pattern", "count"),
    [("node", 1), ("node:14", 1), ("node:15", 0), ("no*", 1), ("docker.io/library/node", 1)],
)
def test_references_choose_rows(pattern: str, count: int) -> None:
    assert len(images.image_rows([image()], NOW, references=[pattern])) == count


def test_json_is_a_line_each_with_sorted_keys() -> None:
    text = rendered(images.image_rows([image()], NOW, full_ids=True), images.HEADERS, images.COLUMNS, "json")
    row = json.loads(text)
    assert list(row) == sorted(row)
    assert (row["ID"], row["Size"], row["CreatedSince"]) == (ID, "117MB", "2 hours ago")


def test_templates_over_rows() -> None:
    rows = images.image_rows([image()], NOW)
    text = rendered(rows, images.HEADERS, images.COLUMNS, "table {{.Repository}}\\t{{.Size}}")
    assert text == "REPOSITORY   SIZE\nnode         117MB\n"
    with pytest.raises(TemplateError):
        rendered(rows, images.HEADERS, images.COLUMNS, "{{.Nope}}")


def entry(**changes: Any) -> Any:
    return SimpleNamespace(
        **{
            "image_id": "<missing>",
            "created": TWO_HOURS_AGO,
            "created_by": "RUN /bin/sh -c echo aaaaaaaaabbbbbbbbbb>>hello.txt # buildkit",
            "size_bytes": 25,
            "comment": "buildkit.dockerfile.v0",
            "diff_id": ID,
            "layer_key": "0" * 64,
            "why_not": "",
            "instruction": "RUN echo aa>>hello.txt",
            "line": 0,
            "shared_by": (),
            "containers": 0,
            "snapshots": 0,
            **changes,
        }
    )


def test_the_table_of_a_history() -> None:
    found = [entry(image_id=ID), entry(created_by="ENV A=\tb", size_bytes=0, why_not="configuration only")]
    text = rendered(history.history_rows(found, NOW), history.HEADERS, history.COLUMNS, "")
    assert text == (
        "IMAGE          CREATED       CREATED BY                                      SIZE      COMMENT\n"
        "0123456789ab   2 hours ago   RUN /bin/sh -c echo aaaaaaaaabbbbbbbbbb>>hel…   25B       "
        "buildkit.dockerfile.v0\n"
        "<missing>      2 hours ago   ENV A= b                                        0B        "
        "buildkit.dockerfile.v0\n"
    )


def test_the_layers_of_a_history() -> None:
    shared: dict[str, Any] = {"shared_by": ("a:1", "b:1"), "containers": 1, "snapshots": 2, "line": 7}
    found = [
        entry(image_id=ID, **shared),
        entry(diff_id="", shared_by=("a:1", "b:1", "c:1")),
        entry(instruction="ENV A=b", diff_id="", layer_key="", why_not="configuration only", size_bytes=0),
    ]
    told = history.history_rows(found, NOW)
    assert rendered(told, history.HEADERS, history.LAYER_COLUMNS, "") == (
        "LAYER          SIZE      SHARED BY, OR WHY NO LAYER           INSTRUCTION\n"
        "0123456789ab   25B       a:1, b:1, 1 container, 2 snapshots   RUN echo aa>>hello.txt\n"
        "000000000000   25B       3 images                             RUN echo aa>>hello.txt\n"
        "               0B        configuration only                   ENV A=b\n"
    )
    assert rendered(told, history.HEADERS, (), "{{.SharedBy}} {{.WhyNot}}") == (
        "a:1,b:1 \na:1,b:1,c:1 \n configuration only\n"
    )


def test_a_history_in_full_and_in_bare_numbers() -> None:
    found = [entry(image_id=ID, size_bytes=25_000)]
    row = history.history_rows(found, NOW, full=True, readable=False)[0]
    assert row["ID"] == ID
    assert row["Size"] == "25000"
    assert row["CreatedBy"].endswith("# buildkit")
    assert row["CreatedSince"].startswith("2023-11-14T")


def container(**changes: Any) -> Any:
    return SimpleNamespace(
        **{
            "id": "fedcba9876543210" * 4,
            "name": "clever_curie",
            "image": "node:14",
            "image_id": ID,
            "command": ("docker-entrypoint.sh", "node", 'a "b"'),
            "created_at": NOW - 60,
            "state": "exited",
            "exit_code": 3,
            "started_at": NOW - 60,
            "finished_at": NOW - 5,
            "labels": {"b": "2", "a": "1"},
            "settings": SimpleNamespace(
                mounts=(SimpleNamespace(kind="bind", source="/very/long/source/path", target="/data"),)
            ),
            "network_names": ("none",),
            "health": None,
            "exposed": ("80/tcp", "81/tcp"),
            "to_publish": ("81/tcp",),
            "size": lambda: (10_000, 1_990_000),
            **changes,
        }
    )


def test_the_table_of_containers() -> None:
    rows = ps.container_rows([container()], NOW, sizes=True)
    assert rendered(rows, ps.HEADERS, (*ps.COLUMNS, "Size"), "") == (
        "CONTAINER ID   IMAGE     COMMAND                  CREATED              STATUS                     "
        "PORTS     NAMES          SIZE\n"
        'fedcba987654   node:14   "docker-entrypoint.s…"   About a minute ago   Exited (3) 5 seconds ago   '
        "          clever_curie   10kB (virtual 1.99MB)\n"
    )


def test_templates_over_containers() -> None:
    rows = ps.container_rows([container()], NOW)
    template = '{{.Labels}}|{{.Label "a"}}|{{.Mounts}}|{{.Networks}}|{{.Size}}'
    assert rendered(rows, ps.HEADERS, ps.COLUMNS, template) == "a=1,b=2|1|/very/long/sou…|none|0B\n"
    full = ps.container_rows([container()], NOW, full=True)[0]
    assert full["Command"] == '"docker-entrypoint.sh node \'a \\"b\\"\'"'
    line = rendered(rows, ps.HEADERS, ps.COLUMNS, "json")
    assert json.loads(line)["ID"] == "fedcba987654"
    assert rendered(rows, ps.HEADERS, ps.COLUMNS, "{{json .}}") == line


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("docker.io/library/node:14", "node:14"),
        ("docker.io/grafana/grafana:1", "grafana/grafana:1"),
        ("docker.io/library/a/b:1", "library/a/b:1"),
        ("docker.io/foo.bar/x:1", "docker.io/foo.bar/x:1"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("localhost:5000/docker.io/library/a:1", "localhost:5000/docker.io/library/a:1"),
    ],
)
def test_a_familiar_name_means_the_same(reference: str, shown: str) -> None:
    assert names.familiar(reference) == shown == Reference.parse(reference).familiar
    assert str(Reference.parse(shown)) == reference


def test_a_container_whose_image_lost_its_name() -> None:
    rows = ps.container_rows([container()], NOW, image_ids={"node:14": ID})
    assert rows[0]["Image"] == "node:14"
    assert ps.container_rows([container()], NOW, image_ids={})[0]["Image"] == "0123456789ab"


@pytest.mark.parametrize(
    ("words", "passes"),
    [
        (["name=curie"], True),
        (["name=^clever_", "name=x"], True),
        (["name=/clever"], True),
        (["name=^/clever_curie$"], True),
        (["name=("], False),
        (["id=fedc"], True),
        (["id=dcba"], False),
        (["status=running", "status=exited"], True),
        (["status=running"], False),
        (["exited=3"], True),
        (["exited=0"], False),
        (["label=a=1", "label=b"], True),
        (["label=a=1", "label=c"], False),
        (["name=curie", "status=running"], False),
        (["volume=/data"], True),
        (["volume=data"], False),
        (["network=none"], True),
        (["network=host"], False),
        (["publish=81"], True),
        (["publish=80"], False),
        (["expose=80/tcp"], True),
        (["expose=79-80"], True),
        (["expose=80/udp"], False),
        (["health=none"], True),
        (["health=healthy", "health=starting"], False),
    ],
)
def test_filters_of_containers(words: list[str], passes: bool) -> None:
    assert Wanted(words)._passes(container()) is passes


@pytest.mark.parametrize(
    "word",
    [
        "colour=red",
        "status=walking",
        "health=fine",
        "exited=x",
        "is-task=true",
        "publish=x",
        "expose=80/",
        "name",
    ],
)
def test_odd_filters_are_refused(word: str) -> None:
    with pytest.raises(InvalidFilter):
        Wanted([word])._passes(container())


def test_a_status_tells_the_health() -> None:
    def status(state: str, health: str) -> object:
        box = container(state=state, health=SimpleNamespace(status=health))
        return ps.container_rows([box], NOW)[0]["Status"]

    assert status("running", "starting") == "Up About a minute (health: starting)"
    assert status("running", "healthy") == "Up About a minute (healthy)"
    assert status("running", "unhealthy") == "Up About a minute (unhealthy)"
    assert status("paused", "healthy") == "Up About a minute (Paused)"
    assert status("exited", "healthy") == "Exited (3) 5 seconds ago"


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("created", "Created"),
        ("restarting", "Restarting (3) 5 seconds ago"),
        ("dead", "Dead"),
        ("running", "Up About a minute"),
    ],
)
def test_the_status_of_every_state(state: str, said: str) -> None:
    assert ps.container_rows([container(state=state)], NOW)[0]["Status"] == said
