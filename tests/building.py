"""A store with a busybox base, and builds in it, for tests that look at layers from inside."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cowl.build.build import build
from cowl.build.delivery import IntoStore
from cowl.build.request import BuildRequest
from cowl.config import Config
from cowl.events import Event, StepFinished, StepOutput, StepStarted, Warned
from cowl.layer.ownership import for_euid
from cowl.layer.unpack import unpack
from cowl.layer.view import Node
from cowl.oci.image_config import ContainerConfig, History, ImageConfig
from cowl.oci.platform import Platform
from cowl.runtime.choice import runtime_for
from cowl.runtime.protocol import Runtime
from cowl.store.images import ImageRecord
from cowl.store.store import Store
from cowl.transfer.read_layout import read_layout

if TYPE_CHECKING:
    from cowl.build.delivery import Delivery

BUSYBOX_FILES = ("bin", "etc", "root", "tmp")
CREATED = "2020-01-01T00:00:00Z"


class Built:
    """The outcome of one build: the image, its config, what was said."""

    def __init__(self, store: Store, record: ImageRecord, events: list[Event]) -> None:
        self.record = record
        self.events = events
        self.config = ImageConfig.parse(record.config_bytes)
        self.view = store.view(record.layer_keys)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(apparent bytes, files) of each layer, base first."""
        return [(layer.size_bytes, layer.files) for layer in self.record.layers]

    @property
    def steps(self) -> list[tuple[int, bool, bool]]:
        """(number, cached, makes a layer) of each step, in the order of the Dockerfile."""
        return sorted((e.number, e.cached, e.layer) for e in self.events if isinstance(e, StepFinished))

    @property
    def misses(self) -> list[int]:
        """Numbers of the steps that were carried out, FROM apart."""
        bases = {e.number for e in self.events if isinstance(e, StepStarted) and e.text.startswith("FROM ")}
        return [number for number, cached, _ in self.steps if number not in bases and not cached]

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Warned)]

    @property
    def output(self) -> str:
        return b"".join(e.data for e in self.events if isinstance(e, StepOutput)).decode()

    @property
    def told(self) -> list[str]:
        """created_by of what the build added."""
        return [entry.created_by for entry in self.config.history[1:]]

    def node(self, path: str) -> Node:
        found = self.view.lookup(path, follow=False)
        assert found is not None, path
        return found

    def owner(self, path: str) -> tuple[int, int, int]:
        """(uid, gid, mode) in the image."""
        return self.view.owner(self.node(path), for_euid(os.geteuid()))

    def text(self, path: str) -> str:
        return self.view.read_file(path).decode()


class Builder:
    """Builds in one store. `runtimes` counts how often a runtime was asked for."""

    def __init__(self, directory: Path) -> None:
        self.config = Config(root=str(directory / "store"))
        self.store = Store.open(self.config)
        self.context = directory / "context"
        self.context.mkdir()
        self.runtimes = 0
        self._runtime: Runtime | None = None
        self.events: list[Event] = []

    def add_base(self, tar: Path, name: str = "base", **config: Any) -> ImageRecord:
        """An image of the tar, with a history of one entry."""
        with self.store.layers.stage() as stage, open(tar, "rb") as stream:
            with open(stage.recipe, "wb") as recipe:
                owners = for_euid(os.geteuid())
                found = unpack(stream, stage.diff, owners=owners, below=None, recipe=recipe)
            layer = self.store.layers.commit(stage, found.diff_id, found.tar_bytes)
        host = Platform.host()
        image = ImageConfig(
            architecture=host.architecture,
            variant=host.variant,
            created=CREATED,
            config=ContainerConfig(**{"env": ("PATH=/bin",), "cmd": ("sh",), **config}),
            diff_ids=(layer.diff_id,),
            history=(History(created=CREATED, created_by="base"),),
        )
        references = [f"docker.io/library/{name}:latest"]
        return self.store.images.add(image.serialize(), (layer.key,), references=references)

    def file(self, name: str, text: str = "", mode: int = 0o644) -> Path:
        """A file of the context."""
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def build(
        self,
        dockerfile: str,
        *,
        args: Mapping[str, str | None] | None = None,
        delivery: Delivery | None = None,
        **request: Any,
    ) -> Built:
        """Builds the text; what it says is in `events` even when it fails."""
        path = self.context.parent / "Dockerfile"
        path.write_text(dockerfile)
        self.events = []
        record = build(
            BuildRequest(str(self.context), str(path), build_args=tuple((args or {}).items()), **request),
            store=self.store,
            runtime=self.runtime,
            resolve_base=lambda name, _platform, _emit: self.store.images.find(name),
            emit=self.events.append,
            clock=time.time,
            resolve_layout=lambda directory, within, platform: read_layout(
                directory, within, platform, store=self.store, emit=self.events.append
            ),
            delivery=delivery or IntoStore(),
        )
        return Built(self.store, record, self.events)

    def runtime(self) -> Runtime:
        self.runtimes += 1
        if self._runtime is None:
            self._runtime = runtime_for(self.config)
        return self._runtime

    def leftovers(self) -> list[str]:
        """What lies in the store's transient directories."""
        return [
            os.path.join(folder, name)
            for place in ("staging", "trash")
            for folder, folders, files in os.walk(self.store.root + "/" + place)
            for name in (*folders, *files)
            if folder != self.store.root + "/staging"
        ]

    def close(self) -> None:
        if self._runtime is not None:
            self._runtime.close()
        self.store.close()


def builder_fixture(tmp_path: Path, busybox_tar: Path) -> Iterator[Builder]:
    """The body of a fixture: a Builder with the image `base`."""
    builder = Builder(tmp_path)
    builder.add_base(busybox_tar)
    yield builder
    builder.close()


def as_fixture() -> Any:
    """`builder = as_fixture()` in a test module."""
    return pytest.fixture(name="builder")(builder_fixture)
