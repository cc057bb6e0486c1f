"""The small program of a monitor: what it is told, its loop, and the memory that it lets go of."""

from __future__ import annotations

import os

from cowl.container.attendance import Task
from cowl.container.loop import Loop
from cowl.linux.memory import _clean_file_pages


def test_a_task_survives_the_change_of_programs() -> None:
    task = Task("/a b/root", "embedded", "f" * 64, lock=7, pid=12, pidfd=9, stdout=3, stop_ms=-1000, code=137)
    assert Task.from_words(task.words()) == task
    assert set(task.descriptors()) == {7, 9, 3}


def test_the_loop_calls_what_is_ready_and_what_is_due() -> None:
    loop = Loop()
    seen: list[str] = []
    reader, writer = os.pipe()
    loop.watch(reader, lambda: seen.append(os.read(reader, 1).decode()))
    loop.later(0.05, lambda: seen.append("late"))
    loop.later(0.01, lambda: os.write(writer, b"x"))
    gone = loop.later(0.0, lambda: seen.append("never"))
    loop.cancel(gone)
    loop.cancel(gone)
    loop.run(lambda: len(seen) >= 2)
    assert seen == ["x", "late"]
    loop.forget(reader)
    loop.forget(reader)
    os.write(writer, b"y")
    loop.later(0.01, lambda: seen.append("end"))
    loop.run(lambda: "end" in seen)
    assert seen[-1] == "end"
    os.close(reader)
    os.close(writer)


def test_only_pages_that_a_file_still_holds_are_let_go() -> None:
    def mapping(words: bytes, anonymous: bytes) -> bytes:
        return words + b"\nSize: 4 kB\nAnonymous: " + anonymous + b" kB\nLocked: 0 kB\n"

    smaps = b"".join(
        [
            mapping(b"1000-3000 r-xp 00000000 08:01 42 /usr/bin/python3", b"0"),
            mapping(b"3000-4000 r--p 00002000 08:01 42 /usr/bin/python3", b"4"),  # relocated: only here
            mapping(b"4000-5000 rw-p 00003000 08:01 42 /usr/bin/python3", b"0"),
            mapping(b"5000-6000 rw-p 00000000 00:00 0 [heap]", b"0"),
            mapping(b"6000-7000 r-xp 00000000 00:00 0 ", b"0"),
            mapping(b"8000-9000 r--p 00000000 08:01 43 /lib/a b.so", b"0"),
        ]
    )
    assert _clean_file_pages(smaps) == [(0x1000, 0x2000), (0x8000, 0x1000)]
