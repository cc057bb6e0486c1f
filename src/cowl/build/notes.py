"""Notes of steps: a task as the note that the store keeps of it, to explain a later miss."""

from __future__ import annotations

import json
from hashlib import sha256

from cowl.build.add_task import AddTask
from cowl.build.copy_task import CopyTask
from cowl.build.file_records import NONE, bounded, read_files
from cowl.build.keys import GENERATION, below
from cowl.build.masking import masked
from cowl.build.run_task import RunTask
from cowl.dockerfile import nodes
from cowl.store.notes import StepNote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cowl.build.file_records import FileRecords
    from cowl.build.plan import StagePlan
    from cowl.build.sources import Source
    from cowl.build.task import Ground, Task

INPUTS_LIMIT = 256 << 10  # characters of a note's inputs: a heredoc may be longer than is worth keeping


def files_of(task: Task) -> FileRecords:
    """The files that a task reads; NONE for one that reads none."""
    sources = sources_of(task)
    return read_files(sources) if sources else NONE


def sources_of(task: Task) -> tuple[Source, ...]:
    """What a COPY or ADD copies, or a RUN mounts, in order."""
    if isinstance(task, RunTask):
        # All of an image has no traces: its layers tell what it is.
        return tuple(each.source for each in task.mounts if each.source and each.source.content.traces)
    if isinstance(task, AddTask):
        return tuple(source for part in task.parts for source in part.copy.sources)
    return task.sources if isinstance(task, CopyTask) else ()


def note_of(number: int, task: Task, stage: StagePlan, ground: Ground, image: str) -> StepNote:
    """The note of a task, its files bounded. `image` is the reference that its stage goes back to."""
    assert task.inputs is not None
    document = json.dumps(_document(task, ground, image), sort_keys=True, separators=(",", ":"))
    files = files_of(task)
    return StepNote(
        key=task.inputs.key,
        kind=task.inputs.kind,
        origin=_hash(ground.origin),
        place=_hash(f"{stage.name or stage.index} {number - stage.number}"),
        text=text_hash(task.node),
        below=task.inputs.below,
        inputs=document if len(document) <= INPUTS_LIMIT else "",
        files=bounded(files).to_bytes() if files.records else b"",
    )


def text_hash(node: nodes.Instruction) -> str:
    """What tells an instruction in a file, as it is written."""
    return _hash(" ".join(node.raw.split()))


def _hash(text: str) -> str:
    return sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _document(task: Task, ground: Ground, image: str) -> dict[str, Any]:
    assert task.inputs is not None
    state = task.state
    parts = _merged(task.inputs.parts)
    if "env" in parts:
        parts["env"] = [_masked_word(word) for word in parts["env"]]
    if isinstance(task.node, nodes.Run) and isinstance(task.node.command, str):
        parts["shell"] = list(state.shell)
    own = {word.partition("=")[0] for word in state.image.config.env}
    return {
        "generation": GENERATION,
        "below": task.inputs.below,
        "base": below([layer.diff_id for layer in state.layers[: state.base_layers]]),
        "image": image,
        "platform": str(ground.platform),
        "arguments": sorted({name for name, _ in state.arguments} - own),
        "parts": parts,
    }


def _merged(parts: Mapping[str, Any]) -> dict[str, Any]:
    """An ADD from several places as one: what all say alike once, the sources one after the other."""
    each = parts.get("parts")
    if each is None:
        return dict(parts)
    merged = {name: value for name, value in each[0].items() if all(one.get(name) == value for one in each)}
    return {**merged, "sources": [source for one in each for source in one["sources"]]}


def _masked_word(word: str) -> str:
    name, _, value = word.partition("=")
    return f"{name}={masked(name, value)}"
