"""Random sequences of all that happens to a store, and what holds after every single step.

Every allocated byte has one owner, and the sums are those of an independent walker; nothing is negative; a
plan frees what it said, or says why it can't; images, ps, history and df agree. Crashes and a clock that
jumps by years are steps like others.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.unit.store.making import leftovers, use_cache
from tests.unit.store.sweep import killed_at
from tests.walker import du, look

import cowl
from cowl.accounting.removal import RemovalPlan
from cowl.config import Config
from cowl.container.snapshots import Snapshot
from cowl.errors import Conflict, CowlError, NotFound
from cowl.layer.measure import measure
from cowl.layer.whiteout import make_whiteout
from cowl.linux.process import ProcessId
from cowl.oci.digest import DiffId
from cowl.oci.image_config import ContainerConfig, History, ImageConfig
from cowl.store import Store
from cowl.store.apply import StoreChanged
from cowl.store.layers import Layer

T = TypeVar("T")
NOBODY = ProcessId(2**22 - 1, 1, "another boot")
DAY = 24 * 3600.0
NAMES = st.sampled_from(["a", "b", "c:1", "beef", "registry.example.com/x/y:2"])
NUMBERS = st.integers(0, 7)
SIZES = st.sampled_from([0, 1, 4096, 5000, 70_000])
WHICH = st.integers(0, 999)  # of the things there are then: what is drawn must not depend on them
JUMPS = st.sampled_from([0.0, 31.0, 61.0, 3600.0, 2 * DAY, 900 * DAY, -31.0, -2 * DAY, -900 * DAY])


def write(path: Path, content: bytes) -> None:
    """A file with all its blocks: brought to disk, as a minute would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def container_settings(image: str) -> dict[str, Any]:
    """What `cowl run IMAGE true` keeps."""
    from cowl.container.options import fold, run_options

    return fold(image, ContainerConfig(), ("true",), run_options()).to_json()


def one_of(things: list[T], which: int) -> list[T]:
    """One of them, if there are any."""
    return [things[which % len(things)]] if things else []


def _identity(figure: Any) -> str:
    """By what its directory is called."""
    found = getattr(figure, "key", None) or getattr(figure, "id", None)
    return str(found or figure.name)


class Machine(RuleBasedStateMachine):
    """One store. `place`: the directory that it is made in."""

    place = "/tmp"

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(self.place) / f"cowl-machine-{os.getpid()}-{os.urandom(4).hex()}"
        self.now = 1.75e9
        self.plans: list[RemovalPlan] = []
        self.count = 0
        self.open()

    def open(self) -> None:
        self.store = Store.open(Config(root=str(self.root)), clock=lambda: self.now)
        self.engine = cowl.Engine(self.root)
        self.engine._store = self.store

    def teardown(self) -> None:
        try:
            self.engine.close()
            with Store.open(Config(root=str(self.root))) as store:
                assert store.check() == []
            assert leftovers(self.root) == {}
        finally:
            shutil.rmtree(self.root)

    @initialize(stacks=st.lists(st.lists(NUMBERS, min_size=1, max_size=3), min_size=1, max_size=3))
    def begin(self, stacks: list[list[int]]) -> None:
        """Most of what can happen needs an image and a container."""
        for name, stack in zip(("a", "b", "beef"), stacks, strict=False):
            self.image(name, stack, cached=name == "b")
            self.exited(self.images()[0], 5000, "measured")
            self.exited(self.images()[0], 0, "created")

    # What builds, pulls and runs do

    def layer(self, number: int) -> Layer:
        """Layer `number`, the same whenever it is made; some files are the same in several."""
        with self.store.layers.stage() as stage:
            for name, size in (("common", 9000), (f"own{number}", number * 3000), ("etc/all", 100)):
                write(Path(stage.diff, name), bytes([65 + number * (name != "common")]) * size)
                os.utime(f"{stage.diff}/{name}", (1e9, 1e9))  # dedupe asks for the same times too
            if number % 3 == 2:
                make_whiteout(f"{stage.diff}/gone")
            return self.store.layers.commit(stage, DiffId.of(b"%d" % number), 1024)

    def image(self, name: str, numbers: list[int], cached: bool) -> None:
        with self.store.lease("build") as lease:
            layers = []
            for number in numbers:
                layers.append(self.layer(number))
                lease.pin(layers[-1].key)
                if cached:
                    self.store.steps.add(f"step-{len(layers)}-{number}", layers[-1].key, f"COPY {number} /")
            config = ImageConfig(
                architecture="amd64",
                created="2020-01-02T03:04:05Z",
                config=ContainerConfig(labels=(("name", name),)),
                diff_ids=tuple(layer.diff_id for layer in layers),
                history=(
                    *(History(created_by=f"COPY {number} /") for number in numbers),
                    History(empty_layer=True),
                ),
            )
            self.store.images.add(config.serialize(), [layer.key for layer in layers], references=[name])

    @rule(name=NAMES, numbers=st.lists(NUMBERS, max_size=4), cached=st.booleans())
    def build(self, name: str, numbers: list[int], cached: bool) -> None:
        self.image(name, numbers, cached)

    @rule(number=NUMBERS)
    def commit_and_go_away(self, number: int) -> None:
        """A layer that nobody refers to stays until its process closes the store."""
        self.layer(number)

    @rule(number=NUMBERS)
    def fail_a_step(self, number: int) -> None:
        layer = self.layer(number)
        configs = [f'{{"failed":{number},"after":{after}}}'.encode() for after in (0, 1)]
        self.store.failed_steps.add(f"step {number}", [(config, [layer.key]) for config in configs])

    @rule(name=NAMES, size=SIZES, sharing=st.sampled_from(["shared", "private", "locked"]))
    def mount_cache(self, name: str, size: int, sharing: str) -> None:
        with use_cache(self.store, name, sharing=sharing) as cache:
            write(Path(cache.path, "kept"), b"c" * size)

    @rule(size=SIZES)
    def keep_a_blob(self, size: int) -> None:
        write(self.root / "blobs" / f"{size}", b"b" * size)

    @rule(which=WHICH, size=SIZES, state=st.sampled_from(["created", "measured", "unmeasured"]))
    def run(self, which: int, size: int, state: str) -> None:
        for image in one_of(self.images(), which):
            self.exited(image, size, state)

    def exited(self, image: str, size: int, state: str) -> None:
        """A container that has ended, or never began."""
        record = self.store.images.get(image)
        settings = container_settings(image)
        self.count += 1
        box = self.store.containers.create(f"box{self.count}", image, record.layer_keys, settings)
        if state == "created":
            return
        self.store.containers.started(box.id, NOBODY)
        write(Path(box.upper, "new"), b"n" * size)
        if size > 1 and record.layers:
            write(Path(box.upper, "common"), b"A" * 9000)  # copied up
            make_whiteout(f"{box.upper}/etc")
        if size % 2:
            write(Path(box.directory, "log", "json.log"), b"l" * size)
        self.store.containers.exited(box.id, size % 3, measure(box.upper) if state == "measured" else None)

    # Copy-on-write as a tool

    @rule(which=WHICH)
    def snapshot(self, which: int) -> None:
        for box in one_of(self.containers(), which):
            before, own = (
                self.engine.usage(),
                measure(f"{self.store.directory.container(box.id)}/upper").files,
            )
            taken = self.taken(box)
            assert box.size()[0] == 0
            assert taken.virtual_bytes == box.size()[1]
            fresh = {layer.key for layer in self.engine.usage().layers} - {
                layer.key for layer in before.layers
            }
            assert len(fresh) <= 1 and (fresh or not own)

    def taken(self, box: cowl.Container) -> Snapshot:
        self.count += 1
        return box.snapshot(f"taken{self.count}")

    @rule(which=WHICH, count=st.integers(1, 3), size=SIZES)
    def fork(self, which: int, count: int, size: int) -> None:
        """N forks cost N empty uppers, and go their own ways."""
        for snapshot in self.some_snapshot(which):
            before = self.engine.usage().owners
            self.count += 1
            forks = snapshot.fork(count, name=f"fork{self.count}")
            assert {box.size() for box in forks} == {(0, snapshot.virtual_bytes)}
            after = self.engine.usage().owners
            assert {owner for owner in after if after[owner] != before[owner]} <= {"container", "metadata"}
            write(Path(self.store.directory.container(forks[0].id), "upper", "own"), b"f" * size)
            assert [box.size()[0] for box in forks] == [size, *[0] * (count - 1)]

    @rule(which=WHICH, other=WHICH)
    def restore(self, which: int, other: int) -> None:
        for snapshot in self.some_snapshot(which):
            for box in one_of(self.containers(), other):
                assert box.restore(snapshot).size() == (0, snapshot.virtual_bytes)

    def some_snapshot(self, which: int) -> list[Snapshot]:
        """One of those there are, or a fresh one."""
        if which % 2:
            return one_of(self.snapshots(), which // 2)
        return [self.taken(box) for box in one_of(self.containers(), which // 2)]

    @rule(which=WHICH, force=st.booleans())
    def remove_snapshot(self, which: int, force: bool) -> None:
        for snapshot in one_of(self.snapshots(), which):
            try:
                snapshot.remove(force=force)
            except Conflict:
                assert not force

    @rule(name=st.sampled_from(["data", "cafe", "c0ffee"]), size=SIZES)
    def write_to_a_volume(self, name: str, size: int) -> None:
        """As a container does that has it: while one has it mounted, figures don't hold."""
        self.engine.create_volume(name)
        with self.store._database.write() as transaction:
            transaction.run(
                "UPDATE volumes SET measured_at = 0, last_used = ? WHERE name = ?", (self.now, name)
            )
        write(self.root / "volumes" / name / "data" / "kept", b"v" * size)

    @rule(which=WHICH)
    def remove_volume(self, which: int) -> None:
        for volume in one_of(self.engine.volumes(), which):
            try:
                self.engine.remove_volume(volume.name)
            except Conflict:
                assert volume.containers

    # Names

    @rule(which=WHICH, name=NAMES)
    def tag(self, which: int, name: str) -> None:
        for image in one_of(self.images(), which):
            self.engine.tag(image, name)

    @rule(name=NAMES)
    def untag(self, name: str) -> None:
        try:
            self.store.images.untag(name)
        except NotFound:
            pass

    # Removal

    def images(self) -> list[str]:
        return sorted(image.id for image in self.store.images.summaries())

    def containers(self) -> list[cowl.Container]:
        return sorted(self.engine.containers(all=True), key=lambda box: box.name)

    def snapshots(self) -> list[Snapshot]:
        return sorted(self.engine.snapshots(), key=lambda snapshot: snapshot.name)

    def plan(self, which: int) -> RemovalPlan:
        """Of a random set of all there is."""
        choice = random.Random(which)
        caches = sorted(self.engine.usage().cache_mounts, key=lambda mount: (mount.name, mount.created_at))

        def few(names: list[str]) -> list[str]:
            return [name for name in names if choice.random() < 0.5]

        return self.engine.plan_removal(
            images=few(self.images()),
            containers=few([box.name for box in self.containers()]),
            snapshots=few([snapshot.name for snapshot in self.snapshots()]),
            steps=few(sorted(step.key for step in self.engine.usage().cache)),
            cache_mounts=few([mount.id for mount in caches]),
            volumes=few([volume.name for volume in self.engine.volumes()]),
            force=True,
        )

    @rule(which=WHICH, later=st.booleans())
    def remove(self, which: int, later: bool) -> None:
        plan = self.plan(which)
        going = [(each.kind, each.id) for each in plan.objects]
        assert plan.exact and not plan.refusals
        assert plan.frees == self.engine.usage().reclaimable(going)
        if later:
            self.plans = [*self.plans[-2:], plan]
        else:
            self.apply(plan)

    def apply(self, plan: RemovalPlan) -> None:
        before = look(self.root).content
        receipt = plan.apply()
        freed = before - look(self.root).content
        assert receipt.freed_bytes == plan.frees == freed
        assert [(each.kind, each.id) for each in plan.objects] == list(receipt.removed)

    @rule()
    def apply_an_old_plan(self) -> None:
        if not self.plans:
            return
        plan = self.plans.pop(0)
        before = look(self.root)
        try:
            self.apply(plan)
        except StoreChanged:
            after = look(self.root)
            assert after.places.keys() == before.places.keys()
            assert after.content == before.content

    @rule(name=NAMES, force=st.booleans())
    def remove_by_name(self, name: str, force: bool) -> None:
        try:
            self.engine.remove_image(name, force=force)
        except NotFound:
            pass
        except Conflict:
            assert not force

    @rule(
        kinds=st.sets(st.sampled_from(["containers", "images", "volumes", "build-cache"]), min_size=1),
        every=st.booleans(),
        old=st.booleans(),
    )
    def prune(self, kinds: set[str], every: bool, old: bool) -> None:
        """As the prunes of the command line: never anything that something that stays needs."""
        filters = ["until=24h"] if old and "volumes" not in kinds else []
        self.apply(self.engine.plan_prune(*sorted(kinds), all=every, filters=filters))

    @rule(keep=st.sampled_from([None, 0, 1_300_000, 1_400_000]), older=st.sampled_from(["", "7d"]))
    def gc(self, keep: int | None, older: str) -> None:
        """What goes is the least that is enough: without the last object the store would be too big."""
        plan = self.engine.plan_gc(keep_bytes=keep, older=older, protect=["beef"])
        assert "docker.io/library/beef:latest" not in str(plan.objects)
        self.apply(plan)

    @rule()
    def dedupe(self) -> None:
        """Identical files of different layers are one inode; what came free is what the walker misses."""
        before = look(self.root).content
        report = self.engine.dedupe()
        assert report.freed_bytes == before - look(self.root).content

    @rule()
    def collect(self) -> None:
        self.store.collect()

    # Time, ends and crashes

    @rule(seconds=JUMPS)
    def clock(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def reopen(self) -> None:
        self.engine.close()
        self.plans = []
        self.open()

    @rule(step=st.integers(0, 60), seed=st.integers(0, 99))
    def crash(self, step: int, seed: int) -> None:
        """Another process dies in the middle of building, running and removing; who comes next tidies up."""
        killed_at(step, lambda: self.busy_child(random.Random(seed)))
        self.store.recover()
        ours = self.store._owner.id
        left = [name for names in leftovers(self.root).values() for name in names if ours not in name]
        assert left == []

    def busy_child(self, choice: random.Random) -> None:
        numbers = [choice.randrange(8) for _ in range(choice.randrange(3))]
        work: list[Callable[[], object]] = [
            lambda: self.image("child", numbers, cached=True),
            lambda: self.engine.remove_image(choice.choice(self.images()), force=True),
            lambda: self.engine.prune_build_cache(),
            lambda: self.store.containers.create("child", *self.anything(choice), container_settings("x")),
            lambda: self.store.containers.remove(choice.choice(self.containers()).id),
        ]
        for each in choice.sample(work, len(work)):
            try:
                each()
            except (CowlError, IndexError):
                continue
        self.engine.close()

    def anything(self, choice: random.Random) -> tuple[str, tuple[str, ...]]:
        record = self.store.images.get(choice.choice(self.images()))
        return str(record.id), record.layer_keys

    # What always holds

    @invariant()
    def every_byte_has_one_owner(self) -> None:
        # on a disk the kernel may write the database back between the two
        for _ in range(1 if self.place == "/dev/shm" else 3):
            usage, seen = self.engine.usage(), look(self.root)
            if usage.total_allocated_bytes == seen.total:
                break
        assert dict(usage.owners) == seen.owners
        assert usage.total_allocated_bytes == seen.total
        assert min(usage.owners.values()) >= 0
        places: dict[str, tuple[Any, ...]] = {
            "layers": usage.layers,
            "containers": usage.containers,
            "caches": usage.cache_mounts,
            "volumes": usage.volumes,
        }
        for place, figures in places.items():
            assert {_identity(each): each.allocated_bytes for each in figures} == seen.places[place]

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert self.store.check() == []

    @invariant()
    def lists_agree(self) -> None:
        usage = self.engine.usage()
        sizes = {image.id: image.size_bytes for image in usage.images}
        assert {image.id: image.size_bytes for image in self.engine.image_summaries()} == sizes
        for image in self.engine.images():
            assert image.size_bytes == sizes[image.id] == sum(row.size_bytes for row in image.history())
        told = {box.id: (box.size_bytes, box.virtual_bytes) for box in usage.containers}
        assert {box.id: box.size() for box in self.engine.containers(all=True)} == told
        for row in usage.rows:
            assert 0 <= row.active <= row.total
            assert 0 <= row.reclaimable_bytes <= row.size_bytes
            assert 0 <= row.reclaimable_allocated_bytes <= row.allocated_bytes


def run_machine(place: str, examples: int, steps: int) -> None:
    Machine.place = place
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_happens_every_byte_has_one_owner() -> None:
    run_machine("/tmp", 5, 20)


def test_whatever_happens_in_memory() -> None:
    """The same where a sync costs nothing, so that more can happen."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("needs a writable /dev/shm")
    run_machine("/dev/shm", 20, 25)


@pytest.mark.faults
@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_whatever_happens_for_long(place: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--faults") != "long":
        pytest.skip("takes minutes: run with --faults long")
    run_machine(place, 300, 50)


def test_the_walker_counts_as_du_does(tmp_path: Path) -> None:
    with Store.open(Config(root=str(tmp_path / "store"))) as store:
        with store.layers.stage() as stage:
            write(Path(stage.diff, "a/one"), b"1" * 9000)
            os.link(f"{stage.diff}/a/one", f"{stage.diff}/two")
            os.symlink("a", f"{stage.diff}/link")
            store.layers.commit(stage, DiffId.of(b"x"), 1024)
        assert look(tmp_path / "store").total == du(tmp_path / "store")
