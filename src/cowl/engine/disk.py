"""The engine's calls about the disk and the machine."""

from __future__ import annotations

from cowl.engine.view import view
from cowl.engine.wiring import Wiring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cowl.accounting.compare import Comparison
    from cowl.accounting.explanation import Explanation
    from cowl.accounting.subjects import Subject
    from cowl.accounting.usage import Usage
    from cowl.accounting.verification import Verification
    from cowl.linux.probe import Probe
    from cowl.store.check import Problem
    from cowl.store.dedupe.report import Deduplication


class DiskCalls(Wiring):
    """See Engine."""

    def usage(self, *, details: bool = True) -> Usage:
        """Where the disk went, to the byte: from rows, and a fresh measure of live uppers.

        details  whether what containers copied up is told from what they made (which takes another look
                 into live uppers), and which line of its Dockerfile made each layer
        """
        from cowl.accounting.usage import usage

        return usage(self.store, details=details)

    def verify_usage(self) -> Verification:
        """`usage` beside an independent walk of the whole store: what differs, by owner and by object.

        Run it while nothing else works in the store. Raises StoreMoves.
        """
        from cowl.accounting.verification import verification

        return verification(self.store)

    def explain(
        self, name: str, other: str = "", *, depth: int = 2, top: int = 10, kind: str = ""
    ) -> Explanation:
        """Where the space of an image, container or snapshot goes: by layer, by path, by what is in vain.

        name, other  reference, ID or beginning of an ID; with `other` in `beside` what the two share, and
                     what makes the difference
        depth, top   bounds of the tree of paths (levels, rows in each directory) and of the sets of
                     duplicates that are named; 0 is no bound. The figures are of all, whatever is shown
        kind         "container", "image" or "snapshot"; "": what has the name, in this order
        Reads each layer once, and of the files those that may be the same as others. Writes nothing.
        Raises NotFound; Conflict when a layer was removed meanwhile; Corrupt when one is missing.
        """
        from cowl.accounting.explain import explain

        kinds = (kind,) if kind else ("container", "image", "snapshot")
        subjects = [self._subject(each, kinds) for each in (name, other) if each]
        return explain(self.store, *subjects, depth=depth, top=top)

    def compare(self, before: str, after: str) -> Comparison:
        """What is different between any two of images, containers, snapshots and layers, path by path.

        Each is a reference, a name, an ID, a layer's diff_id or key, or the beginning of one of the latter;
        looked for among containers, images, snapshots, layers. What both have of one layer is not read.
        Raises NotFound, Conflict, Invalid, Corrupt as `explain` does.
        """
        from cowl.accounting.compare import compare

        kinds = ("container", "image", "snapshot", "layer")
        return compare(self.store, self._subject(before, kinds), self._subject(after, kinds))

    def _subject(self, name: str, kinds: Sequence[str]) -> Subject:
        from cowl.accounting.subjects import find_subject

        return find_subject(self.store, name, lambda record: view(record).told(), kinds)

    def check(self) -> tuple[Problem, ...]:
        """Compares directories with rows; what differs, empty when all is well."""
        return tuple(self.store.check())

    def dedupe(self, *, dry_run: bool = False) -> Deduplication:
        """Makes identical files of different layers one inode each; gives what that freed, measured.

        Layers that a running container, build or pull needs are left alone, and named in the result. With
        `dry_run` nothing is changed. Where the file system can share data between files, those of the same
        bytes but other metadata do. May be interrupted at any time. Raises Conflict while another runs.
        """
        return self.store.dedupe(dry_run=dry_run)

    def info(self) -> Probe:
        """What this machine and user allow: the rung in force and what blocks the next."""
        from cowl.linux.probe import probe

        return probe()
