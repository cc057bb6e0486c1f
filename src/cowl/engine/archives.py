"""The engine's calls about archives of images."""

from __future__ import annotations

from cowl.engine.view import view
from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from cowl.image.loaded import Loaded
    from cowl.outputs import DockerOutput, OciOutput


class ArchiveCalls(Wiring):
    """See Engine."""

    def save(self, images: str | Sequence[str], output: DockerOutput | OciOutput) -> None:
        """Writes images to one archive or OCI layout, as `docker save`; a layer that several share once.

        images  names, IDs or beginnings of IDs. One without a tag brings all tags of its repository, as
                Docker has it, an ID no name
        output  where, and in which form: DockerOutput(dest) is what `docker load` takes, and an OCI layout
                too. `names` and `annotations` of it stay empty
        A file at a path appears whole or not at all. The same images give the same bytes. Raises NotFound,
        Invalid kinds, LayerChanged, OSError.
        """
        from cowl.transfer.save_images import save_images

        save_images(self.store, (images,) if isinstance(images, str) else tuple(images), output)

    def load(self, source: str | BinaryIO, *, platform: str = "") -> list[Loaded]:
        """The images of what `docker save`, podman, skopeo or `Engine.save` wrote, put into the store.

        source    the path of a tar, also compressed, or of an OCI layout's directory, or a binary stream
        platform  as "os/arch[/variant]"; "": this machine's
        A name that another image has goes over to the loaded one. Every byte is verified; an image appears
        whole or not at all. Raises Invalid kinds, Corrupt, NotFound, OSError. Emits BlobProgress.
        """
        from cowl.image.loaded import Loaded
        from cowl.oci.platform import Platform
        from cowl.oci.reference import Reference
        from cowl.transfer.load import load

        wanted = Platform.parse(platform) if platform else None
        return [
            Loaded(view(found.image), tuple(Reference.parse(name).familiar for name in found.names))
            for found in load(source, wanted, store=self.store, emit=self._emit)
        ]
