"""The cache that travels: store A builds and exports, the empty store B imports and runs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.caller import Caller
from tests.interop.oci_tools import RealRegistry, needs, real_registry

import cowl
from cowl import (
    BlobForm,
    CacheOnlyOutput,
    Image,
    ImageOutput,
    InlineCacheTarget,
    LocalCacheSource,
    LocalCacheTarget,
    RegistryCacheSource,
    RegistryCacheTarget,
)
from cowl.config import Config
from cowl.events import BlobProgress, Event, Exported, StepFinished, StepOutput, Warned

DOCKERFILE = """\
FROM base AS make
WORKDIR /work
COPY src .
RUN echo made from $(cat src) > out && echo ran
FROM base
RUN echo two > /two && echo ran
COPY --from=make /work/out /out
ENV A=b
"""


class Machine:
    """A store of its own, as on a fresh CI runner; `events` are those of the last build."""

    def __init__(self, directory: Path) -> None:
        self.events: list[Event] = []
        self.engine = cowl.Engine(config=Config(root=str(directory)), on_event=self._hear)

    def _hear(self, event: Event) -> None:
        self.events.append(event)

    def build(self, context: Path, **options: Any) -> Image:
        self.events.clear()
        return self.engine.build(context, **options)

    @property
    def ran(self) -> int:
        """How many RUNs were carried out."""
        return b"".join(e.data for e in self.events if isinstance(e, StepOutput)).count(b"ran\n")

    @property
    def sources(self) -> list[str]:
        """Where the steps came from that were cached, WORKDIR, COPY and RUN alike."""
        return [e.source or "own" for e in self.events if isinstance(e, StepFinished) and e.cached]

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    @property
    def fetched(self) -> int:
        return sum(isinstance(e, BlobProgress) and e.state == "done" for e in self.events)


@pytest.fixture
def machine(tmp_path: Path, busybox_tar: Path) -> Iterator[Callable[[str], Machine]]:
    made: list[Machine] = []
    with cowl.Engine(tmp_path / "fresh") as engine, open(busybox_tar, "rb") as stream:
        engine.import_image(stream, "base")

    def make(name: str) -> Machine:
        subprocess.run(["cp", "-a", tmp_path / "fresh", tmp_path / name], check=True)
        made.append(Machine(tmp_path / name))
        return made[-1]

    yield make
    for each in made:
        each.engine.close()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text(DOCKERFILE)
    (place / "src").write_text("source\n")
    return place


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.mark.parametrize("form", [BlobForm(), BlobForm("zstd")], ids=["gzip", "zstd"])
def test_by_a_directory(
    machine: Callable[[str], Machine], context: Path, tmp_path: Path, form: BlobForm
) -> None:
    a, b = machine("a"), machine("b")
    place = str(tmp_path / "cache")
    first = a.build(context, cache_to=[LocalCacheTarget(place, "max", blobs=form)])
    assert a.ran == 2
    (told,) = [event for event in a.events if isinstance(event, Exported)]
    assert (told.kind, told.dest) == ("cache-local", place)
    second = b.build(context, cache_from=[LocalCacheSource(place)])
    assert b.ran == 0
    assert b.sources == [place] * 5
    assert second.id == first.id
    assert [layer.diff_id for layer in second.layers] == [layer.diff_id for layer in first.layers]
    assert b.engine.check() == ()
    # what a build was told to believe, the next one does not believe by itself
    b.build(context)
    assert b.ran == 2


@needs("docker-registry", "skopeo")
def test_by_a_registry(machine: Callable[[str], Machine], context: Path, registry: RealRegistry) -> None:
    a, b = machine("a"), machine("b")
    ref = f"{registry.netloc}/cache:main"
    first = a.build(context, cache_to=[RegistryCacheTarget(ref, "max")])
    second = b.build(context, cache_from=[RegistryCacheSource(ref)])
    assert b.ran == 0
    assert b.sources == [ref] * 5
    assert second.id == first.id
    # a second export sends no layer again
    a.build(context, cache_to=[RegistryCacheTarget(ref, "max")])
    assert a.sources == ["own"] * 5
    assert {e.state for e in a.events if isinstance(e, BlobProgress)} == {"there"}


@needs("docker-registry", "skopeo")
def test_inline(machine: Callable[[str], Machine], context: Path, registry: RealRegistry) -> None:
    """The steps that the image lies on; the stage that it copies from is made again."""
    a, b, c = machine("a"), machine("b"), machine("c")
    name = f"{registry.netloc}/app:1"
    options: dict[str, Any] = {"outputs": [ImageOutput((name,), True)], "cache_to": [InlineCacheTarget()]}
    (context / "Dockerfile").write_text(
        "FROM base\nRUN echo ran\nCOPY src /\nRUN echo ran > /x && echo ran\n"
    )
    first = a.build(context, **options)
    second = b.build(context, cache_from=[RegistryCacheSource(name)], cache_to=[InlineCacheTarget()])
    assert b.ran == 0
    assert b.sources == [name] * 3
    assert second.id == first.id
    # the image is an image for everybody, and its config says no more than it did
    pulled = c.engine.pull(name)
    assert pulled.id == first.id
    plain = c.build(context)
    assert c.ran == 2  # a pulled image is no cache by itself, whatever it says
    assert plain.config.config == first.config.config
    c.build(context, no_cache=True, cache_from=[RegistryCacheSource(name)])
    assert c.ran == 2


def test_min_holds_what_the_image_lies_on(
    machine: Callable[[str], Machine], context: Path, tmp_path: Path
) -> None:
    a, b = machine("a"), machine("b")
    place = str(tmp_path / "cache")
    first = a.build(context, cache_to=[LocalCacheTarget(place)])
    second = b.build(context, cache_from=[LocalCacheSource(place)])
    assert b.ran == 1  # the first stage
    assert b.sources[-2:] == [place] * 2 or b.sources == [place]
    assert [layer.diff_id for layer in second.layers][:2] == [layer.diff_id for layer in first.layers][:2]


def test_only_what_a_step_needs_is_fetched(
    machine: Callable[[str], Machine], context: Path, tmp_path: Path
) -> None:
    a, b = machine("a"), machine("b")
    place = str(tmp_path / "cache")
    a.build(context, cache_to=[LocalCacheTarget(place, "max")])
    (context / "src").write_text("other\n")
    b.build(context, cache_from=[LocalCacheSource(place)])
    assert b.ran == 1
    assert b.fetched == 2  # WORKDIR and the RUN of the second stage
    assert len(b.sources) == 2


def test_several_caches_in_one_directory_and_the_order_of_asking(
    machine: Callable[[str], Machine], context: Path, tmp_path: Path
) -> None:
    a, b = machine("a"), machine("b")
    place = str(tmp_path / "cache")
    a.build(context, cache_to=[LocalCacheTarget(place, "max", "one")], outputs=[CacheOnlyOutput()])
    assert a.engine.has_image("base") and len(a.engine.images()) == 1
    (told,) = [event for event in a.events if isinstance(event, Exported)]
    b.build(context, cache_from=[LocalCacheSource(place, "two"), LocalCacheSource(place, digest=told.digest)])
    assert b.ran == 0
    assert [w for w in b.warnings if "is not used" in w] == [
        f"build cache {place} is not used: there is no cache two in it"
    ]


def layer_blobs(cache: Path, manifest: dict[str, Any]) -> list[Path]:
    return [cache / "blobs/sha256" / layer["digest"][7:] for layer in manifest["layers"]]


def damage_layers(cache: Path, manifest: dict[str, Any]) -> None:
    for blob in layer_blobs(cache, manifest):
        blob.write_bytes(b"x" * blob.stat().st_size)


def lose_layers(cache: Path, manifest: dict[str, Any]) -> None:
    for blob in layer_blobs(cache, manifest):
        blob.unlink()


def hang_on_layers(cache: Path, manifest: dict[str, Any]) -> None:
    lose_layers(cache, manifest)
    for blob in layer_blobs(cache, manifest):
        os.mkfifo(blob)


def damage_config(cache: Path, manifest: dict[str, Any]) -> None:
    (cache / "blobs/sha256" / manifest["config"]["digest"][7:]).write_bytes(b"{}")


def swap_layers(cache: Path, manifest: dict[str, Any]) -> None:
    """Each blob is what its digest says, but not what its diff_id says."""
    manifest["layers"].append(manifest["layers"].pop(0))
    rename(cache, manifest)


def promise_more(cache: Path, manifest: dict[str, Any]) -> None:
    manifest["layers"].pop()
    rename(cache, manifest)


def rename(cache: Path, manifest: dict[str, Any]) -> None:
    from cowl.oci.digest import Digest

    raw = json.dumps(manifest).encode()
    (cache / "blobs/sha256" / Digest.of(raw).hex).write_bytes(raw)
    index = json.loads((cache / "index.json").read_bytes())
    index["manifests"][0].update(digest=str(Digest.of(raw)), size=len(raw))
    (cache / "index.json").write_text(json.dumps(index))


def lose_all(cache: Path, manifest: dict[str, Any]) -> None:
    shutil.rmtree(cache)


@pytest.mark.parametrize(
    "harm",
    [damage_layers, lose_layers, hang_on_layers, damage_config, swap_layers, promise_more, lose_all],
    ids=lambda harm: harm.__name__,
)
def test_a_bad_cache_is_warned_of_and_the_steps_are_carried_out(
    machine: Callable[[str], Machine], context: Path, tmp_path: Path, harm: Callable[..., None]
) -> None:
    a, b = machine("a"), machine("b")
    cache = tmp_path / "cache"
    first = a.build(context, cache_to=[LocalCacheTarget(str(cache), "max")])
    index = json.loads((cache / "index.json").read_bytes())
    manifest = json.loads((cache / "blobs/sha256" / index["manifests"][0]["digest"][7:]).read_bytes())
    harm(cache, manifest)
    second = b.build(context, cache_from=[LocalCacheSource(str(cache))])
    assert b.ran == 2
    (said,) = [w for w in b.warnings if "is not used" in w]
    assert said.startswith(f"build cache {cache} is not used: ")
    assert second.config.config == first.config.config
    assert b.engine.check() == ()


def test_a_failed_export_fails_the_build_unless_told_otherwise(
    machine: Callable[[str], Machine], context: Path, tmp_path: Path
) -> None:
    a = machine("a")
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy" / "file").write_text("x")
    target = LocalCacheTarget(str(tmp_path / "busy"))
    with pytest.raises(cowl.Conflict, match="not empty and no OCI layout"):
        a.build(context, cache_to=[target])
    a.build(context, cache_to=[target.replace(ignore_error=True)])
    assert any("the build cache was not exported: " in warning for warning in a.warnings)
    with pytest.raises(cowl.Invalid, match="no mode 'all'"):
        a.build(context, cache_to=[target.replace(mode="all")])


def test_by_the_command_line(caller: Caller, busybox_tar: Path, tmp_path: Path) -> None:
    """Owners and modes too, as root and as an ordinary user: the same image from an empty store."""
    context = caller.home / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM base\nRUN mkdir /d && chown node:node /d && chmod 4711 /d\nCOPY --chown=1000:2000 src /d/\n"
    )
    (context / "src").write_text("source\n")
    caller.give(context)
    tar = busybox_tar.read_bytes()
    caller.cowl("import", "-", "base", stdin=tar)
    subprocess.run(["cp", "-a", caller.store, caller.home / "fresh"], check=True)
    caller.cowl("build", "--iidfile", "id", "--cache-to", "type=local,dest=cache,mode=max", "context")
    shutil.rmtree(caller.store)
    os.rename(caller.home / "fresh", caller.store)
    done = caller.cowl("build", "--iidfile", "id2", "--cache-from", "type=local,src=cache", "context")
    said = done.stderr.decode()
    assert said.count(f"CACHED from {caller.home}/cache") == 2
    assert (caller.home / "id").read_text() == (caller.home / "id2").read_text()
