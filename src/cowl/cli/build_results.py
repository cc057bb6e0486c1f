"""What `cowl build` is to leave behind: outputs, caches, and files for scripts with the ID and metadata."""

from __future__ import annotations

import os

from cowl.cli.names import canonical
from cowl.events import BuildFinished, Exported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.cli.call import Call
    from cowl.events import Emit, Event


class Results:
    """What the flags of one call ask for. Read before the build, so that a mistake costs no build."""

    def __init__(self, call: Call) -> None:
        self.options: dict[str, Any] = {}
        self.own_stdout = False
        self._iidfile = call.text("iidfile")
        self._metadata_file = call.text("metadata-file")
        self._metadata = Metadata()
        flags = ("output", "load", "push", "cache-from", "cache-to")
        if any(call.given(flag) for flag in flags):
            self._read(call)

    def _read(self, call: Call) -> None:
        from cowl.cli import outputs

        made = outputs.outputs(call.many("output"), load=call.on("load"), push=call.on("push"))
        self.own_stdout = outputs.to_stdout(made)
        self.options = {
            "outputs": made,
            "cache_from": tuple(map(outputs.cache_source, call.many("cache-from"))),
            "cache_to": tuple(map(outputs.cache_target, call.many("cache-to"))),
        }

    def hearing(self, emit: Emit) -> Emit:
        """`emit`, with an ear for the metadata where a file of it is wanted."""
        if not self._metadata_file:
            return emit

        def both(event: Event) -> None:
            self._metadata.hear(event)
            emit(event)

        return both

    def write(self, image_id: str) -> None:
        """Writes --iidfile and --metadata-file."""
        if self._iidfile:
            write_whole(self._iidfile, image_id)
        if self._metadata_file:
            write_whole(self._metadata_file, self._metadata.text())


def write_whole(path: str, text: str) -> None:
    """Writes a file that others see in full or not at all; what is no plain file is written to as it is."""
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "w") as out:
            out.write(text)
        return
    place = os.path.realpath(path)
    part = f"{place}.{os.urandom(4).hex()}.part"
    try:
        with open(part, "x") as out:
            out.write(text)
        os.rename(part, place)
    except BaseException:
        if os.path.exists(part):
            os.unlink(part)
        raise


class Metadata:
    """What the events of a build say about its outputs, under BuildKit's keys."""

    def __init__(self) -> None:
        self._members: dict[str, Any] = {}
        self._names: dict[str, None] = {}

    def hear(self, event: Event) -> None:
        """Takes what is of use of an event."""
        if isinstance(event, BuildFinished):
            self._members["containerimage.config.digest"] = event.image_id
            # without a manifest the image is named by its config, as Docker's own exporter does it
            self._members.setdefault("containerimage.digest", event.image_id)
            self._names.update(dict.fromkeys(map(canonical, event.tags) if event.kept else ()))
        elif isinstance(event, Exported) and event.digest and not event.kind.startswith("cache-"):
            self._members["containerimage.descriptor"] = {
                "mediaType": event.media_type,
                "digest": event.digest,
                "size": event.size,
            }
            self._members["containerimage.digest"] = event.digest
            self._names.update(dict.fromkeys(event.names))

    def text(self) -> str:
        """The JSON document, indented as buildx does it."""
        import json

        members = dict(self._members)
        if self._names:
            members["image.name"] = ",".join(self._names)
        return json.dumps(members, indent=2, sort_keys=True)
