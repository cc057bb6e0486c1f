"""Small layers, images and containers for tests, with contents that differ when their names do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence

from cowl.accounting.planning import Planning, at_once
from cowl.config import Config
from cowl.oci.digest import DiffId
from cowl.store import Store
from cowl.store.apply import Receipt
from cowl.store.cache_mounts import CacheUse
from cowl.store.containers import ContainerRecord
from cowl.store.images import ImageRecord
from cowl.store.layers import Layer

KILLED = -9


def open_store(root: os.PathLike[str] | str) -> Store:
    """The store at `root`."""
    return Store.open(Config(root=os.fspath(root)))


def diff_id(name: str) -> DiffId:
    """A diff_id that stands for the content that `add_layer` gives a layer of this name."""
    return DiffId.of(name.encode())


def add_layer(
    store: Store, name: str, files: Mapping[str, int] | None = None, parent: str | None = None
) -> Layer:
    """Commits a layer that holds files of the given lengths (one of 100 bytes by default)."""
    with store.layers.stage() as stage:
        for path, length in ({"file": 100} if files is None else files).items():
            target = os.path.join(stage.diff, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write((name.encode() * (length // len(name) + 1))[:length])
        return store.layers.commit(stage, diff_id(name), 1024, parent)


def add_image(store: Store, name: str, layers: Sequence[Layer], *, tags: Sequence[str] = ()) -> ImageRecord:
    """Adds an image whose config holds its name, tagged with `tags` or else with it."""
    config = json.dumps({"created": "2020-01-02T03:04:05Z", "name": name}).encode()
    return store.images.add(config, [layer.key for layer in layers], references=tags or [name])


def add_container(store: Store, image: ImageRecord, name: str = "", written: int = 0) -> ContainerRecord:
    """Creates a container of an image that wrote a file of so many bytes."""
    settings = {"image": "x", "args": ["sh"]}
    record = store.containers.create(name, image.id, image.layer_keys, settings)
    if written:
        with open(f"{record.upper}/written", "wb") as file:
            file.write(b"w" * written)
    return record


def planning(store: Store) -> Planning:
    """Plans of removals; none of them may kill a container."""

    def fail(identity: str) -> None:
        raise AssertionError(f"container {identity} is to be killed")

    return Planning(store, fail)


def remove_image(store: Store, name: str, force: bool = False) -> Receipt:
    """`docker rmi`."""
    return at_once(lambda: planning(store).removal(images=[name], force=force))


def use_cache(store: Store, name: str, base: str = "", sharing: str = "shared") -> CacheUse:
    """A cache mount in use; a wait for it is a failure."""

    def fail() -> None:
        raise AssertionError(f"{name} is locked")

    def prepare() -> str:
        stage = store.layers.stage()
        return stage.diff

    return store.cache_mounts.use(name, base, sharing, prepare=prepare, waiting=fail)


def in_child(work: Callable[[], object]) -> int:
    """Runs `work` in a forked child; its exit status, negative if it was killed. Waits for it."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die() -> None:
    """Ends this process as a power cut would: nothing is cleaned up."""
    os.kill(os.getpid(), 9)


def leftovers(root: os.PathLike[str] | str) -> dict[str, list[str]]:
    """What lies in the directories for half-made and half-deleted things; empty when nothing does."""
    found = {place: sorted(os.listdir(os.path.join(root, place))) for place in ("staging", "trash")}
    locks = os.listdir(os.path.join(root, "locks"))
    found["locks"] = [name for name in locks if not name.endswith(".lock")]  # those are never unlinked
    return {place: names for place, names in found.items() if names}
