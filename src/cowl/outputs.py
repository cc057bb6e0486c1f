"""Outputs: what a build is to give, besides or instead of an image in the store, as frozen values.

The kinds and their settings are those of BuildKit's exporters (`docker build --output`). `dest` is an
absolute path or, where one file is written, a binary stream that takes bytes (it is not closed).
"""

from __future__ import annotations

from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    class Sink(Protocol):
        """A binary stream to write to."""

        def write(self, data: bytes, /) -> object: ...

        def flush(self) -> object: ...

    Destination: TypeAlias = "str | Sink"

GZIP, ZSTD, UNCOMPRESSED = "gzip", "zstd", "uncompressed"


class BlobForm(Value):
    """How the layers of an image become blobs.

    compression  GZIP, ZSTD or UNCOMPRESSED, of layers that have to be made into blobs
    level        0 to 9 for gzip, 0 to 22 for zstd; None is the quickest good one
    forced       also for layers of which the target has a blob in another compression
    oci_types    OCI's media types, not Docker's
    """

    compression: str = GZIP
    level: int | None = None
    forced: bool = False
    oci_types: bool = True


class LocalOutput(Value):
    """The files of the root file system, into the directory `dest`, as the caller's own.

    What is there already stays, unless the image has something else under that name.
    """

    dest: str


class TarOutput(Value):
    """The root file system as one tar; the same image always gives the same bytes."""

    dest: Destination


class OciOutput(Value):
    """An OCI image layout: a tar, or with `tar=False` a directory.

    names        its names in the index, as a user writes them; without any, the build's tags
    annotations  of the manifest
    """

    dest: Destination
    tar: bool = True
    names: tuple[str, ...] = ()
    blobs: BlobForm = BlobForm()
    annotations: tuple[tuple[str, str], ...] = ()


class DockerOutput(Value):
    """An archive for `docker load`: a layout with Docker's manifest.json. `names` as of OciOutput."""

    dest: Destination
    names: tuple[str, ...] = ()
    blobs: BlobForm = BlobForm(compression=UNCOMPRESSED, oci_types=False)
    annotations: tuple[tuple[str, str], ...] = ()


class ImageOutput(Value):
    """An image in the store under the build's tags and `names`; with `push` also at their registries."""

    names: tuple[str, ...] = ()
    push: bool = False
    blobs: BlobForm = BlobForm()
    annotations: tuple[tuple[str, str], ...] = ()


class CacheOnlyOutput(Value):
    """Nothing but cached steps."""


Output: TypeAlias = "LocalOutput | TarOutput | OciOutput | DockerOutput | ImageOutput | CacheOnlyOutput"


def keeps_image(outputs: tuple[Output, ...]) -> bool:
    """Whether the image comes into the store: without outputs, or if one of them is an image."""
    return not outputs or any(isinstance(output, ImageOutput) for output in outputs)


def image_names(outputs: tuple[Output, ...]) -> tuple[str, ...]:
    """The names that the image outputs add to a build's tags."""
    return tuple(name for output in outputs if isinstance(output, ImageOutput) for name in output.names)
