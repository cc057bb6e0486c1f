"""push."""

from __future__ import annotations

import sys

from cowl import BlobForm
from cowl.cli import names
from cowl.cli.interrupts import end_cleanly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.cli.call import Call


def push(call: Call) -> int:
    """`cowl push [-a] NAME[:TAG]`: progress on standard error, names and digests on standard output."""
    from cowl.cli.progress import pull_progress

    end_cleanly()
    reference, quiet = call.words[0], call.on("quiet")
    every = call.on("all-tags")
    if names.lacks_tag(reference) and not every and not quiet:
        print("Using default tag: latest", file=sys.stderr)
    if not quiet:
        repository = names.split(names.canonical(reference))[0]
        print(f"The push refers to repository [{repository}]", file=sys.stderr)
    compression = call.text("compression")
    form = BlobForm(compression, forced=True) if compression else None
    with pull_progress(quiet=quiet) as progress, call.engine(progress) as engine:
        done = engine.push(reference, all_tags=every, form=form)
    for each in done:
        tag = names.split(each.reference)[1]
        print(each.reference if quiet else f"{tag}: digest: {each.digest} size: {each.size_bytes}")
    return 0
