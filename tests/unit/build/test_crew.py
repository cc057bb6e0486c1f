"""The crew: side by side, bounded, and all ended when it returns, whatever happened."""

from __future__ import annotations

import _thread
import select
import signal
import threading
import time
from functools import partial

import pytest

from cowl.build.crew import Cancelled, Crew
from cowl.events import Event, StepCanceled, StepWaiting


class Busy:
    """Counts who works at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.ended = 0

    def work(self, meanwhile: object = None) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        if callable(meanwhile):
            meanwhile()
        with self.lock:
            self.now -= 1
            self.ended += 1


def sleep_until(crew: Crew) -> None:
    """What a RUN does: it hears the alarm."""
    select.select([crew.alarm], (), (), 60)
    crew.check()


@pytest.fixture
def others() -> int:
    """The threads that are there before a test: those of a runner that runs tests side by side."""
    return _thread._count()


def assert_no_thread_left(others: int) -> None:
    """A thread says that it is done just before it is gone."""
    deadline = time.monotonic() + 30
    while _thread._count() > others and time.monotonic() < deadline:
        time.sleep(0.001)
    assert _thread._count() <= others


@pytest.fixture
def crew() -> Crew:
    return Crew(2, lambda _event: None)


def test_so_many_at_a_time(crew: Crew) -> None:
    busy = Busy()
    crew.run([lambda: busy.work(lambda: time.sleep(0.02))] * 50)
    assert (busy.most, busy.ended, busy.now) == (2, 50, 0)


def test_two_that_meet(crew: Crew) -> None:
    both = threading.Barrier(2, timeout=30)
    crew.run([both.wait, both.wait])


def test_who_waits_lets_others_work() -> None:
    alone = Crew(1, lambda _event: None)
    done: set[int] = set()

    def stage(number: int) -> None:
        if number:
            alone.until(lambda: number - 1 in done)
        done.add(number)
        alone.tell()

    alone.run([partial(stage, number) for number in range(100)])
    assert len(done) == 100
    done.clear()
    alone = Crew(1, lambda _event: None)

    def waits_for_the_last(number: int) -> None:
        if number < 9:
            alone.until(lambda: 9 in done)
        done.add(number)
        alone.tell()

    alone.run([partial(waits_for_the_last, number) for number in range(10)])
    assert len(done) == 10


def test_the_first_failure_ends_the_others(others: int, crew: Crew) -> None:
    ended = []

    def listen() -> None:
        try:
            sleep_until(crew)
        except Cancelled:
            ended.append(True)
            raise

    def fail() -> None:
        raise ValueError("first")

    never = Busy()
    with pytest.raises(ValueError, match="first"):
        crew.run([listen, fail, *[never.work] * 40])
    assert ended == [True]
    assert_no_thread_left(others)


def test_who_waits_for_a_stage_that_fails_gives_up(crew: Crew) -> None:
    def fail() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        crew.run([fail, *[lambda: crew.until(lambda: False)] * 5])


@pytest.mark.parametrize("after", [0.0, 0.001, 0.003, 0.01, 0.03])
def test_an_interrupt_at_any_moment_ends_all(others: int, after: float) -> None:
    """Rounds enough to hit the start of threads as well as their work."""
    for _ in range(5):
        crew = Crew(3, lambda _event: None)
        before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        busy = Busy()
        try:
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, after or 1e-6)
                crew.run([partial(busy.work, partial(sleep_until, crew))] * 10)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert_no_thread_left(others)


def test_events_come_one_at_a_time_and_none_after_the_end() -> None:
    busy = Busy()
    heard: list[Event] = []

    def hear(event: Event) -> None:
        busy.work(lambda: time.sleep(0.001))
        heard.append(event)

    crew = Crew(4, hear)
    crew.run([partial(crew.emit, StepWaiting(number)) for number in range(20)])
    assert busy.most == 1
    assert {event.as_dict()["number"] for event in heard} == set(range(20))
    crew.cancel()
    with pytest.raises(Cancelled):
        crew.emit(StepWaiting(99))
    crew.emit_last(StepCanceled(99))
    assert heard[-1] == StepCanceled(99)
