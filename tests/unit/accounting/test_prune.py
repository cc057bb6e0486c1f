"""Prunes and garbage collection: what they take, what they leave, and that it is what they said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.accounting.applying import applied
from tests.unit.store.making import add_container, add_image, add_layer, planning, use_cache

from cowl.accounting.gc import make_policy
from cowl.accounting.removal import RemovalPlan
from cowl.accounting.usage import usage
from cowl.config import Config
from cowl.errors import Invalid
from cowl.linux.process import ProcessId
from cowl.oci.digest import Digest
from cowl.store import Store
from cowl.store.apply import StoreChanged
from cowl.store.container_hold import ContainerHold
from cowl.store.images import ImageRecord
from cowl.store.volume_record import Claim, VolumeInUse

DAY = 86_400.0
EVERYTHING = ("containers", "volumes", "images", "build-cache")


class Clock:
    """A clock that jumps where it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(root: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(Config(root=str(root)), clock=clock) as opened:
        yield opened


def prune(
    store: Store, *kinds: str, every: bool = False, filters: tuple[str, ...] = (), keep: int | None = None
) -> RemovalPlan:
    clock = store._clock
    return planning(store).prune(kinds, every=every, filters=filters, keep_bytes=keep, now=clock())


def gc(
    store: Store,
    keep: int | None = None,
    older: str = "",
    protect: tuple[str, ...] = (),
    volumes: bool = False,
) -> RemovalPlan:
    return planning(store).gc(make_policy(keep, older, protect, (), volumes, store._clock()))


def names(plan: RemovalPlan) -> list[str]:
    """Of what goes, kind and first name or beginning of the ID."""
    return [f"{each.kind} {each.names[0] if each.names else each.id[:12]}" for each in plan.objects]


def built(store: Store, name: str, created: str, *, labels: dict[str, str] | None = None) -> ImageRecord:
    config = {"created": created, "name": name, "config": {"Labels": labels}}
    layer = add_layer(store, name, {name: 5000})
    return store.images.add(json.dumps(config).encode(), [layer.key], references=[name])


def stopped(store: Store, image: ImageRecord, name: str) -> None:
    box = add_container(store, image, name, 5000)
    store.containers.started(box.id, ProcessId.current())
    store.containers.exited(box.id, 0)


def test_containers_that_run_or_are_being_made_stay(store: Store) -> None:
    image = add_image(store, "app", [add_layer(store, "base")])
    running = add_container(store, image, "running")
    store.containers.started(running.id, ProcessId.current())
    add_container(store, image, "starting")
    stopped(store, image, "held")
    stopped(store, image, "done")
    with ContainerHold(store.containers.find("held")):
        plan = prune(store, "containers")
        assert names(plan) == ["container done"]
        assert names(prune(store, *EVERYTHING, every=True)) == ["container done"]
        applied(store, plan)
    assert names(prune(store, "containers")) == ["container held"]
    store.containers.exited(running.id, 0)


def test_dangling_images_go_and_others_only_with_all(store: Store) -> None:
    used = built(store, "used", "2020-01-01T00:00:00Z")
    stopped(store, used, "box")
    nameless = built(store, "nameless", "2020-01-01T00:00:00Z")
    store.images.untag("nameless")
    digest = f"docker.io/library/pulled@{Digest.of(b'm')}"
    store.images.add(b"{}", [], repo_digests=[digest])
    built(store, "named", "2020-01-01T00:00:00Z")
    store.images.tag(store.images.find("named").id, "again")
    plan = prune(store, "images")
    assert set(names(plan)) == {f"image {digest.rpartition('/')[2]}", f"image {nameless.id[:12]}"}
    plan = prune(store, "images", every=True)
    assert len(plan.objects) == 3
    assert [(stay.names, stay.why, stay.needed_by) for stay in plan.stays] == [
        (("used:latest",), "in use", ("container box",))
    ]
    assert set(plan.untags) == {"named:latest", "again:latest", digest.rpartition("/")[2]}
    applied(store, plan)
    applied(store, prune(store, "containers", "images", every=True))
    assert store.layers.list() == ()


def test_filters(store: Store, clock: Clock) -> None:
    old = built(store, "old", "2020-01-01T00:00:00Z", labels={"keep": "no", "team": "a"})
    built(store, "new", "2024-01-01T00:00:00Z", labels={"keep": "yes"})
    built(store, "odd", "nonsense")
    assert names(prune(store, "images", filters=("dangling=false", "until=2022-01-01Z"))) == [
        "image old:latest"
    ]
    assert names(prune(store, "images", every=True, filters=("label=keep",))) == [
        "image new:latest",
        "image old:latest",
    ]
    assert names(prune(store, "images", every=True, filters=("label=team=a", "label!=keep=yes"))) == [
        "image old:latest"
    ]
    assert names(prune(store, "images", every=True, filters=("label!=keep",))) == ["image odd:latest"]
    stopped(store, old, "early")
    clock.now += DAY
    stopped(store, old, "late")
    assert names(prune(store, "containers", filters=("until=12h",))) == ["container early"]
    for kinds, word in (
        (("containers",), "dangling=true"),
        (("volumes",), "until=1h"),
        (("volumes", "images"), "until=1h"),
        (("build-cache",), "type=frontend"),
        (("build-cache",), "shared=perhaps"),
        (("networks",), "label=x"),
    ):
        with pytest.raises(Invalid):
            prune(store, *kinds, filters=(word,))


def test_the_build_cache(store: Store, clock: Clock) -> None:
    shared = add_layer(store, "shared", {"f": 20_000})
    add_image(store, "app", [shared])
    store.steps.add("s-shared", shared.key, "COPY")
    store.steps.add("s-old", add_layer(store, "old", {"f": 30_000}).key, "RUN old")
    clock.now += DAY
    store.steps.add("s-new", add_layer(store, "new", {"f": 40_000}).key, "RUN new")
    with use_cache(store, "pip") as cache:
        Path(cache.path, "w").write_bytes(b"w" * 9000)
        assert names(prune(store, "build-cache")) == ["step RUN old", "step RUN new"]
        (stay,) = prune(store, "build-cache").stays
        assert (stay.names, stay.needed_by) == (("pip",), ("a running build",))
    assert names(prune(store, "build-cache")) == ["step RUN old", "step RUN new", "cache pip"]
    assert "step COPY" in names(prune(store, "build-cache", every=True))
    assert names(prune(store, "build-cache", filters=("until=12h",))) == ["step RUN old"]
    assert names(prune(store, "build-cache", filters=("type=exec.cachemount",))) == ["cache pip"]
    assert names(prune(store, "build-cache", filters=("id=s-n",))) == ["step RUN new"]
    assert names(prune(store, "build-cache", every=True, filters=("shared=true",))) == ["step COPY"]
    assert names(prune(store, "build-cache", keep=70_000)) == ["step RUN old"]
    with store.lease("build") as lease:
        lease.pin(store.layers.find("sha256:" + store.steps.find("s-old").key).key)  # type: ignore[union-attr]
        assert names(prune(store, "build-cache", keep=0)) == ["step RUN new", "cache pip"]
    applied(store, prune(store, "build-cache", every=True))


def test_volumes(store: Store) -> None:
    image = add_image(store, "app", [])
    store.volumes.create("named", {"team": "a"})
    store.volumes.create()
    claims = (Claim("mine", "/data", False), Claim("f" * 64, "/anon", True))
    box = store.containers.create("box", image.id, (), {}, volumes=claims)
    store.containers.started(box.id, ProcessId.current())
    Path(store.volumes.get("mine").path, "f").write_bytes(b"f" * 5000)
    Path(store.volumes.get("f" * 64).path, "f").write_bytes(b"f" * 7000)
    store.containers.exited(box.id, 0)
    assert len(prune(store, "volumes").objects) == 1
    assert "volume named" in names(prune(store, "volumes", every=True, filters=("label=team",)))
    refused = planning(store).removal(volumes=["mine"])
    assert refused.objects == () and refused.stays[0].needed_by == ("container box",)
    with pytest.raises(VolumeInUse):
        refused.apply()
    both = planning(store).removal(containers=["box"], volumes=["mine"])
    assert names(both) == ["container box", "volume mine"]
    plan = planning(store).removal(containers=["box"], anonymous=True)
    assert names(plan) == ["container box", f"volume {'f' * 64}"]
    applied(store, plan)
    assert [volume.name for volume in store.volumes.list() if not volume.anonymous] == ["mine", "named"]
    applied(store, prune(store, *EVERYTHING, every=True))
    assert len(store.volumes.list()) == 2, "those with names are kept"


def aged(store: Store, clock: Clock) -> dict[str, int]:
    """Images a, b, c used in this order, a day apart, c with a stopped container; bytes of each layer."""
    sizes = {}
    for name in ("a", "b", "c"):
        layer = add_layer(store, name, {name: 40_000})
        sizes[name] = layer.allocated_bytes
        image = add_image(store, name, [layer])
        clock.now += DAY
    stopped(store, image, "box")
    clock.now += 1
    return sizes


def test_gc_takes_what_was_used_longest_ago_until_it_is_enough(store: Store, clock: Clock) -> None:
    sizes = aged(store, clock)
    total = usage(store).total_allocated_bytes
    slack = 20_000  # the database may be written back between two looks
    assert names(gc(store, keep=total + slack)) == []
    assert names(gc(store, keep=total - slack)) == ["image a:latest"]
    assert names(gc(store, keep=total - sizes["a"] + slack)) == ["image a:latest"]
    assert names(gc(store, keep=total - sizes["a"] - slack)) == ["image a:latest", "image b:latest"]
    plan = gc(store, keep=0)
    assert names(plan) == ["container box", "image a:latest", "image b:latest", "image c:latest"]
    (stay,) = plan.stays
    assert stay.kind == "store" and "still takes" in stay.why
    store.images.touch(store.images.find("a").id)
    plan = gc(store, keep=total - slack)
    assert names(plan) == ["image b:latest"]
    applied(store, plan)
    assert usage(store).total_allocated_bytes <= total - slack


def test_gc_by_age_and_protection(store: Store, clock: Clock) -> None:
    aged(store, clock)
    assert names(gc(store, older="36h")) == ["image a:latest", "image b:latest"]
    plan = gc(store, keep=0, protect=("a*", "box"))
    assert names(plan) == ["image b:latest"]
    assert {(stay.kind, stay.why) for stay in plan.stays} == {
        ("image", "protected"),
        ("image", "in use"),
        ("container", "protected"),
        ("store", next(stay.why for stay in plan.stays if stay.kind == "store")),
    }
    applied(store, plan)


def test_gc_removes_nothing_for_nothing(store: Store, clock: Clock) -> None:
    base = add_layer(store, "base", {"f": 40_000})
    add_image(store, "alias", [base])
    clock.now += DAY
    add_image(store, "top", [base, add_layer(store, "top", {"g": 40_000})])
    clock.now += DAY
    add_image(store, "last", [base])
    total = usage(store).total_allocated_bytes
    assert names(gc(store, keep=total - 20_000)) == ["image top:latest"]


def test_a_clock_that_jumps_takes_nothing_that_is_in_use(store: Store, clock: Clock) -> None:
    now = clock.now
    clock.now = now + 3650 * DAY
    image = add_image(store, "future", [add_layer(store, "future")])
    box = add_container(store, image, "box")
    store.containers.started(box.id, ProcessId.current())
    add_image(store, "idle", [add_layer(store, "idle")])
    for moment in (now, 0.0, -1e12):
        clock.now = moment
        assert names(gc(store, older="1h")) == []
        # an image is as old as its config says
        assert names(prune(store, *EVERYTHING[::2], every=True, filters=("until=1h",))) in (
            [],
            ["image idle:latest"],
        )
    clock.now = 1e15
    plan = gc(store, keep=0, older="1h")
    assert names(plan) == ["image idle:latest"]
    applied(store, plan)
    store.containers.exited(box.id, 0)


def test_two_prunes_at_once_do_the_work_once(store: Store) -> None:
    for name in ("one", "two"):
        add_image(store, name, [add_layer(store, name, {"f": 10_000})])
    first, second = prune(store, "images", every=True), prune(store, "images", every=True)
    receipt = first.apply()
    with pytest.raises(StoreChanged, match="image one:latest is gone; image two:latest is gone; plan again"):
        second.apply()
    assert receipt.freed_bytes == first.frees > 20_000
    assert prune(store, "images", every=True).is_empty
