"""Load: the images of an archive or layout into the store, as `docker load`, every byte verified.

Docker's image spec 1.2 (manifest.json), OCI image-spec 1.1 image-layout.md. What has both is read as a
layout, whose documents name every blob by its digest.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from stat import S_ISREG

from cowl.errors import NotFound
from cowl.layer.compression import UNCOMPRESSED, open_decompressed, sniff
from cowl.oci.platform import Platform
from cowl.oci.reference import InvalidReference, Reference
from cowl.transfer.docker_archive import read_entries
from cowl.transfer.image_files import ArchiveFiles, BadArchive, DirectoryFiles
from cowl.transfer.layout_sink import IMAGE_NAME, REF_NAME
from cowl.transfer.read_layout import Layout, bring
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO, TypeAlias

    from cowl.events import Emit
    from cowl.oci.descriptor import Descriptor
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store
    from cowl.transfer.image_files import ImageFiles

    Source: TypeAlias = "str | BinaryIO"

_INDEX, _LISTING = "index.json", "manifest.json"
_COPY_BYTES = 1 << 20
_SNIFF_BYTES = 6


class LoadedImage(Value):
    """An image that was loaded, and the names that it got by it, in full."""

    image: ImageRecord
    names: tuple[str, ...]


def load(source: Source, platform: Platform | None, *, store: Store, emit: Emit) -> tuple[LoadedImage, ...]:
    """The images of `source`, with their names.

    source    the path of a tar (plain, gzip, zstd, bzip2 or xz) or of a layout's directory, or a binary
              stream with a tar, which is read to its end
    platform  of the images; None: this machine's. In an index others are left out
    One image after the other is published; what was before a failure stays. Layers that the store has are
    not read. Raises BadArchive, NoLayout, LayoutDamaged, DiffIdMismatch, NotAnImage, PlatformMismatch,
    OSError.
    """
    with ExitStack() as open_until_end:
        files = _files(source, store, open_until_end)
        reader = _layout_images if _has(files, _INDEX) else _docker_images
        return tuple(reader(files, platform, store, emit))


def _files(source: Source, store: Store, until_end: ExitStack) -> ImageFiles:
    if not isinstance(source, str):
        return _spooled(source, _name_of(source), store, until_end)
    if os.path.isdir(source):
        return until_end.enter_context(DirectoryFiles(source))
    file = until_end.enter_context(open(source, "rb", buffering=0))  # noqa: SIM115
    start = os.pread(file.fileno(), _SNIFF_BYTES, 0) if S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    if start and sniff(start) == UNCOMPRESSED:
        return ArchiveFiles(file.fileno(), source)
    return _spooled(file, source, store, until_end)


def _spooled(stream: BinaryIO, name: str, store: Store, until_end: ExitStack) -> ImageFiles:
    """A tar that can't be sought in, put by: what tells what its files are may come last."""
    stage = until_end.enter_context(store.layers.stage())
    file = until_end.enter_context(open(f"{stage.path}/archive", "x+b", buffering=0))  # noqa: SIM115
    plain = open_decompressed(stream)
    while data := plain.read(_COPY_BYTES):
        file.write(data)
    if not file.tell():
        raise BadArchive(name, "it is empty")
    return ArchiveFiles(file.fileno(), name)


def _name_of(stream: BinaryIO) -> str:
    name = getattr(stream, "name", "")
    return name if isinstance(name, str) and name and not name.startswith("<") else "standard input"


def _has(files: ImageFiles, path: str) -> bool:
    try:
        files.open(path).close()
    except OSError:
        return False
    return True


def _layout_images(
    files: ImageFiles, platform: Platform | None, store: Store, emit: Emit
) -> Iterator[LoadedImage]:
    layout = Layout(files)
    wanted = platform or Platform.host()
    for entry, names in _entries(layout.index().manifests, files.name, wanted):
        manifest = layout.manifest(entry, wanted)
        name = names[0].familiar if names else f"{files.name}@{entry.digest}"
        config = layout.document(manifest.config)
        record = bring(
            name,
            manifest,
            config,
            layout.open,
            platform,
            references=names,
            action="load",
            store=store,
            emit=emit,
        )
        store.manifests.keep(record.id, manifest)
        yield _loaded(record, names)


def _entries(
    entries: Iterable[Descriptor], archive: str, platform: Platform
) -> list[tuple[Descriptor, list[Reference]]]:
    """What a layout offers for a platform, each once, with its names.

    Raises NotFound when there is nothing for it.
    """
    found: dict[str, tuple[Descriptor, list[Reference]]] = {}
    seen = 0
    for entry in entries:
        seen += 1
        if entry.platform is not None and platform.preference(entry.platform) is None:
            continue
        _, names = found.setdefault(str(entry.digest), (entry, []))
        name = _reference(entry, archive)
        if name is not None and name not in names:
            names.append(name)
    if seen and not found:
        raise NotFound(f"{archive} has no image for {platform}", hint="--platform loads those of another")
    return list(found.values())


def _reference(entry: Descriptor, archive: str) -> Reference | None:
    """containerd's annotation is the whole name; OCI's is that for some tools, for others a tag alone."""
    said = dict(entry.annotations)
    name = said.get(IMAGE_NAME, "")
    if not name and any(sign in said.get(REF_NAME, "") for sign in ":/"):
        name = said[REF_NAME]
    return _parsed(name, archive) if name else None


def _docker_images(
    files: ImageFiles, platform: Platform | None, store: Store, emit: Emit
) -> Iterator[LoadedImage]:
    for entry in read_entries(files):
        names = [_parsed(name, files.name) for name in entry.names]
        shown = names[0].familiar if names else files.name
        record = bring(
            shown,
            entry.manifest,
            entry.config,
            entry.open,
            platform,
            references=names,
            action="load",
            store=store,
            emit=emit,
        )
        yield _loaded(record, names)


def _parsed(name: str, archive: str) -> Reference:
    try:
        return Reference.parse(name).with_default_tag()
    except InvalidReference as problem:
        raise BadArchive(archive, f"it has an image with an impossible name: {problem}") from problem


def _loaded(record: ImageRecord, names: list[Reference]) -> LoadedImage:
    return LoadedImage(record, tuple(map(str, names)))
