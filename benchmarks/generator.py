"""A population made real: directories with files, and the rows that say so, in one transaction.

What `cowl build`, `pull` and `run` would have left, without their work: `system check` and
`system df --verify` find nothing wrong with it, and every layer's diff_id is that of its tar.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable

from benchmarks.population import Container, File, Image, Population, Step
from cowl.config import Config
from cowl.container.options import fold, run_options
from cowl.engine import Engine
from cowl.layer.measure import measure_layer
from cowl.layer.ownership import RealOwners
from cowl.layer.pack import pack
from cowl.layer.whiteout import make_whiteout
from cowl.linux.files import syncfs
from cowl.oci.digest import DiffId, Digest
from cowl.oci.image_config import ContainerConfig, History, ImageConfig
from cowl.store import Store
from cowl.store.database import Database
from cowl.store.layers import Layer
from cowl.store.root_directory import RootDirectory
from cowl.store.stacks import make_stack
from cowl.store.transaction import Transaction

_SNAPSHOT_EVERY = 50  # containers
_VOLUME_EVERY = 20
_DAY = 24 * 3600.0
_OLD = 1_600_000_000  # every file's time, in seconds since the epoch
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LABELS = {
    "org.opencontainers.image.vendor": "Example Ltd",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "com.example.team": "platform",
}


def generate(root: str, population: Population, now: float | None = None) -> None:
    """Fills a new store at `root`. `now` is the moment that all ages count from (default: the clock)."""
    Store.open(Config(root=root)).close()
    generator = _Generator(root, population, time.time() if now is None else now)
    generator.run()
    with Engine(root) as engine:
        for number in range(0, len(population.containers), _SNAPSHOT_EVERY):
            engine.container(population.containers[number].name).snapshot(f"before-{number}")
        engine.usage()  # which records the measures of what has come to rest


class _Generator:
    """Fills one store."""

    def __init__(self, root: str, population: Population, now: float) -> None:
        self._root = RootDirectory(root)
        self._population = population
        self._now = now

    def run(self) -> None:
        layers = self._layers()
        configs = [self._config(image, layers) for image in self._population.images]
        boxes = [self._container_directory(number) for number in range(len(self._population.containers))]
        self._sync()
        database = Database(self._root)
        try:
            with database.write(durable=True, doing="generating") as transaction:
                rows = _Rows(transaction, self._population, self._now)
                rows.layers(layers)
                rows.images(configs)
                rows.steps()
                rows.containers(boxes)
        finally:
            database.close()

    def _layers(self) -> list[Layer]:
        for number, step in enumerate(self._population.steps):
            self._tree(f"{self._root.staging}/{number}", step)
        self._sync()
        return [self._published(number, step) for number, step in enumerate(self._population.steps)]

    def _tree(self, directory: str, step: Step) -> None:
        os.mkdir(directory, 0o700)
        os.mkdir(f"{directory}/diff", 0o755)
        _write(f"{directory}/diff", step.files, step.whiteouts)

    def _published(self, number: int, step: Step) -> Layer:
        """Moves the tree to where its diff_id belongs."""
        staged = f"{self._root.staging}/{number}"
        packed = pack(f"{staged}/diff", None, owners=RealOwners())
        found = measure_layer(staged)
        key = packed.diff_id.hex
        os.rename(staged, self._root.layer(key))
        counts = (found.size_bytes, found.allocated_bytes, found.files, found.whiteouts)
        made = self._now - step.days * _DAY
        return Layer(key, DiffId(packed.diff_id), "", *counts, packed.tar_bytes, made)

    def _config(self, image: Image, layers: list[Layer]) -> ImageConfig:
        """A config as long as those of real builds: two settings to each layer."""
        settings = ContainerConfig(
            env=(_PATH, "NODE_ENV=production", f"SERVICE={image.service}", "LANG=C.UTF-8"),
            cmd=("node", "server.js"),
            exposed_ports=("8080/tcp",),
            working_dir="/app",
            labels=tuple({**_LABELS, "com.example.service": image.service}.items()),
        )
        history = []
        for number in image.steps:
            step = self._population.steps[number]
            at = _rfc3339(self._now - step.days * _DAY)
            history.append(History(at, step.instruction, "buildkit.dockerfile.v0"))
            for line in (f"ENV PART_{number}=yes", f"LABEL com.example.part={number}"):
                history.append(History(at, line, "buildkit.dockerfile.v0", empty_layer=True))
        return ImageConfig(
            architecture="amd64",
            created=_rfc3339(self._now - image.days * _DAY),
            config=settings,
            diff_ids=tuple(layers[number].diff_id for number in image.steps),
            history=tuple(history),
        )

    def _container_directory(self, number: int) -> str:
        """The ID of a container whose directory stands."""
        box = self._population.containers[number]
        identity = Digest.of(f"container {number} {box.name}".encode()).hex
        directory = self._root.container(identity)
        os.mkdir(directory, 0o700)
        os.mkdir(f"{directory}/upper", 0o755)
        os.mkdir(f"{directory}/work", 0o700)
        _write(f"{directory}/upper", box.written, box.removed)
        if box.state != "created":
            os.mkdir(f"{directory}/work/work", 0)
            for name, text in (("hosts", "127.0.0.1 localhost\n"), ("hostname", f"{identity[:12]}\n")):
                _fill(f"{directory}/{name}", text.encode())
        if number % _VOLUME_EVERY == 0:
            _volume(self._root.volume(_volume_name(box)), box)
        if box.log_bytes:
            os.mkdir(f"{directory}/log", 0o700)
            _fill(f"{directory}/log/json.log", _content(box.name, box.log_bytes))
        return identity

    def _sync(self) -> None:
        """Before that, file systems have not allocated everything."""
        fd = os.open(self._root.path, os.O_RDONLY)
        try:
            syncfs(fd)
        finally:
            os.close(fd)


class _Rows:
    """Writes the rows, inside one transaction."""

    def __init__(self, transaction: Transaction, population: Population, now: float) -> None:
        self._transaction = transaction
        self._population = population
        self._now = now
        self._keys: list[str] = []
        self._configs: list[ImageConfig] = []

    def _insert(self, table: str, **values: object) -> int:
        marks = ", ".join("?" * len(values))
        return self._transaction.insert(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values())
        )

    def layers(self, layers: list[Layer]) -> None:
        for layer in layers:
            self._insert("layers", **layer.as_dict())
            self._keys.append(layer.key)

    def images(self, configs: list[ImageConfig]) -> None:
        self._configs = configs
        for image, config in zip(self._population.images, configs, strict=True):
            at = self._now - image.days * _DAY
            identity = str(config.image_id)
            self._insert(
                "images",
                id=identity,
                stack=make_stack(self._transaction, [self._keys[number] for number in image.steps]),
                config=config.serialize(),
                created_at=at,
                last_used=at + image.days * _DAY / 3,
            )
            for reference in image.references:
                self._insert("tags", reference=reference, image=identity)
            for reference in image.repo_digests:
                self._insert("repo_digests", reference=reference, image=identity)

    def steps(self) -> None:
        """The newer two thirds of the steps are cached, and all have notes."""
        for number, step in enumerate(self._population.steps):
            at = self._now - step.days * _DAY
            key = Digest.of(f"step {self._keys[number]}".encode()).hex
            if number in self._population.loose or step.days < 470:
                about = (key, self._keys[number], step.instruction, at, at)
                self._transaction.run("INSERT INTO steps VALUES (?, ?, ?, ?, ?)", about)
            self._note(number, step, key, at)

    def _note(self, number: int, step: Step, key: str, at: float) -> None:
        inputs = json.dumps(
            {
                "arguments": [],
                "base": f"sha256:{self._keys[0]}",
                "below": f"sha256:{self._keys[number - 1]}",
                "generation": 1,
                "image": "registry.example.com/platform/runtime:1",
                "parts": {"args": ["/bin/sh", "-c", step.instruction], "cwd": "/app", "env": [_PATH]},
                "platform": "linux/amd64",
            }
        )
        self._insert(
            "notes",
            key=key,
            kind="run",
            origin=f"{number % 300:016x}",
            place=f"{number:016x}",
            text=key[:16],
            below=f"sha256:{self._keys[number - 1]}",
            created_at=at,
            bytes=len(inputs),
            inputs=inputs,
            files=b"",
        )

    def containers(self, identities: list[str]) -> None:
        for number, (identity, box) in enumerate(zip(identities, self._population.containers, strict=True)):
            config = self._configs[box.image]
            name = next(iter(self._population.images[box.image].references), str(config.image_id))
            settings = fold(name, config.config, box.command, run_options(name=box.name)).to_json()
            created, exited = self._now - box.days * _DAY, box.state == "exited"
            self._insert(
                "containers",
                id=identity,
                name=box.name,
                image=str(config.image_id),
                stack=self._stack(config),
                state=box.state,
                exit_code=box.exit_code,
                auto_remove=0,
                settings=json.dumps(settings, separators=(",", ":")),
                created_at=created,
                started_at=created + 1 if exited else 0.0,
                finished_at=created + 100 if exited else 0.0,
                measured_at=0.0,
                image_layers=len(config.diff_ids),
            )

            if number % _VOLUME_EVERY == 0:
                self._volume(identity, box, created)

    def _volume(self, identity: str, box: Container, at: float) -> None:
        about = {"anonymous": 0, "labels": "{}", "created_at": at, "last_used": at}
        self._insert(
            "volumes", name=_volume_name(box), **about, size_bytes=0, allocated_bytes=0, measured_at=0.0
        )
        self._insert("container_volumes", container=identity, volume=_volume_name(box), target="/data")

    def _stack(self, config: ImageConfig) -> int:
        row = self._transaction.row("SELECT stack FROM images WHERE id = ?", (str(config.image_id),))
        assert row is not None
        return int(row[0])


def _volume_name(box: Container) -> str:
    return f"{box.name}-data"


def _volume(directory: str, box: Container) -> None:
    os.mkdir(directory, 0o700)
    os.mkdir(f"{directory}/data", 0o755)
    _write(f"{directory}/data", [File("kept", 5000, box.name)], ())


def _write(tree: str, files: Iterable[File], whiteouts: Iterable[str]) -> None:
    """Files and whiteouts, all of one time, so that a layer's tar does not depend on when it was made."""
    folders: set[str] = set()
    for file in files:
        path = f"{tree}/{file.path}"
        _make_parent(path, folders)
        _fill(path, _content(file.text, file.size), file.mode)
    for name in whiteouts:
        _make_parent(f"{tree}/{name}", folders)
        if not os.path.lexists(f"{tree}/{name}"):
            make_whiteout(f"{tree}/{name}")
            os.utime(f"{tree}/{name}", (_OLD, _OLD))
    for folder in sorted(folders, reverse=True):
        os.utime(folder, (_OLD, _OLD))


def _make_parent(path: str, made: set[str]) -> None:
    folder = path.rpartition("/")[0]
    if folder not in made and not os.path.isdir(folder):
        _make_parent(folder, made)
        os.mkdir(folder, 0o755)
        made.add(folder)


def _fill(path: str, content: bytes, mode: int = 0o644) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(fd, content)
        os.utime(fd, (_OLD, _OLD))
    finally:
        os.close(fd)


def _content(text: str, size: int) -> bytes:
    line = f"{text}\n".encode()
    return (line * (size // len(line) + 1))[:size]


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1e6):06d}Z"
