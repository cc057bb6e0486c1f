"""docs/disk.md: the seed's last question in numbers, each computed twice and compared with the page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cowl
import disk_usage

PAGE = Path(__file__).parents[2] / "docs" / "disk.md"
PAGE_BUSYBOX = 1_982_256  # bytes of the busybox that the page was written with
ROW = re.compile(r"\| ([^|]+) \| ([\d,]+) \|")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cowl.Engine]:
    if not os.path.exists(disk_usage.BUSYBOX):
        pytest.skip("no busybox-static here")
    directory = tmp_path_factory.mktemp("example")
    (directory / "context").mkdir()
    with cowl.Engine(directory / "store") as engine:
        disk_usage.make(engine, str(directory / "context"))
        yield engine


def expected(busybox: int) -> dict[str, int]:
    """The page's numbers, from the lengths of the files."""
    base = busybox + 1_000_000
    letters, more = base + 40_000, base + 1_000_005
    return {
        "base: SIZE": base,
        "base: SHARED SIZE": base,
        "base: UNIQUE SIZE": 0,
        "letters: SIZE": letters,
        "letters: SHARED SIZE": base,
        "letters: UNIQUE SIZE": 40_000,
        "more: SIZE": more,
        "more: SHARED SIZE": base,
        "more: UNIQUE SIZE": 1_000_005,
        "idle: SIZE": 0,
        "idle: virtual": letters,
        "writer: SIZE": 1_000_002,
        "writer: virtual": letters + 1_000_002,
        "noter: SIZE": 5,
        "noter: virtual": more + 5,
        "Images": base + 40_000 + 1_000_005,
        "Containers": 1_000_007,
    }


def page() -> dict[str, int]:
    """The numbers of the page's tables, by what they are of."""
    return {name: int(number.replace(",", "")) for name, number in ROW.findall(PAGE.read_text())}


def test_every_number_is_what_the_files_make_it(engine: cowl.Engine) -> None:
    assert disk_usage.sizes(engine) == expected(os.path.getsize(disk_usage.BUSYBOX))


def test_the_page_says_these_numbers(engine: cowl.Engine) -> None:
    said = page()
    assert said.items() >= expected(PAGE_BUSYBOX).items()
    assert said.keys() == {*disk_usage.sizes(engine), *disk_usage.frees(engine)}


def test_what_comes_back_is_a_function_of_the_set(engine: cowl.Engine) -> None:
    frees = disk_usage.frees(engine)
    assert frees["image base"] == 0
    assert 1_000_002 < frees["container writer"] < 1_000_002 + 65536
    cached = frees["image letters, with idle and writer"]
    assert cached == frees["container idle"] + frees["container writer"]
    assert 40_000 < frees["the same, with the build cache"] - cached < 40_000 + 65536


def test_the_ledger_is_the_disk(engine: cowl.Engine) -> None:
    usage = engine.usage()
    inodes = {
        (found.st_dev, found.st_ino): found.st_blocks * 512
        for folder, folders, files in os.walk(engine.store.root)
        for found in (os.lstat(os.path.join(folder, name)) for name in (".", *folders, *files))
    }
    assert usage.total_allocated_bytes == sum(inodes.values())
    assert usage.total_allocated_bytes == sum(usage.owners.values())
