"""What a store of many images holds, as plain values: the same for the same numbers, and as in life.

A few bases (distributions, languages), some runtimes on each, and many applications on those, in families of
versions that share the layers of their dependencies and differ in the last ones. Names, histories, sizes and
times are made up from one seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

_VERSIONS = 4  # of an application that are kept
_WORDS = (
    "api auth batch billing cache cart chat crawl docs edge events feed files flags forms gate geo graph"
    " hooks index ingest jobs ledger login mail maps media metrics notify orders pages pay photos pricing"
    " proxy queue rank report risk search shop stock stream sync tasks tax test tokens tours track users"
    " vault video views web wiki"
)
_LANGUAGES = ("node", "python", "golang", "ruby", "openjdk", "php", "debian", "alpine", "ubuntu", "nginx")


@dataclass(frozen=True)
class File:
    """A regular file; two of one `text` and size have the same content."""

    path: str
    size: int
    text: str
    mode: int = 0o644


@dataclass(frozen=True)
class Step:
    """An instruction and the layer that it made: files, and names that it took away."""

    instruction: str
    files: tuple[File, ...]
    whiteouts: tuple[str, ...] = ()
    days: float = 0.0  # how long ago


@dataclass(frozen=True)
class Image:
    """`steps` are indices into Population.steps, bottom first; names in canonical form."""

    steps: tuple[int, ...]
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    service: str
    days: float


@dataclass(frozen=True)
class Container:
    """`image` is an index; `written` its upper's files, `log_bytes` what it said."""

    image: int
    name: str
    state: str
    exit_code: int
    command: tuple[str, ...]
    written: tuple[File, ...]
    removed: tuple[str, ...]
    log_bytes: int
    days: float


@dataclass
class Population:
    """All of it. `loose`: steps that only the build cache has."""

    steps: list[Step] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    loose: list[int] = field(default_factory=list)


def populate(images: int, layers: int, containers: int, seed: int = 1) -> Population:
    """So many of each, exactly; every layer is in an image but for a few that only the build cache has."""
    return _Maker(Random(seed)).make(images, layers, containers)


class _Maker:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._made = Population()

    def make(self, images: int, layers: int, containers: int) -> Population:
        bases = [self._base(number) for number in range(max(1, images // 80))]
        runtimes = [self._runtime(number, bases) for number in range(max(1, images // 16))]
        applications = images - len(bases) - len(runtimes)
        loose = layers // 25
        left = layers - loose - len(self._made.steps)
        if applications < 0 or left < applications:
            raise SystemExit(f"{layers} layers are too few for {images} images")
        self._applications(applications, left, runtimes)
        for number in range(loose):
            self._made.loose.append(self._step(f"RUN make test-{number}", self._files(f"test{number}", 4)))
        for number in range(containers):
            self._container(number)
        return self._made

    def _step(self, instruction: str, files: list[File], whiteouts: tuple[str, ...] = ()) -> int:
        self._made.steps.append(Step(instruction, tuple(files), whiteouts, self._random.uniform(0.1, 700)))
        return len(self._made.steps) - 1

    def _files(self, place: str, count: int, most: int = 6000) -> list[File]:
        """Half of them small; one in six is the same wherever it lies (a licence, a vendored file)."""
        random, found = self._random, []
        for number in range(count):
            size = int(random.paretovariate(1.1) * 120) % most
            if random.random() < 1 / 6:
                common = random.randrange(40)
                found.append(
                    File(f"usr/share/{place}/LICENSE.{number}", 400 + common * 37, f"common{common}")
                )
            else:
                folder = random.choice(("bin", "lib", "lib/data", "etc"))
                found.append(File(f"opt/{place}/{folder}/f{number}", size, f"{place}.{number}"))
        return found

    def _base(self, number: int) -> Image:
        name, version = _LANGUAGES[number % len(_LANGUAGES)], number // len(_LANGUAGES) + 10
        system = [File(f"etc/{word}", 20 + number, f"{name}.{word}") for word in ("passwd", "group", "issue")]
        first = self._step(f"ADD rootfs.{name}.tar /", system + self._files(f"{name}{number}", 45, 30_000))
        steps = [first]
        if number % 2:
            steps.append(self._step(f"RUN install {name}", self._files(f"{name}{number}-bin", 20, 30_000)))
        repository = f"docker.io/library/{name}"
        digest = f"{repository}@sha256:{self._random.randbytes(32).hex()}"
        return self._image(steps, [f"{repository}:{version}"], [digest], name)

    def _runtime(self, number: int, bases: list[Image]) -> Image:
        base = bases[number % len(bases)]
        steps = list(base.steps)
        for part in range(2 + number % 2):
            line = (
                f"RUN apt-get update && apt-get install -y lib{number}-{part} && rm -rf /var/lib/apt/lists/*"
            )
            steps.append(self._step(line, self._files(f"runtime{number}-{part}", 12)))
        return self._image(
            steps, [f"registry.example.com/platform/runtime-{number}:1"], [], f"runtime-{number}"
        )

    def _applications(self, count: int, layers: int, runtimes: list[Image]) -> None:
        """`layers` are dealt out: two to a family if that leaves each image one, the rest singly."""
        families = -(-count // _VERSIONS)
        shared = min(2, (layers - count) // families)
        own = layers - shared * families
        words = _WORDS.split()
        for family in range(families):
            service = f"{words[family % len(words)]}-{family}"
            runtime = self._random.choice(runtimes)
            steps = [*runtime.steps, *(self._dependencies(service, part) for part in range(shared))]
            for version in range(min(_VERSIONS, count - family * _VERSIONS)):
                number = family * _VERSIONS + version
                parts = own // count + (number < own % count)
                last = [self._change(service, version, part) for part in range(parts)]
                self._image([*steps, *last], self._names(service, version), [], service)

    def _dependencies(self, service: str, part: int) -> int:
        line = ("COPY package.json package-lock.json ./ # buildkit", "RUN /bin/sh -c npm ci # buildkit")[part]
        return self._step(line, self._files(f"{service}/deps{part}", 1 + part * 9))

    def _change(self, service: str, version: int, part: int) -> int:
        """What a version adds: its code, and now and then less than nothing."""
        name = f"{service}/v{version}.{part}"
        files = self._files(name, self._random.randrange(1, 5))
        if self._random.random() < 0.3:  # overwrites what the base brought
            files.append(File("etc/passwd", 60 + version, f"{name}.passwd"))
        gone = (f"opt/{service}/deps1/lib",) if self._random.random() < 0.1 else ()
        line = (
            "COPY . /app # buildkit",
            "RUN /bin/sh -c npm run build # buildkit",
            "RUN /bin/sh -c chmod +x run",
        )
        return self._step(line[part % len(line)], files, gone)

    def _names(self, service: str, version: int) -> list[str]:
        """One in twelve has lost its name to a newer one."""
        if self._random.random() < 1 / 12:
            return []
        repository = f"registry.example.com/{service.partition('-')[0]}/{service}"
        return [
            f"{repository}:1.{version}.0",
            *([f"{repository}:latest"] if version == _VERSIONS - 1 else []),
        ]

    def _image(self, steps: list[int], names: list[str], digests: list[str], service: str) -> Image:
        image = Image(tuple(steps), tuple(names), tuple(digests), service, self._random.uniform(0.1, 600))
        self._made.images.append(image)
        return image

    def _container(self, number: int) -> None:
        random = self._random
        index = int(len(self._made.images) * random.random() ** 2)  # some images have many
        service = self._made.images[index].service
        written = [
            File(f"tmp/{service}/{part}", int(random.paretovariate(1) * 80) % 20_000, f"box{number}.{part}")
            for part in range(random.randrange(4))
        ]
        if random.random() < 0.2:  # copied up
            written.append(File("etc/passwd", 70, f"box{number}.passwd"))
        created = random.random() < 0.05
        self._made.containers.append(
            Container(
                image=index,
                name=f"{service}-{number}",
                state="created" if created else "exited",
                exit_code=0 if created else random.choice((0, 0, 0, 1, 137)),
                command=("node", "server.js", f"--port={8000 + number % 1000}"),
                written=() if created else tuple(written),
                removed=("etc/issue",) if random.random() < 0.05 and not created else (),
                log_bytes=0 if created or random.random() < 0.6 else random.randrange(200, 9000),
                days=random.uniform(0.1, 300),
            )
        )
