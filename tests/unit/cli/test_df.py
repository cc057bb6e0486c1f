"""system df: rows and sections from figures, without a store."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cowl.accounting.cache_usage import CacheUsage
from cowl.accounting.container_usage import ContainerUsage
from cowl.accounting.image_usage import ImageUsage
from cowl.accounting.layer_usage import LayerUsage
from cowl.accounting.missing import Missing
from cowl.accounting.summary import UsageRow
from cowl.cli import df
from cowl.cli.df_sections import section_rows, sections
from cowl.cli.rows import rendered

NOW = 1_000_000_000.0
ID = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "fedcba9876543210" * 4
TWO_HOURS_AGO = "2001-09-08T23:46:40Z"


def image(identity: str, *references: str) -> ImageUsage:
    return ImageUsage(
        id=identity,
        references=tuple(f"docker.io/library/{name}" for name in references),
        repository=references[0].partition(":")[0] if references else "<none>",
        tag=references[0].partition(":")[2] if references else "<none>",
        created=TWO_HOURS_AGO,
        created_at=NOW,
        last_used=NOW - 60,
        size_bytes=3000,
        shared_bytes=2000,
        unique_bytes=1000,
        allocated_bytes=8192,
        frees_bytes=4096,
        containers=1,
    )


def usage(**changes: Any) -> Any:
    found = SimpleNamespace(
        rows=(
            UsageRow("Images", 2, 1, 3000, 1000, 8192, 4096),
            UsageRow("Containers", 1, 0, 10, 10, 4096, 4096),
            UsageRow("Local Volumes", 0, 0, 0, 0, 0, 0),
            UsageRow("Build Cache", 3, 0, 1234, 1234, 4096, 4096),
        ),
        images=(image(ID, "node:14"),),
        containers=(
            ContainerUsage(
                id="ab" * 32,
                names=("one",),
                image="node:14",
                image_id=ID,
                command=("sh",),
                created_at=NOW - 60,
                started_at=NOW - 50,
                finished_at=NOW - 40,
                state="exited",
                exit_code=0,
                size_bytes=10,
                copied_up_bytes=4,
                new_bytes=6,
                virtual_bytes=3010,
                upper_allocated_bytes=4096,
                log_bytes=512,
                allocated_bytes=8704,
            ),
        ),
        cache=(CacheUsage("cd" * 32, "RUN x", "", NOW - 10, NOW - 5, 1234, 4096, False, False),),
        cache_mounts=(),
        volumes=(),
        snapshots=(),
        layers=(),
        owners={},
        missing=(),
        total_allocated_bytes=0,
        sharers=lambda _: (OTHER,),
    )
    for name, value in changes.items():
        setattr(found, name, value)
    found.images += (image(OTHER),)
    return found


def test_the_table_of_disk_usage() -> None:
    assert rendered(df.summary_rows(usage()), df.HEADERS, df.COLUMNS, "") == (
        "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n"
        "Images          2         1         3kB       1kB (33%)\n"
        "Containers      1         0         10B       10B (100%)\n"
        "Local Volumes   0         0         0B        0B\n"
        "Build Cache     3         0         1.234kB   1.234kB\n"
    )
    lines = rendered(df.summary_rows(usage()), df.HEADERS, df.COLUMNS, "{{.Type}} {{.OnDisk}}")
    assert lines.splitlines()[0] == "Images 8.192kB"


def test_docker_s_sections_come_first() -> None:
    found = usage(images=(image(ID, "node:14"),))
    text = sections(found, section_rows(found, NOW))
    assert text.startswith(
        "Images space usage:\n\n"
        "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE      SHARED SIZE   UNIQUE SIZE   "
        "CONTAINERS\n"
        "node         14        0123456789ab   2 hours ago   3kB       2kB           1kB           1\n"
        "<none>       <none>    fedcba987654   2 hours ago   3kB       2kB           1kB           1\n"
        "\nContainers space usage:\n\n"
        "CONTAINER ID   IMAGE     COMMAND   LOCAL VOLUMES   SIZE      CREATED              STATUS"
        "                      NAMES\n"
        'abababababab   node:14   "sh"      0               10B       About a minute ago   '
        "Exited (0) 40 seconds ago   one\n"
        "\nLocal Volumes space usage:\n\n"
        "VOLUME NAME   LINKS     SIZE\n"
        "\nBuild cache usage: 1.234kB\n\n"
        "CACHE ID       CACHE TYPE   SIZE      CREATED          LAST USED       USAGE     SHARED\n"
        "cdcdcdcdcdcd   regular      1.234kB   10 seconds ago   5 seconds ago             false\n"
        "\nImages on disk:\n\n"
    )


def test_what_docker_does_not_say() -> None:
    layer = LayerUsage(
        key="12" * 32,
        diff_id="",
        size_bytes=3000,
        allocated_bytes=8192,
        images=(ID,),
        containers=(),
        steps=(),
        owner="layer",
        pinned=False,
        attributed_bytes=4096,
        files=2,
        whiteouts=1,
        instruction="COPY . /",
        line=7,
    )
    found = usage(layers=(layer,), owners={"layer": 4096}, total_allocated_bytes=4096)
    text = sections(found, section_rows(found, NOW))
    assert text[text.index("Images on disk:") :] == (
        "Images on disk:\n\n"
        "IMAGE ID       ON DISK   FREES     LAST USED            SHARED WITH\n"
        "0123456789ab   8.192kB   4.096kB   About a minute ago   fedcba987654\n"
        "fedcba987654   8.192kB   4.096kB   About a minute ago   fedcba987654\n"
        "\nWhat containers wrote:\n\n"
        "CONTAINER ID   NEW       COPIED UP   VIRTUAL SIZE   LOG ON DISK   ON DISK\n"
        "abababababab   6B        4B          3.01kB         512B          8.704kB\n"
        "\nLayers space usage:\n\n"
        "LAYER          SIZE      ON DISK   FILES     WHITEOUTS   OWNER     IMAGES    CREATED BY\n"
        "121212121212   3kB       4.096kB   2         1           layer     1         COPY . / (line 7)\n"
        "\nOn disk by owner:\n\n"
        "OWNER     ON DISK\n"
        "layer     4.096kB\n"
        "total     4.096kB\n"
    )


def test_a_container_whose_image_lost_its_name() -> None:
    named, lost = usage(), usage(images=(image(ID),))
    assert section_rows(named, NOW)["Containers"][0]["Image"] == "node:14"
    assert section_rows(lost, NOW)["Containers"][0]["Image"] == "0123456789ab"


def test_what_is_missing_is_said_aside(capsys: pytest.CaptureFixture[str]) -> None:
    lost = Missing("volume", "data", "the directory of volume data is gone", "Remove it: cowl volume rm data")
    df.warn(usage(missing=(lost,)))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "WARNING: the directory of volume data is gone: it counts as nothing."
        " Remove it: cowl volume rm data\n"
    )
