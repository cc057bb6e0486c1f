"""Containers: named as Docker names them, kept or removed as their state allows."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from tests.unit.store.making import add_container, add_image, add_layer

from cowl.layer.measure import measure
from cowl.linux.process import ProcessId
from cowl.store import Store
from cowl.store.containers import AmbiguousContainerId, ContainerRunning, NameInUse, NoSuchContainer
from cowl.store.images import ImageRecord, NoSuchImage
from cowl.store.names import InvalidName, made_up_name

DEAD = ProcessId(2**22 - 1, 1, "another boot")


@pytest.fixture
def image(store: Store) -> ImageRecord:
    return add_image(store, "image", [add_layer(store, "base"), add_layer(store, "top")])


def test_create_makes_upper_and_work(store: Store, image: ImageRecord, root: Path) -> None:
    box = add_container(store, image)
    assert re.fullmatch("[0-9a-f]{64}", box.id)
    assert re.fullmatch("[a-z]+_[a-z]+", box.name)
    assert (box.state, box.exit_code, box.process) == ("created", 0, None)
    assert box.directory == str(root / "containers" / box.id)
    assert sorted(os.listdir(box.directory)) == ["upper", "work"]
    mount = store.root_mount(box.layer_keys, box)
    assert (mount.upper, mount.work) == (box.upper, box.work)
    assert mount.lowers == (
        *(f"{root}/layers/{key}/diff" for key in reversed(image.layer_keys)),
        f"{root}/mountpoints",
    )


def test_the_upper_shows_the_images_root_directory(store: Store) -> None:
    layer = add_layer(store, "odd")
    os.chmod(f"{store.layers.directory(layer.key)}/diff", 0o1711)
    os.setxattr(f"{store.layers.directory(layer.key)}/diff", "user.containers.override_stat", b"5:6:0711")
    box = add_container(store, add_image(store, "odd", [layer]))
    assert stat.S_IMODE(os.stat(box.upper).st_mode) == 0o1711
    assert os.getxattr(box.upper, "user.containers.override_stat") == b"5:6:0711"
    bare = add_container(store, store.images.add(b"[]", []))
    assert stat.S_IMODE(os.stat(bare.upper).st_mode) == 0o755


def test_settings_come_back(store: Store, image: ImageRecord) -> None:
    settings = {"args": ["sh", "-c", "\udcff é"], "env": [], "n": 1}
    box = store.containers.create("named", image.id, image.layer_keys, settings)
    assert store.containers.find("named").settings == settings
    assert store.containers.find(box.id[:5]).auto_remove is False


def test_a_name_is_given_once(store: Store, image: ImageRecord) -> None:
    box = add_container(store, image, "/web")
    with pytest.raises(NameInUse) as caught:
        add_container(store, image, "web")
    assert caught.value.message == (
        f'Conflict. The container name "/web" is already in use by container "{box.id}".'
        " You have to remove (or rename) that container to be able to reuse that name."
    )
    store.containers.remove(box.id)
    add_container(store, image, "web")


@pytest.mark.parametrize("name", ["-x", ".x", "a b", "a/b", "x", "/", "é1", "_a", "a\n"])
def test_odd_names_are_refused(store: Store, image: ImageRecord, name: str) -> None:
    with pytest.raises(InvalidName):
        add_container(store, image, name)
    assert store.containers.list() == ()


def test_made_up_names_never_clash() -> None:
    taken: set[str] = set()
    for _ in range(3):
        taken.add(made_up_name(b"\0\0\0\0", taken.__contains__))
    assert taken == {"able_abel", "able_abel1", "able_abel2"}


def test_find_takes_name_id_and_prefix(store: Store, image: ImageRecord) -> None:
    box = add_container(store, image, "web")
    for text in ("web", "/web", box.id, box.id[:12], box.id[:1]):
        assert store.containers.find(text) == box
    with pytest.raises(NoSuchContainer) as caught:
        store.containers.find("shop")  # no hex digits: never the prefix of an ID
    assert caught.value.message == "No such container: shop"
    for text in ("", "/", "%", "_"):
        with pytest.raises(NoSuchContainer):
            store.containers.find(text)


def test_a_name_wins_over_a_prefix(store: Store, image: ImageRecord) -> None:
    first = add_container(store, image)
    second = add_container(store, image, first.id[:6])
    assert store.containers.find(first.id[:6]) == second


def test_an_ambiguous_prefix_is_refused(store: Store, image: ImageRecord) -> None:
    boxes = [add_container(store, image) for _ in range(17)]
    heads = [box.id[0] for box in boxes]
    with pytest.raises(AmbiguousContainerId):
        store.containers.find(next(head for head in heads if heads.count(head) > 1))
    assert len(store.containers.list()) == 17


def test_a_life(store: Store, image: ImageRecord, root: Path) -> None:
    box = add_container(store, image, "web", written=3000)
    store.containers.started(box.id, ProcessId.current())
    running = store.containers.get(box.id)
    assert (running.state, running.process) == ("running", ProcessId.current())
    assert running.started_at >= running.created_at > 0.0 == running.finished_at
    with pytest.raises(ContainerRunning, match='cannot remove container "/web": container is running'):
        store.containers.remove(box.id)
    store.containers.exited(box.id, 3, measure(box.upper))
    done = store.containers.find("web")
    assert (done.state, done.exit_code, done.size_bytes) == ("exited", 3, 3000)
    assert done.finished_at >= done.started_at
    store.containers.remove(box.id)
    assert os.listdir(root / "containers") == []
    assert store.containers.list() == ()


def test_what_is_not_there_cannot_be_changed(store: Store) -> None:
    for act in (
        lambda: store.containers.started("0" * 64, DEAD),
        lambda: store.containers.exited("0" * 64, 0),
        lambda: store.containers.remove("0" * 64),
        lambda: store.containers.get("0" * 64),
    ):
        with pytest.raises(NoSuchContainer):
            act()


def test_one_whose_process_is_dead_can_be_removed(store: Store, image: ImageRecord) -> None:
    box = add_container(store, image)
    store.containers.started(box.id, DEAD)
    store.containers.remove(box.id)
    assert store.containers.list() == ()


def test_an_image_that_went_meanwhile_is_missed(store: Store, image: ImageRecord) -> None:
    store.images.remove(image.id)
    with pytest.raises(NoSuchImage):
        add_container(store, image)
    assert store.containers.list() == ()


def test_a_container_keeps_its_layers_without_its_image(store: Store, image: ImageRecord) -> None:
    box = add_container(store, image)
    store.images.remove(image.id)
    assert len(store.layers.list()) == 2
    assert store.containers.get(box.id).layers == image.layers
    store.containers.remove(box.id)
    assert store.layers.list() == ()
    assert store.check() == []


def test_odd_trees_can_be_removed(store: Store, image: ImageRecord, root: Path) -> None:
    box = add_container(store, image)
    os.makedirs(f"{box.upper}/a/b/c")
    os.symlink("/", f"{box.upper}/a/slash")
    os.mkdir(f"{box.work}/work", 0o000)
    os.chmod(f"{box.upper}/a/b", 0o000)
    store.containers.remove(box.id)
    assert os.listdir(root / "containers") == os.listdir(root / "trash") == []


def test_creating_uses_the_image(store: Store, image: ImageRecord) -> None:
    add_container(store, image)
    assert store.images.get(image.id).last_used > image.last_used
