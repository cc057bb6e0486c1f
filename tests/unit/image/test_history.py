"""History rows: which entry added which layer."""

from __future__ import annotations

from typing import Any

from cowl.image.history import history_rows
from cowl.oci.digest import DiffId
from cowl.oci.image_config import History, ImageConfig
from cowl.store.layers import Layer

ID = f"sha256:{'e' * 64}"


def _layer(number: int) -> Layer:
    diff_id = DiffId.parse(f"sha256:{number:064x}")
    values: dict[str, Any] = dict.fromkeys(Layer._fields, 0)
    return Layer(**{**values, "key": diff_id.hex, "diff_id": diff_id, "size_bytes": number * 100})


def _config(*entries: tuple[str, bool]) -> ImageConfig:
    history = tuple(
        History(created_by=text, empty_layer=empty, comment=f"c-{text}") for text, empty in entries
    )
    return ImageConfig(architecture="amd64", os="linux", created="2020", history=history)


def test_newest_first_with_layers_where_they_belong() -> None:
    config = _config(("ADD", False), ("ENV", True), ("RUN", False), ("CMD", True))
    rows = history_rows(ID, config, (_layer(1), _layer(2)))
    assert [(row.created_by, row.size_bytes, row.empty_layer) for row in rows] == [
        ("CMD", 0, True),
        ("RUN", 200, False),
        ("ENV", 0, True),
        ("ADD", 100, False),
    ]
    assert [row.image_id for row in rows] == [ID, *["<missing>"] * 3]
    assert [row.diff_id for row in rows] == ["", _layer(2).diff_id, "", _layer(1).diff_id]
    assert rows[0].comment == "c-CMD"


def test_layers_that_history_does_not_mention_are_the_lowest() -> None:
    rows = history_rows(ID, _config(("RUN", False)), (_layer(1), _layer(2), _layer(3)))
    assert [(row.created_by, row.size_bytes) for row in rows] == [("RUN", 300), ("", 200), ("", 100)]
    assert rows[2].created == "2020"


def test_no_history_and_no_layers() -> None:
    assert history_rows(ID, _config(), ()) == ()
    (row,) = history_rows(ID, _config(), (_layer(1),))
    assert (row.image_id, row.size_bytes) == (ID, 100)


def test_history_that_tells_of_more_layers_than_there_are() -> None:
    rows = history_rows(ID, _config(("ADD", False), ("RUN", False)), (_layer(1),))
    assert [(row.created_by, row.size_bytes, row.empty_layer) for row in rows] == [
        ("RUN", 0, True),
        ("ADD", 100, False),
    ]


def test_why_an_entry_has_no_layer() -> None:
    config = _config(
        *(("RUN a", False), ("RUN b", True), ("WORKDIR /x", True), ("ENV a=b", True), ("who knows", True)),
        ("/bin/sh -c #(nop)  CMD [x]", True),
    )
    reasons = [row.why_not for row in history_rows(ID, config, (_layer(1),))[::-1]]
    first, *rest = reasons
    assert first == ""
    assert rest == [
        *("changed no file", "the directory was there", "configuration only", "history only"),
        "configuration only",
    ]
    merged = History(created_by="", comment="merge sha256:1 to sha256:2")
    squashed = config.replace(history=(*config.history[1:], merged))
    reasons = [row.why_not for row in history_rows(ID, squashed, (_layer(1),))[::-1]]
    assert reasons[:3] == [*["squashed into a later layer"] * 2, "configuration only"]
