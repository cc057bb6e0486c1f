"""The crew: threads that build stages side by side, and end together.

Every stage has a thread, of which `jobs` work at a time: one that waits for another stage lets somebody
else work. Stages are begun in the order of the Dockerfile, and only ever wait for earlier ones, so the
earliest that is not done can always go on.

Ctrl-C comes out of the caller's thread anywhere. So that thread takes no lock that the others need: it
starts them, listens on a queue, and at the end waits until each has said that it is done.
"""

from __future__ import annotations

import os
import threading
from _queue import SimpleQueue
from _thread import allocate_lock, start_new_thread

from cowl.errors import CowlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.events import Emit, Event

_WAITERS = 16  # threads beyond those that work, for stages that wait for others
_POLL_SECONDS = 0.1


class Cancelled(CowlError):
    """Another stage of the same build failed first, or the build was interrupted."""

    def __init__(self) -> None:
        super().__init__("the build was given up")


class _Task:
    """One thing to do. Whoever gets `claim` first has it; `done` opens when it was done."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work
        self.claim = allocate_lock()
        self.done = allocate_lock()
        self.done.acquire()


class Crew:
    """Runs tasks in threads, `jobs` at a time; the first failure, and an interrupt, end them all.

    alarm   a descriptor that becomes readable when they shall end
    """

    def __init__(self, jobs: int, emit: Emit) -> None:
        self._free = jobs
        self._limit = jobs + _WAITERS
        self._emit = emit
        self._emitting = threading.RLock()
        self._changed = threading.Condition()
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self._begun: list[_Task] = []
        self._cancelled = False
        self.alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def close(self) -> None:
        """Lets go of the alarm. Idempotent."""
        if self.alarm >= 0:
            os.close(self.alarm)
            self.alarm = -1

    # For the caller's thread

    def run(self, work: Sequence[Callable[[], object]]) -> None:
        """Does all of it; returns, or raises what failed first, when every thread has ended."""
        waiting = [_Task(each) for each in reversed(work)]
        alive = 0
        failure: BaseException | None = None
        try:
            while alive or waiting:
                while waiting and alive < self._limit:
                    self._start(waiting.pop())
                    alive += 1
                problem = self._ended.get()
                alive -= 1
                if problem is not None and failure is None:
                    failure = problem
                    waiting.clear()
                    self.cancel()
        finally:
            self._muster()
        if failure is not None:
            raise failure

    def _start(self, task: _Task) -> None:
        self._begun.append(task)
        start_new_thread(self._do, (task,))

    def cancel(self) -> None:
        """Has everybody give up, as soon as they look."""
        self._cancelled = True
        os.eventfd_write(self.alarm, 1)

    def _muster(self) -> None:
        """Waits for all threads, whatever comes: they work in a store that is closed next."""
        for task in self._begun:
            while True:
                try:
                    if not self._over(task):
                        self.cancel()
                        task.done.acquire()
                        task.done.release()
                    break
                except BaseException:  # noqa: BLE001  # a second Ctrl-C changes nothing
                    continue

    def _over(self, task: _Task) -> bool:
        """Whether a task is done, or was never begun and now never will be."""
        if task.claim.acquire(False):
            return True
        if task.done.acquire(False):
            task.done.release()
            return True
        return False

    # For the others

    def check(self) -> None:
        """Raises Cancelled when it is time to end."""
        if self._cancelled:
            raise Cancelled()

    def until(self, ready: Callable[[], bool]) -> None:
        """Waits until that holds (see `tell`), and lets others work meanwhile. Raises Cancelled."""
        if ready():
            return
        with self._changed:
            self._free += 1
            self._changed.notify_all()
            self._wait(ready)
            self._wait(lambda: self._free > 0)
            self._free -= 1

    def tell(self) -> None:
        """Something changed that others may wait for."""
        with self._changed:
            self._changed.notify_all()

    def emit(self, event: Event) -> None:
        """Passes an event on, one at a time. Raises Cancelled instead when it is time to end."""
        with self._emitting:
            self.check()
            self._emit(event)

    def emit_last(self, event: Event) -> None:
        """The same for what has to be said in any case."""
        with self._emitting:
            self._emit(event)

    def _wait(self, ready: Callable[[], bool]) -> None:
        """With the condition held."""
        while not ready():
            self.check()
            self._changed.wait(_POLL_SECONDS)

    def _do(self, task: _Task) -> None:
        if not task.claim.acquire(False):
            return
        problem: BaseException | None = None
        try:
            self._work(task)
        except BaseException as raised:  # noqa: BLE001  # the caller's thread raises it
            problem = raised
        task.done.release()
        self._ended.put(problem)

    def _work(self, task: _Task) -> None:
        with self._changed:
            self._wait(lambda: self._free > 0)
            self._free -= 1
        try:
            task.work()
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()
