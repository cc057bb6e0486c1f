"""Events: written with what they tell, read in order, bounded in number."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from tests.unit.store.making import add_container, add_image, add_layer, open_store

from cowl.linux.process import ProcessId
from cowl.store import Store
from cowl.store.event_log import KEPT
from cowl.store.event_message import EventFilter, EventMessage, InvalidEventFilter
from cowl.store.event_stream import EventStream

ALL = EventFilter({})
NOBODY = ProcessId(os.getpid(), 1, "another boot")
WAIT_SECONDS = 30


def told(store: Store, **filters: tuple[str, ...]) -> list[tuple[str, str]]:
    """(type, action) of all that was kept and is wanted."""
    with store.events.stream(0, time.time_ns(), EventFilter(filters)) as stream:
        return [(event.type, event.action) for event in stream]


def test_a_container_tells_its_life(store: Store) -> None:
    image = add_image(store, "image", [add_layer(store, "base")])
    settings = {"image": "image", "labels": [["stage", "test"]], "mounts": []}
    box = store.containers.create("box", image.id, image.layer_keys, settings)
    store.containers.started(box.id, NOBODY, attached=True)
    store.containers.exited(box.id, 3)
    store.containers.exited(box.id, 3)
    store.containers.remove(box.id)
    with store.events.stream(0, time.time_ns(), EventFilter({"container": ["bo"]})) as stream:
        found = [*stream]
    assert [event.action for event in found] == ["create", "attach", "start", "die", "destroy"]
    assert {event.actor for event in found} == {box.id}
    known = {"image": "image", "name": "box", "stage": "test"}
    assert found[0].attributes == known
    assert found[3].attributes == {**known, "exitCode": "3", "execDuration": "0"}


def test_a_removal_at_the_end_tells_the_exit_code(store: Store) -> None:
    image = add_image(store, "image", [])
    box = store.containers.create("box", image.id, (), {"image": "image"}, auto_remove=True)
    store.containers.started(box.id, NOBODY)
    store.containers.remove(box.id, exit_code=5)
    with store.events.stream(0, time.time_ns(), EventFilter({"event": ("die",)})) as stream:
        assert [event.attributes["exitCode"] for event in stream] == ["5"]


def test_what_is_rolled_back_never_happened(store: Store) -> None:
    image = add_image(store, "image", [])
    add_container(store, image, "box")
    before = told(store)
    with pytest.raises(Exception, match="in use"):
        add_container(store, image, "box")
    assert told(store) == before


def test_images_and_volumes(store: Store) -> None:
    config = b'{"config": {"Labels": {"maker": "us"}}}'
    image = store.images.add(config, (), references=("app:1",), action="import")
    store.images.add(config, (), references=("app:2",), repo_digests=(), action="pull")
    store.images.untag("app:1")
    store.volumes.create("data")
    store.volumes.remove("data")
    store.images.remove(image.id)
    with store.events.stream(0, time.time_ns(), ALL) as stream:
        found = [(event.type, event.action, event.actor, event.attributes.get("name")) for event in stream]
    assert found == [
        ("image", "import", image.id, image.id),
        ("image", "tag", image.id, "app:1"),
        ("image", "pull", "app:2", "app"),
        ("image", "untag", image.id, "app:1"),
        ("volume", "create", "data", None),
        ("volume", "destroy", "data", None),
        ("image", "delete", image.id, image.id),
    ]
    assert len(told(store, label=("maker=us",))) == 5


def test_only_the_newest_are_kept(store: Store) -> None:
    with store._database.write() as transaction:
        from cowl.store.event_log import write_event

        for number in range(KEPT + 1000):
            write_event(transaction, "network", "create", str(number), {})
    with store.events.stream(0, time.time_ns(), ALL) as stream:
        found = [event.actor for event in stream]
    assert KEPT <= len(found) <= KEPT + 128
    assert found[-1] == str(KEPT + 999)


def test_a_stream_waits_for_another_process(store: Store, root: Path) -> None:
    """Each event is there before the next is written: none is late by a look that sees nothing."""
    image = add_image(store, "image", [])
    stream = store.events.stream(None, None, EventFilter({"event": ("create",)}))
    with open_store(root) as other:
        for number in range(20):
            maker = threading.Thread(target=add_container, args=(other, image, f"box{number}"))
            maker.start()
            event = next_of(stream)
            assert event.attributes["name"] == f"box{number}"
            maker.join()
    stream.close()


def next_of(stream: EventStream) -> EventMessage:
    """The next event; the test fails when there is none for long."""
    timer = threading.Timer(WAIT_SECONDS, stream.close)
    timer.start()
    try:
        return next(stream)
    finally:
        timer.cancel()


def test_close_ends_a_stream_that_waits(store: Store) -> None:
    stream = store.events.stream(None, None, ALL)
    threading.Timer(0.05, stream.close).start()
    assert [*stream] == []
    stream.close()


def message(kind: str, action: str, actor: str, **attributes: str) -> EventMessage:
    return EventMessage(kind, action, actor, attributes, 10**18)


START = message("container", "start", "c0ffee", name="web", image="node:14", stage="test")
HEALTHY = message("container", "health_status: healthy", "c0ffee", name="web", image="node:14")
PULL = message("image", "pull", "node:14", name="node")


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, [START, HEALTHY, PULL]),
        ({"type": ["image"]}, [PULL]),
        ({"event": ["start", "pull"]}, [START, PULL]),
        ({"event": ["health_status"]}, [HEALTHY]),
        ({"event": ["health_status: unhealthy"]}, []),
        ({"container": ["c0f"]}, [START, HEALTHY]),
        ({"container": ["we"], "event": ["start"]}, [START]),
        ({"image": ["node"]}, [START, HEALTHY, PULL]),
        ({"image": ["node:14"]}, [START, HEALTHY, PULL]),
        ({"image": ["node:16"]}, []),
        ({"label": ["stage"]}, [START]),
        ({"label": ["stage=test", "other"]}, []),
        ({"volume": ["web"]}, []),
        ({"scope": ["local"]}, [START, HEALTHY, PULL]),
        ({"scope": ["swarm"]}, []),
    ],
)
def test_filters(filters: dict[str, list[str]], wanted: list[EventMessage]) -> None:
    assert [event for event in (START, HEALTHY, PULL) if EventFilter(filters)(event)] == wanted


def test_an_unknown_filter_is_named() -> None:
    with pytest.raises(InvalidEventFilter, match="invalid filter 'colour'"):
        EventFilter({"colour": ["red"]})


def test_dockers_json() -> None:
    assert list(START.attrs()) == [
        "status",
        "id",
        "from",
        "Type",
        "Action",
        "Actor",
        "scope",
        "time",
        "timeNano",
    ]
    assert list(PULL.attrs())[:3] == ["status", "id", "Type"]
    assert list(message("volume", "create", "v").attrs())[:2] == ["Type", "Action"]
