"""Images: under all their names, and only under theirs."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.store.making import add_image, add_layer, open_store

from cowl.oci.digest import Digest
from cowl.oci.reference import InvalidReference, Reference
from cowl.store import Store
from cowl.store.images import AmbiguousId, NoSuchImage, ReservedName
from cowl.store.leases import NoSuchLayer

MANIFEST = Digest.of(b"manifest")


def test_an_image_is_found_by_name_and_id(store: Store) -> None:
    image = add_image(store, "node:14", [add_layer(store, "a"), add_layer(store, "b")])
    assert image.references == ("docker.io/library/node:14",)
    digits = image.id.hex
    for text in (
        "node:14",
        "library/node:14",
        "docker.io/library/node:14",
        image.id,
        digits,
        digits[:12],
        f"sha256:{digits[:7]}",
        digits[:1],
    ):
        assert store.images.find(text) == image
    assert [layer.diff_id for layer in image.layers] == [
        layer.diff_id for layer in (add_layer(store, "a"), add_layer(store, "b"))
    ]


@pytest.mark.parametrize("text", ["node", "node:15", "f" * 64, "sha256:" + "f" * 64, "host:5000/node:14"])
def test_what_is_not_there_is_said_as_docker_says_it(store: Store, text: str) -> None:
    with pytest.raises(NoSuchImage) as caught:
        store.images.find(text)
    assert caught.value.message == f"No such image: {text}"


def test_a_malformed_name_is_explained(store: Store) -> None:
    with pytest.raises(InvalidReference, match="must be lowercase"):
        store.images.find("Node")


def test_several_images_behind_a_prefix_are_ambiguous(store: Store) -> None:
    images = [store.images.add(b"{%d}" % number, []) for number in range(40)]
    heads = [image.id.hex[0] for image in images]
    shared = next(head for head in heads if heads.count(head) > 1)
    with pytest.raises(AmbiguousId):
        store.images.find(shared)
    assert store.images.find(images[0].id.hex[:20]) == images[0]


def test_a_name_wins_over_an_id(store: Store) -> None:
    first = add_image(store, "first", [])
    second = add_image(store, "second", [], tags=[first.id.hex[:8]])
    assert store.images.find(first.id.hex[:8]) == second


def test_a_tag_moves(store: Store) -> None:
    old = add_image(store, "old", [], tags=["app"])
    new = add_image(store, "new", [], tags=["app", "app:2"])
    assert store.images.find("app") == new
    assert store.images.get(old.id).references == ()
    store.images.tag(old.id, Reference.parse("app:2"))
    assert store.images.get(old.id).references == ("docker.io/library/app:2",)
    store.images.untag("app:2")
    with pytest.raises(NoSuchImage):
        store.images.find("app:2")
    with pytest.raises(NoSuchImage):
        store.images.untag("app:2")
    with pytest.raises(NoSuchImage):
        store.images.tag("sha256:" + "0" * 64, "app:3")
    with pytest.raises(ReservedName, match="'scratch' is a reserved name"):
        store.images.tag(old.id, Reference.parse("scratch:1"))


def test_a_name_with_a_digest_finds_only_what_was_pulled_by_both(store: Store) -> None:
    """Threat 14: `evil@sha256:<digest of something local>` is not that local thing."""
    name = Reference.parse("node").with_digest(MANIFEST)
    image = store.images.add(b"{}", [], references=["node:14"], repo_digests=[name])
    assert image.repo_digests == (f"docker.io/library/node@{MANIFEST}",)
    assert store.images.find(f"node@{MANIFEST}") == image
    assert store.images.find(f"node:99@{MANIFEST}") == image
    for text in (f"evil@{MANIFEST}", f"node@{image.id}", f"evil@{image.id}"):
        with pytest.raises(NoSuchImage):
            store.images.find(text)


def test_adding_again_adds_names(store: Store) -> None:
    layer = add_layer(store, "a")
    first = store.images.add(b"{}", [layer.key], references=["one"])
    again = store.images.add(b"{}", [layer.key], references=["two"])
    assert again.id == first.id
    assert len(again.references) == 2
    assert store.images.list() == (again,)


def test_an_image_of_missing_layers_is_refused(store: Store) -> None:
    with pytest.raises(NoSuchLayer):
        store.images.add(b"{}", ["0" * 64], references=["broken"])
    assert store.images.list() == ()


def test_list_gives_the_newest_first(root: Path) -> None:
    from cowl.config import Config

    moment = iter(range(1000, 100_000))
    with Store.open(Config(root=str(root)), clock=lambda: float(next(moment))) as store:
        images = [add_image(store, f"image{number}", []) for number in range(3)]
        assert store.images.list() == tuple(reversed(images))
        store.images.touch(images[0].id)
        touched = store.images.get(images[0].id)
        assert touched.last_used > images[0].last_used
        assert touched.created_at == images[0].created_at


def test_images_survive(root: Path) -> None:
    with open_store(root) as store:
        image = add_image(store, "kept", [add_layer(store, "a")])
    with open_store(root) as store:
        assert store.images.list() == (image,)


def test_remove_takes_names_and_unshared_layers(store: Store) -> None:
    base, own = add_layer(store, "base"), add_layer(store, "own")
    first = add_image(store, "first", [base, own])
    second = add_image(store, "second", [base])
    store.images.remove(first.id)
    assert store.layers.list() == (base,)
    assert store.images.list() == (second,)
    with pytest.raises(NoSuchImage):
        store.images.remove(first.id)
    assert store.check() == []


def test_a_summary_says_what_the_record_says(store: Store) -> None:
    base, top = add_layer(store, "base", {"f": 1000}), add_layer(store, "top", {"f": 30})
    both = add_image(store, "both", [base, top, top], tags=["a:1", "b"])
    empty = add_image(store, "empty", [])
    for record, summary in zip(store.images.list(), store.images.summaries(), strict=True):
        shared = summary.as_dict()
        assert shared.pop("size_bytes") == sum(layer.size_bytes for layer in record.layers)
        assert shared == {name: getattr(record, name) for name in shared}
    sizes = {summary.id: summary.size_bytes for summary in store.images.summaries()}
    assert sizes == {both.id: 1060, empty.id: 0}


@pytest.mark.parametrize(
    ("config", "created"),
    [
        (b'{"created":"2020-01-02T03:04:05Z","config":{"created":"1999"}}', "2020-01-02T03:04:05Z"),
        (b"{}", ""),
        (b'{"created":5}', ""),
        (b'{"created":null}', ""),
        (b"[1]", ""),
        (b"not JSON", ""),
        (b"\xff\xfe", ""),
        (b"", ""),
    ],
)
def test_an_odd_config_is_in_nobody_s_way(store: Store, config: bytes, created: str) -> None:
    image = store.images.add(config, [], references=["odd"])
    assert image.created == store.images.summaries()[0].created == created
    assert image.config_bytes == config


def test_many_names_are_looked_up_at_once(store: Store) -> None:
    image = add_image(store, "node:14", [], tags=["node:14", "beef"])
    other = add_image(store, "other", [])
    texts = [
        "node:14",
        "docker.io/library/node:14",
        "beef",
        image.id,
        image.id.hex[:12],
        "gone",
        "A B",
        "f" * 64,
    ]
    found = store.images.ids(texts)
    for text in texts:
        try:
            wanted = {text: str(store.images.find(text).id)}
        except (NoSuchImage, InvalidReference):
            wanted = {}
        assert store.images.ids([text]) == wanted
        assert found.get(text) == wanted.get(text)
    assert set(texts) - set(found) == {"gone", "A B", "f" * 64}
    assert store.images.ids(["other", other.id[:9]]).get("other") == other.id


def test_images_are_found_by_their_layers(store: Store) -> None:
    base, top = add_layer(store, "base"), add_layer(store, "top")
    one, two = add_image(store, "one", [base, top]), add_image(store, "two", [base, top])
    add_image(store, "upside down", [top, base], tags=["three"])
    assert set(store.images.on_layers([base.key, top.key])) == {one, two}
    assert store.images.on_layers([base.key]) == ()
