"""Export: an image that was built, into the outputs that its builder asked for."""

from __future__ import annotations

import os

from cowl.errors import Invalid
from cowl.events import Exported
from cowl.layer.ownership import for_euid
from cowl.oci.reference import Reference
from cowl.outputs import DockerOutput, ImageOutput, LocalOutput, OciOutput, TarOutput
from cowl.transfer.destination import Destination, check_destination
from cowl.transfer.layer_blob import check_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.events import Emit
    from cowl.oci.descriptor import Descriptor
    from cowl.outputs import Output
    from cowl.store.images import ImageRecord
    from cowl.store.store import Store


class InvalidOutput(Invalid):
    """An output that contradicts itself. Field: output."""

    def __init__(self, output: Output, why: str, hint: str = "") -> None:
        super().__init__(why, hint=hint)
        self.output = output


def check_output(output: Output) -> None:
    """Raises Invalid kinds for an output that can't be made, before anything is built."""
    if isinstance(output, LocalOutput):
        if not output.dest:
            raise InvalidOutput(output, "the local output has no destination", "give it one: dest=DIRECTORY")
        if os.path.exists(output.dest) and not os.path.isdir(output.dest):
            raise InvalidOutput(output, f"{output.dest} is not a directory")
    elif isinstance(output, TarOutput):
        check_destination(output.dest)
    elif isinstance(output, OciOutput | DockerOutput | ImageOutput):
        _check_image(output)


def _check_image(output: OciOutput | DockerOutput | ImageOutput) -> None:
    check_form(output.blobs)
    for name in output.names:
        Reference.parse(name)
    if output.annotations and not output.blobs.oci_types:
        raise InvalidOutput(
            output, "annotations need OCI's media types", "add oci-mediatypes=true, or leave them out"
        )
    if isinstance(output, OciOutput) and not output.tar:
        if not isinstance(output.dest, str) or not output.dest:
            raise InvalidOutput(output, "tar=false makes a directory: it needs a path", "add dest=DIRECTORY")
    elif not isinstance(output, ImageOutput):
        check_destination(output.dest)


def export(output: Output, image: ImageRecord, store: Store, emit: Emit) -> None:
    """Writes one output of files; an ImageOutput or CacheOnlyOutput has none. Emits Exported.

    Raises InvalidOutput, LayoutExists, LayerChanged, DirectoryInTheWay, OSError. A file at a path
    appears whole or not at all.
    """
    if isinstance(output, LocalOutput):
        from cowl.transfer.root_copy import copy_root

        copy_root(store.view(image.layer_keys), output.dest, for_euid(os.geteuid()))
        emit(Exported("local", output.dest))
    elif isinstance(output, TarOutput):
        from cowl.transfer.root_tar import write_root_tar

        with Destination(output.dest) as place:
            write_root_tar(store.view(image.layer_keys), place.write, for_euid(os.geteuid()))
        emit(Exported("tar", _shown(output.dest)))
    elif isinstance(output, OciOutput | DockerOutput):
        names = tuple(map(_name, output.names)) or tuple(map(_name, image.references))
        saved = _save(output, image, names, store)
        kind = "docker" if isinstance(output, DockerOutput) else "oci"
        shown = tuple(map(str, names))
        emit(Exported(kind, _shown(output.dest), str(saved.digest), saved.media_type, saved.size, shown))


def _save(
    output: OciOutput | DockerOutput, image: ImageRecord, names: tuple[Reference, ...], store: Store
) -> Descriptor:
    from cowl.transfer.layout_sink import LayoutArchive, LayoutDirectory
    from cowl.transfer.save import SavedImage, save

    wanted = [SavedImage(image, names, output.annotations)]
    if isinstance(output, OciOutput) and not output.tar:
        assert isinstance(output.dest, str)
        (saved,) = save(store, wanted, LayoutDirectory(output.dest), output.blobs)
        return saved
    with Destination(output.dest) as place:
        sink = LayoutArchive(place.write)
        (saved,) = save(store, wanted, sink, output.blobs, docker=isinstance(output, DockerOutput))
        return saved


def _name(text: str) -> Reference:
    return Reference.parse(text).with_default_tag()


def _shown(dest: object) -> str:
    return dest if isinstance(dest, str) else "-"
