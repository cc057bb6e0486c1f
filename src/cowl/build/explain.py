"""Explanations: why a step is not in the cache. Asked for at a miss only; a cached build never comes here."""

from __future__ import annotations

import json

from cowl.build.differences import below_differences, input_differences
from cowl.build.file_records import changed_files, parse
from cowl.build.notes import files_of, note_of, sources_of, text_hash
from cowl.events import Difference, StepMissed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl.build.plan import StagePlan
    from cowl.build.task import Ground, Task
    from cowl.store.notes import Notes, StepNote

MOST_DIFFERENCES = 200  # in an event; the line names MOST_NAMED
MOST_NAMED = 3


class Misses:
    """The misses of one stage, top to bottom.

    image  the reference that the stage goes back to, "" for none
    above  a step of the stage that it starts from was carried out
    """

    def __init__(self, stage: StagePlan, ground: Ground, notes: Notes, *, image: str, above: bool) -> None:
        self._stage = stage
        self._ground = ground
        self._notes = notes
        self._image = image
        self._above = above
        self._twin = ""  # the origin whose steps ours are compared with: a clone elsewhere, perhaps

    def explain(self, number: int, task: Task, refused: str) -> tuple[StepMissed, StepNote]:
        """Why the step is carried out, and the note that is to be kept of it.

        `refused` is the option because of which nobody looked into the cache, or "".
        """
        note = note_of(number, task, self._stage, self._ground, self._image)
        missed = StepMissed(number, refused, "no-cache") if refused else self._look(number, task, note)
        self._above = True
        return missed, note

    def _look(self, number: int, task: Task, note: StepNote) -> StepMissed:
        same = self._notes.get(note.key)
        if same is not None:
            self._twin = same.origin
            return StepMissed(number, "its layer was pruned", "pruned", (), same.created_at)
        earlier = _nearest(note, self._notes.near(note, self._twin), self._ground)
        if earlier is None:
            return StepMissed(number, "first build of this step", "first")
        self._twin = earlier.origin
        found = self._differences(note, earlier, task)
        elsewhere = earlier.origin != note.origin
        if not found:
            text = "something that is not kept changed"
            return StepMissed(number, text, "unknown", (), earlier.created_at, elsewhere)
        told = found[:MOST_DIFFERENCES]
        return StepMissed(number, reason(found), "differs", told, earlier.created_at, elsewhere)

    def _differences(self, note: StepNote, earlier: StepNote, task: Task) -> tuple[Difference, ...]:
        old, new = json.loads(earlier.inputs), json.loads(note.inputs)
        found = [*below_differences(old, new, self._above), *input_differences(old, new)]
        if any(old["parts"].get(name) != new["parts"].get(name) for name in ("sources", "mounts")):
            files = changed_files(parse(self._notes.files(earlier.key)), files_of(task))
            found += [_with_rule(each, task, self._ground) for each in files]
            if not files and "sources" in new["parts"]:
                found.append(Difference("the list of sources changed", "input", "sources"))
        return tuple(found)


def reason(differences: tuple[Difference, ...]) -> str:
    """One line of the most telling differences."""
    named = ", ".join(each.text for each in differences[:MOST_NAMED])
    rest = len(differences) - MOST_NAMED
    return f"{named} and {rest} more" if rest > 0 else named


def _nearest(note: StepNote, found: tuple[StepNote, ...], ground: Ground) -> StepNote | None:
    """The earlier form with the fewest differences; of those one of the same Dockerfile, then the newest.

    A step that only stood at this place, and still stands elsewhere in the file, is no earlier form.
    """
    texts = {text_hash(node) for node in ground.file.instructions}
    rivals = [each for each in found if each.inputs and (each.text == note.text or each.text not in texts)]
    if not rivals or not note.inputs:
        return None
    new = json.loads(note.inputs)
    return min(rivals, key=lambda each: (_distance(json.loads(each.inputs), new), each.origin != note.origin))


def _distance(old: dict[str, Any], new: dict[str, Any]) -> int:
    """How many inputs differ; each variable is one, and all below the step."""
    was, now = ({**each["parts"], "below": each["below"]} for each in (old, new))
    variables = {word.partition("=")[0] for word in {*was.pop("env", ())} ^ {*now.pop("env", ())}}
    return len(variables) + len([name for name in {*was, *now} if was.get(name) != now.get(name)])


def _with_rule(difference: Difference, task: Task, ground: Ground) -> Difference:
    """Says when a file is gone only because .dockerignore hides it."""
    context = ground.context
    if difference.change != "removed" or all(source.tree is not context for source in sources_of(task)):
        return difference
    ignore = context.ignore
    if ignore is None or not ignore.excluded(difference.name) or not context.exists_hidden(difference.name):
        return difference
    return difference.replace(text=f"{difference.text} ({ignore.path} excludes it)")
