"""save and load: images as archives and layouts."""

from __future__ import annotations

import sys

from cowl import BlobForm, DockerOutput, Invalid, OciOutput
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call

_FORMATS = ("docker-archive", "oci-archive", "oci-dir")


class RefusedSave(Invalid):
    """A save that would go nowhere, or into a form that there is not."""


class NothingToLoad(Invalid):
    """Standard input is a terminal: nobody writes a tar by hand."""

    def __init__(self) -> None:
        super().__init__("requested load from stdin, but stdin is empty", hint="As in: cowl load -i FILE")


def save(call: Call) -> int:
    """`cowl save [-o FILE] IMAGE...`: a file is there in full or not at all."""
    end_cleanly()
    with call.engine() as engine:
        engine.save(call.words, _output(call))
    return 0


def _output(call: Call) -> DockerOutput | OciOutput:
    path, form = call.text("output"), call.text("format")
    if form not in _FORMATS:
        raise RefusedSave(f"unknown format {form!r}", hint=f"There are {', '.join(_FORMATS)}.")
    if form == "oci-dir" and path in ("", "-"):
        raise RefusedSave("an OCI layout as a directory needs a path", hint="Add -o DIRECTORY.")
    if path in ("", "-") and sys.stdout.isatty():
        raise RefusedSave(
            "cowardly refusing to save to a terminal. Use the -o flag or redirect",
            hint="As in: cowl save -o FILE IMAGE",
        )
    dest = sys.stdout.buffer if path in ("", "-") else path
    default = "uncompressed" if form == "docker-archive" else "gzip"
    blobs = BlobForm(call.text("compression") or default, oci_types=form != "docker-archive")
    if form == "docker-archive":
        return DockerOutput(dest, blobs=blobs)
    return OciOutput(dest, tar=form == "oci-archive", blobs=blobs)


def load(call: Call) -> int:
    """`cowl load [-i FILE]`: prints what was loaded, progress on standard error."""
    from cowl.cli.progress import Progress, is_terminal, pull_progress

    end_cleanly()
    path = call.text("input")
    if path in ("", "-") and sys.stdin.isatty():
        raise NothingToLoad()
    shown = pull_progress(quiet=False) if is_terminal() and not call.on("quiet") else Progress()
    with shown as progress, call.engine(progress) as engine:
        loaded = engine.load(sys.stdin.buffer if path in ("", "-") else path, platform=call.text("platform"))
    for each in loaded:
        for name in each.names:
            print(f"Loaded image: {name}")
        if not each.names:
            print(f"Loaded image ID: {each.image.id}")
    return 0
