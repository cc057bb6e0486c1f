"""Digests: what is accepted, and the chain of layers."""

from __future__ import annotations

import hashlib

import pytest

from cowl.oci.digest import ChainId, DiffId, Digest, InvalidDigest, chain_id

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_of_bytes() -> None:
    assert Digest.of(b"") == EMPTY
    assert Digest.parse(EMPTY).hex == EMPTY[7:]
    assert Digest.of_hash(hashlib.sha256(b"").hexdigest()) == EMPTY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sha256:../../etc/passwd", "64 hex digits"),
        ("sha256:" + "a" * 63, "not 63"),
        ("sha256:" + "a" * 65, "not 65"),
        ("sha256:" + "A" * 64, "0-9 and a-f"),
        ("sha256:" + "a" * 63 + "\n", "0-9 and a-f"),
        ("sha256:" + "a" * 64 + "\n", "not 65"),
        ("sha256:" + "١" * 64, "0-9 and a-f"),
        ("sha512:" + "a" * 128, "sha512"),
        ("a" * 64, "lacks the algorithm"),
        ("", "lacks the algorithm"),
    ],
)
def test_anything_else_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse(text)
    assert why in caught.value.message


def test_the_chain_of_one_layer_is_its_diff_id() -> None:
    only = DiffId.of(b"one")
    assert chain_id([only]).hex == only.hex
    assert isinstance(chain_id([only]), ChainId)


def test_a_chain_hashes_pairwise_from_the_bottom() -> None:
    first, second, third = (DiffId.of(name) for name in (b"1", b"2", b"3"))
    two = "sha256:" + hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    three = "sha256:" + hashlib.sha256(f"{two} {third}".encode()).hexdigest()
    assert chain_id([first, second, third]) == three


def test_no_layers_have_no_chain() -> None:
    with pytest.raises(ValueError, match="at least one"):
        chain_id([])
