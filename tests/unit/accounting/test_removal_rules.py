"""`rmi`: Docker's rules and words."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.store.making import add_container, add_image, add_layer, remove_image

from cowl.accounting.selection import ImageInUse
from cowl.linux.process import ProcessId
from cowl.oci.digest import Digest
from cowl.oci.reference import Reference
from cowl.store import Store
from cowl.store.apply import Receipt
from cowl.store.containers import ContainerRecord
from cowl.store.images import ImageRecord, NoSuchImage

MANIFEST = Digest.of(b"manifest")


def shapes(image: ImageRecord) -> tuple[str, ...]:
    """What `Deleted:` lines say when the image and all of its layers went."""
    return (image.id, *(layer.diff_id for layer in reversed(image.layers)))


def told(receipt: Receipt) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """What `rmi` says, and what came free."""
    return receipt.untagged, receipt.deleted, receipt.freed_bytes


@pytest.fixture
def image(store: Store) -> ImageRecord:
    return add_image(store, "app", [add_layer(store, "base"), add_layer(store, "top")])


def run(store: Store, image: ImageRecord) -> ContainerRecord:
    box = add_container(store, image)
    store.containers.started(box.id, ProcessId.current())
    return box


def test_the_last_name_takes_the_image_along(store: Store, image: ImageRecord, root: Path) -> None:
    removal = remove_image(store, "app")
    allocated = sum(layer.allocated_bytes for layer in image.layers)
    assert told(removal) == (("app:latest",), shapes(image), allocated)
    assert store.check() == []
    assert store.layers.list() == ()


def test_one_name_of_two_is_only_untagged(store: Store, image: ImageRecord) -> None:
    store.images.tag(image.id, "app:2")
    assert told(remove_image(store, "app:2")) == (("app:2",), (), 0)
    assert store.images.find("app").id == image.id


def test_an_id_takes_a_single_name_along(store: Store, image: ImageRecord) -> None:
    assert remove_image(store, image.id.hex[:12]).untagged == ("app:latest",)
    assert store.images.list() == ()


def test_an_id_with_several_names_needs_force(store: Store, image: ImageRecord) -> None:
    store.images.tag(image.id, "other")
    with pytest.raises(ImageInUse) as caught:
        remove_image(store, image.id)
    assert caught.value.message == (
        f"conflict: unable to delete {image.id.hex[:12]} (must be forced)"
        " - image is referenced in multiple repositories"
    )
    assert remove_image(store, image.id, force=True).untagged == ("app:latest", "other:latest")


def test_the_digest_goes_with_the_last_tag_of_its_repository(store: Store) -> None:
    name = Reference.parse("app").with_digest(MANIFEST)
    image = store.images.add(b"{}", [], references=["app", "app:2"], repo_digests=[name])
    assert remove_image(store, "app:2").untagged == ("app:2",)
    removal = remove_image(store, "app")
    assert removal.untagged == ("app:latest", f"app@{MANIFEST}")
    assert removal.deleted == (image.id,)


def test_an_image_without_a_name_goes_by_id(store: Store, image: ImageRecord) -> None:
    store.images.untag("app")
    assert remove_image(store, image.id).untagged == ()


def test_a_stopped_container_keeps_the_last_name(store: Store, image: ImageRecord) -> None:
    box = add_container(store, image)
    with pytest.raises(ImageInUse) as caught:
        remove_image(store, "app")
    assert caught.value.message == (
        'conflict: unable to remove repository reference "app" (must force) - container'
        f" {box.id[:12]} is using its referenced image {image.id.hex[:12]}"
    )
    with pytest.raises(ImageInUse) as caught:
        remove_image(store, image.id)
    assert caught.value.message == (
        f"conflict: unable to delete {image.id.hex[:12]} (must be forced)"
        f" - image is being used by stopped container {box.id[:12]}"
    )
    assert told(remove_image(store, "app", force=True)) == (("app:latest",), (image.id,), 0)
    assert store.containers.get(box.id).layers == image.layers


def test_a_running_container_keeps_the_image_whatever_is_forced(store: Store, image: ImageRecord) -> None:
    box = run(store, image)
    with pytest.raises(ImageInUse) as caught:
        remove_image(store, image.id, force=True)
    assert caught.value.message == (
        f"conflict: unable to delete {image.id.hex[:12]} (cannot be forced)"
        f" - image is being used by running container {box.id[:12]}"
    )
    assert told(remove_image(store, "app", force=True)) == (("app:latest",), (), 0)
    assert store.images.get(image.id).references == ()


def test_a_refused_removal_changes_nothing(store: Store, image: ImageRecord) -> None:
    store.images.tag(image.id, "other")
    run(store, image)
    with pytest.raises(ImageInUse):
        remove_image(store, image.id, force=True)
    assert len(store.images.get(image.id).references) == 2


def test_shared_layers_stay(store: Store, image: ImageRecord) -> None:
    other = add_image(store, "other", [image.layers[0]])
    removal = remove_image(store, "app")
    assert removal.deleted == (image.id, image.layers[1].diff_id)
    assert removal.freed_bytes == image.layers[1].allocated_bytes
    assert remove_image(store, "other").deleted == shapes(other)


def test_layers_of_build_steps_stay_as_build_cache(store: Store, image: ImageRecord) -> None:
    store.steps.add("step", image.layers[1].key, "RUN make")
    assert remove_image(store, "app").deleted == (image.id, image.layers[0].diff_id)
    assert store.steps.prune() == image.layers[1].allocated_bytes
    assert store.layers.list() == ()


def test_leased_layers_stay_until_the_lease_ends(store: Store, image: ImageRecord) -> None:
    with store.lease("build") as lease:
        for layer in image.layers:
            lease.pin(layer.key)
        assert remove_image(store, "app").deleted == (image.id,)
        assert len(store.layers.list()) == 2
    assert store.layers.list() == ()
    assert store.check() == []


def test_a_missing_image_is_missed(store: Store) -> None:
    with pytest.raises(NoSuchImage):
        remove_image(store, "app")
