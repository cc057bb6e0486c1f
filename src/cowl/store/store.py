"""The Store: the door to everything in a root directory."""

from __future__ import annotations

import os
import time

from cowl.events import silent
from cowl.linux.files import remove_tree
from cowl.store.database import Database
from cowl.store.faults import from_os
from cowl.store.garbage import delete
from cowl.store.recovery import recover
from cowl.store.reserve import hold_reserve
from cowl.store.root_directory import RootDirectory
from cowl.store.trees import StoreTrees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Self

    from cowl.config import Config
    from cowl.events import Emit
    from cowl.store.apply import Receipt, Targets
    from cowl.store.check import Problem
    from cowl.store.contents import Contents, Stack
    from cowl.store.dedupe.report import Deduplication
    from cowl.store.garbage import Deletion
    from cowl.store.leases import Lease
    from cowl.store.rows import Rows
    from cowl.store.sharers import Sharers
    from cowl.store.transaction import Snapshot


class Store(StoreTrees):
    """An open store. Safe with threads; after a fork the child has a store of its own by itself.

    Several processes may have the same store open; none waits for another's pull, build or run.
    recovered: whether its opening had to finish what a crash left.
    """

    def __init__(self, database: Database, emit: Emit, clock: Callable[[], float]) -> None:
        super().__init__(database, emit, clock)
        self.recovered = False
        database.when_forked(self._forked)

    @classmethod
    def open(cls, config: Config, *, emit: Emit = silent, clock: Callable[[], float] = time.time) -> Self:
        """Opens the store at `config.root`, making it if need be, and finishes what a crash left.

        Raises StoreDenied, NotAStore, StoreTooNew, StoreDamaged, StoreFull, StoreFailed.
        """
        root = RootDirectory(os.path.abspath(config.root))
        fresh = not root.check()
        if fresh:
            root.make()
        database = Database(root, clock)
        try:
            if fresh:
                hold_reserve(root.reserve)
            recovered = recover(database, clock)
        except OSError as problem:
            database.close()
            raise from_os(root.path, "opening it", problem) from problem
        except BaseException:
            database.close()
            raise
        store = cls(database, emit, clock)
        store.recovered = recovered
        return store

    def _forked(self) -> None:
        """In a forked child: what the parent has half-made is the parent's."""
        self._owner.disown_inherited()
        self._leases.reset()

    def recover(self) -> bool:
        """Finishes what processes that have died since the opening left; True if there was anything."""
        return recover(self._database, self._clock)

    def close(self) -> None:
        """Drops what this process staged or committed without referring to it, and lets go. Idempotent.

        Containers that are still running stay this process's.
        """
        if self._database.is_closed or self._database.is_foreign:
            return
        try:
            if self._owner.is_registered:
                remove_tree(f"{self.directory.staging}/{self._owner.id}")
                delete(self._database, self._disown, "closing")
        finally:
            self._database.close()

    def bequeath_owner(self) -> tuple[str, int]:
        """Closes the store for a process that goes on as another program, and as the same owner.

        Gives what `inherit_owner` takes there; the descriptor is still close-on-exec.
        """
        inheritance = self._owner.inheritance()
        self._database.close()
        return inheritance

    def inherit_owner(self, identity: str, lock: int) -> None:
        """This process is the owner that it was before it became another program."""
        self._owner.inherit(identity, lock)

    def _disown(self, deletion: Deletion) -> None:
        """Ends what this process holds, but for running containers: those end with the process."""
        self._leases.drop_all(deletion)
        self.containers.disown_created(deletion)
        self._owner.leave(deletion.transaction)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    def lease(self, kind: str) -> Lease:
        """A context that keeps layers for a running pull or build; see `Lease`."""
        return self._leases.start(kind)

    def sharers(self, image_id: str) -> dict[str, Sharers]:
        """Who else stands on each of an image's layers, by their keys."""
        from cowl.store.sharers import read_sharers

        return read_sharers(self._database, image_id)

    def contents(self, stacks: Sequence[Stack]) -> tuple[Contents, ...]:
        """What stacks of layers hold, file by file, for accounting; each layer is read once.

        A stack is (keys of its layers, bottom first; the tree on top of them, or ""). Raises
        RemovedMeanwhile, LayerMissing.
        """
        from cowl.store.contents import read_contents

        return read_contents(self._database, stacks)

    def check_there(self, layer_keys: Iterable[str]) -> None:
        """For who has read layers that nothing pins. Raises RemovedMeanwhile, LayerMissing."""
        from cowl.store.contents import check_there

        check_there(self._database, layer_keys)

    def apply(self, targets: Targets, *, stopped: bool = False) -> Receipt:
        """Removes exactly what a plan says, or nothing; see `cowl.store.apply`.

        `stopped`: containers among them were stopped for it, and may have gone by themselves.
        """
        from cowl.store.apply import apply, left_after_stopping

        if stopped:
            targets = left_after_stopping(self._database, targets)
        return apply(self._database, self._owner, self.cache_mounts, targets)

    def settle(self) -> None:
        """Has the file system write what it holds back, so that it knows how many blocks that takes."""
        from cowl.linux.files import syncfs

        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncfs(fd)
        except OSError:
            pass  # a disk that is full or failing: figures are as good as they can be, and nothing is lost
        finally:
            os.close(fd)

    def collect(self) -> int:
        """Deletes layers that nothing refers to; gives their bytes on disk. At rest there are none."""

        def body(deletion: Deletion) -> int:
            deletion.drop_all_unreferenced()
            return sum(layer.allocated_bytes for layer in deletion.dropped)

        return delete(self._database, body, "collecting garbage")

    def reading(self) -> Snapshot:
        """A context in which all reads see the store at one moment; nothing may be written in it."""
        return self._database.snapshot()

    def rows(self) -> Rows:
        """All rows at one moment, for accounting."""
        from cowl.store.rows import read_rows

        return read_rows(self._database)

    def dedupe(self, *, dry_run: bool = False) -> Deduplication:
        """Makes identical files (bytes, mode, owner, time, xattrs) of different layers one inode each.

        Layers that a running container, build or pull needs are left alone. Every layer's tar stays what it
        was. Interrupted at any point, what was done stays done, and the next open makes the rest of it
        right. With `dry_run` nothing is changed. Raises DedupeRunning, StoreFull.
        """
        from cowl.store.dedupe.run import dedupe

        return dedupe(self._database, self.layers, self._owner, dry_run=dry_run)

    def check(self) -> list[Problem]:
        """Compares directories with rows and measures with what lies on disk; walks everything."""
        from cowl.store.check import check

        return check(self._database, self.rows())
