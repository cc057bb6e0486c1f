"""What a layer's tar hashes to."""

from __future__ import annotations

from cowl.oci.digest import DiffId
from cowl.value import Value


class Packed(Value):
    """An uncompressed layer tar: its hash and its length."""

    diff_id: DiffId
    tar_bytes: int
