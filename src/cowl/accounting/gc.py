"""Garbage collection by policy: what was used longest ago goes first, and no more than has to. Pure."""

from __future__ import annotations

from cowl.accounting.ledger import CACHE, CONTAINER, FAILED, IMAGE, STEP, VOLUME
from cowl.accounting.prune_filters import Filters, InvalidFilter, parse_filters, span
from cowl.accounting.reclaim import reclaim
from cowl.accounting.removal import Stay
from cowl.errors import Invalid
from cowl.oci.reference import Reference
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

    from cowl.accounting.ledger import Ledger, Object
    from cowl.accounting.prune import Candidates
    from cowl.accounting.selection import Selection
    from cowl.store.rows import ImageRow

_RANK = (CONTAINER, VOLUME, IMAGE, STEP, FAILED, CACHE)  # of things that were used at the same moment


class InvalidAge(Invalid):
    """No span of time. Field: text."""

    def __init__(self, text: str, hint: str) -> None:
        super().__init__(f"invalid age {text!r}: it is no span of time", hint=hint)
        self.text = text


class Policy(Value):
    """What may go, and until when.

    keep_bytes  nothing more goes once the store takes no more than this, on disk; None: all that may goes
    filters     only what was not used since filters.until, and by its labels
    protect     patterns of names: what one matches stays ("*" stands for anything, slashes too)
    volumes     anonymous volumes that no container has may go as well
    """

    keep_bytes: int | None
    filters: Filters
    protect: tuple[str, ...] = ()
    volumes: bool = False


def make_policy(
    keep_bytes: int | None,
    older: str,
    protect: Sequence[str],
    words: Sequence[str],
    volumes: bool,
    now: float,
) -> Policy:
    """See `Engine.plan_gc`. Raises InvalidFilter, InvalidAge."""
    filters = parse_filters(words, ("until", "label", "label!"), now)
    if older:
        border = now - _age(older)
        until = border if filters.until is None else min(border, filters.until)
        filters = filters.replace(until=until)
    return Policy(keep_bytes, filters, tuple(protect), volumes)


def _age(older: str) -> float:
    try:
        return span(older)
    except InvalidFilter as error:
        raise InvalidAge(older, error.hint) from None


def collect(
    selection: Selection, ledger: Ledger, candidates: Candidates, policy: Policy, size_bytes: int
) -> None:
    """Selects by the policy from a store that takes `size_bytes`; the ledger has all its measures."""
    goal = None if policy.keep_bytes is None else size_bytes - policy.keep_bytes
    found = sorted(_aged(selection, candidates, policy), key=_turn)
    left = reclaim(selection, ledger, candidates.is_free, [thing for _, thing in found], goal)
    if left > 0:
        kept = (policy.keep_bytes or 0) + left
        why = f"still takes {kept} bytes: the rest is in use, protected or not old enough"
        selection.stays.append(Stay("store", (), why))


def _turn(aged: tuple[float, Object]) -> tuple[float, int, str]:
    """What decides who goes first."""
    moment, (kind, identity) = aged
    return moment, _RANK.index(kind), identity


def _aged(selection: Selection, candidates: Candidates, policy: Policy) -> Iterable[tuple[float, Object]]:
    """All that the policy lets go, with the moment of its last use; what is protected is noted."""
    names = _Protection(selection, policy.protect)
    ages: dict[str, float] = {}
    used = policy.filters.replace(until=None)
    for box in candidates.containers(used):
        moment = ages[box.id] = max(box.created_at, box.started_at, box.finished_at)
        if names.let_go(CONTAINER, box.name, (box.name,)) and policy.filters.old_enough(moment):
            yield moment, (CONTAINER, box.id)
    for image in selection.rows.images:
        moment = max((image.last_used, *(ages.get(box.id, 0.0) for box in selection.users(image.id))))
        if not candidates.labels_fit(image, policy.filters):
            continue
        if names.let_go(IMAGE, image.id, image_names(image)) and policy.filters.old_enough(moment):
            yield moment, (IMAGE, image.id)
    for moment, thing in candidates.cached(policy.filters, every=True):
        if thing[0] != CACHE or names.let_go(CACHE, names.caches[thing[1]], (names.caches[thing[1]],)):
            yield moment, thing
    for volume in candidates.volumes(used, every=False) if policy.volumes else ():
        if names.let_go(VOLUME, volume.name, (volume.name,)) and policy.filters.old_enough(volume.last_used):
            yield volume.last_used, (VOLUME, volume.name)


class _Protection:
    """The patterns of names that are not to go."""

    def __init__(self, selection: Selection, patterns: Sequence[str]) -> None:
        self._selection = selection
        self._patterns = [_compiled(pattern) for pattern in patterns]
        self.caches = {row.id: row.name for row in selection.rows.cache_mounts}

    def let_go(self, kind: str, identity: str, names: Iterable[str]) -> bool:
        """Whether no pattern matches any of the names; if one does, that is noted."""
        matched = next((name for name in names if any(each.match(name) for each in self._patterns)), "")
        if matched:
            self._selection.note(kind, identity, "protected", ())
        return not matched


def image_names(image: ImageRow) -> tuple[str, ...]:
    """What patterns are matched with: all names as Docker shows them and in full, with and without tag."""
    parsed = [Reference.parse(name) for name in (*image.references, *image.repo_digests)]
    familiar = [form for name in parsed for form in (name.familiar, name.familiar_repository)]
    return (*dict.fromkeys((*familiar, *map(str, parsed), image.id)),)


def _compiled(pattern: str) -> re.Pattern[str]:
    import re
    from fnmatch import translate

    return re.compile(translate(pattern))
