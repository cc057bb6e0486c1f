"""Manifests and indexes: round trips, choice of platform, and documents that must be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.errors import Invalid
from cowl.oci import media_types
from cowl.oci.descriptor import Descriptor
from cowl.oci.digest import Digest
from cowl.oci.manifest import (
    MAX_MANIFEST_BYTES,
    Index,
    InvalidManifest,
    Manifest,
    PlatformNotFound,
    parse_manifest,
)
from cowl.oci.platform import Platform

CONFIG = Descriptor(media_types.OCI_CONFIG, Digest.of(b"config"), 6)
LAYER = Descriptor(media_types.OCI_LAYER_GZIP, Digest.of(b"layer"), 5)


def document(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(Manifest.make(CONFIG, [LAYER]).raw)
    members.update(changes)
    return {name: value for name, value in members.items() if value != "absent"}


def raw(members: object) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize("media_type", [media_types.OCI_MANIFEST, media_types.DOCKER_MANIFEST])
def test_a_manifest_made_here_parses_to_itself(media_type: str) -> None:
    made = Manifest.make(CONFIG, [LAYER, LAYER], media_type=media_type, annotations=(("a", "ü"),))
    assert parse_manifest(made.raw, media_type) == made
    assert parse_manifest(made.raw, f"{media_type}; charset=utf-8") == made
    assert parse_manifest(made.raw, "") == made
    assert made.digest == Digest.of(made.raw)


def entry(content: bytes, platform: str = "", media_type: str = media_types.OCI_MANIFEST) -> Descriptor:
    return Descriptor(
        media_type, Digest.of(content), len(content), Platform.parse(platform) if platform else None
    )


def test_an_index_made_here_parses_to_itself() -> None:
    made = Index.make([entry(b"1", "linux/amd64"), entry(b"2", "linux/arm/v6"), entry(b"3")])
    assert parse_manifest(made.raw, media_types.OCI_INDEX) == made


def test_an_oci_manifest_may_leave_its_media_type_to_the_header() -> None:
    parsed = parse_manifest(raw(document(mediaType="absent")), media_types.OCI_MANIFEST)
    assert isinstance(parsed, Manifest)
    assert parsed.media_type == media_types.OCI_MANIFEST


@pytest.mark.parametrize(
    ("members", "content_type", "why"),
    [
        (document(manifests=[]), media_types.OCI_MANIFEST, "both an index and an image"),
        (document(manifests=[], mediaType=media_types.OCI_INDEX), "", "both an index and an image"),
        (document(manifests=[], layers="absent"), "", "both an index and an image"),
        (document(), media_types.OCI_INDEX, "came as"),
        (document(), media_types.DOCKER_MANIFEST, "came as"),
        (document(), "application/json", "came as"),
        (document(mediaType="absent"), "", "is not an image's"),
        (document(mediaType="absent"), "text/html", "is not an image's"),
        (document(mediaType="absent"), media_types.OCI_INDEX, "'manifests' must be"),
        (document(schemaVersion=1), "", "schema 1"),
        (document(), media_types.DOCKER_SCHEMA1_SIGNED, "schema 1"),
        (document(schemaVersion="2"), "", "schemaVersion"),
        (document(schemaVersion=True), "", "schemaVersion"),
        (document(schemaVersion=3), "", "schemaVersion"),
        (document(config=None), "", "config and layers"),
        (document(layers={}), "", "'layers' must be a list"),
        (document(layers=[1]), "", "'layers' must be a list"),
        (document(layers=[{}]), "", "mediaType"),
        ([], "", "object was expected"),
        ("x", "", "object was expected"),
    ],
)
def test_ambiguous_and_malformed_documents_are_refused(members: Any, content_type: str, why: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(raw(members), content_type)
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"digest": "sha256:../x"}, "64 hex digits"),
        ({"digest": "sha512:" + "0" * 128}, "sha512"),
        ({"digest": 5}, "'digest' must be text"),
        ({"digest": None}, "lacks the algorithm"),
        ({"size": -1}, "'size' must be"),
        ({"size": 1.5}, "'size' must be"),
        ({"size": True}, "'size' must be"),
        ({"size": 1 << 70}, "'size' must be"),
        ({"size": None}, "'size' must be"),
        ({"mediaType": "a\0b"}, "NUL"),
        ({"mediaType": "\ud800"}, "surrogate"),
        ({"annotations": {"a": 1}}, "'annotations' must be text"),
        ({"urls": 5}, "'urls' must be"),
    ],
)
def test_a_malformed_descriptor_is_refused(change: dict[str, Any], why: str) -> None:
    layer = {**LAYER.to_json(), **change}
    with pytest.raises(Invalid) as caught:
        parse_manifest(raw(document(layers=[layer])), "")
    assert why in caught.value.message


def test_a_name_given_twice_is_refused() -> None:
    text = Manifest.make(CONFIG, [LAYER]).raw.replace(b'"layers"', b'"layers":[],"layers"')
    with pytest.raises(InvalidManifest, match="occurs twice"):
        parse_manifest(text, "")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}", b"\0"]
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidManifest):
        parse_manifest(text, media_types.OCI_MANIFEST)


def test_a_huge_document_is_refused_unread() -> None:
    with pytest.raises(InvalidManifest, match="refused"):
        parse_manifest(b" " * (MAX_MANIFEST_BYTES + 1), media_types.OCI_MANIFEST)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["layers", "config", "manifests", "mediaType", "schemaVersion", "digest", "size", "platform"]
    ), inner, max_size=4)
), max_leaves=12))  # fmt: skip
def test_any_json_parses_or_is_refused_with_a_typed_error(value: object) -> None:
    try:
        parse_manifest(raw(value), media_types.OCI_MANIFEST)
    except Invalid:
        pass


class TestSelection:
    index = Index.make(
        [
            entry(b"win", "windows/amd64"),
            entry(b"386", "linux/386"),
            entry(b"amd64", "linux/amd64"),
            entry(b"armv6", "linux/arm/v6"),
            Descriptor(media_types.OCI_MANIFEST, Digest.of(b"att"), 3, Platform("unknown", "unknown")),
        ]
    )

    def test_the_exact_platform_wins_over_the_order(self) -> None:
        assert self.index.select(Platform.parse("linux/amd64")).digest == Digest.of(b"amd64")

    def test_an_older_variant_will_do(self) -> None:
        assert self.index.select(Platform.parse("linux/arm/v7")).digest == Digest.of(b"armv6")

    def test_none_says_what_is_on_offer_without_attestations(self) -> None:
        with pytest.raises(PlatformNotFound) as caught:
            self.index.select(Platform.parse("linux/s390x"))
        assert caught.value.message == "no matching manifest for linux/s390x in the manifest list entries"
        assert caught.value.hint == "it offers windows/amd64, linux/386, linux/amd64, linux/arm/v6"

    def test_an_entry_without_platform_is_the_last_choice(self) -> None:
        nameless = entry(b"any")
        index = Index.make([nameless, entry(b"amd64", "linux/amd64")])
        assert [found.digest for found in index.candidates(Platform.parse("linux/amd64"))] == [
            Digest.of(b"amd64"),
            nameless.digest,
        ]

    def test_an_entry_that_is_no_manifest_is_never_chosen(self) -> None:
        index = Index.make([entry(b"blob", "linux/amd64", "application/octet-stream")])
        with pytest.raises(PlatformNotFound):
            index.select(Platform.parse("linux/amd64"))
