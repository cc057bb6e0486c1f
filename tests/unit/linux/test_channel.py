"""Messages and descriptors over a socket pair."""

from __future__ import annotations

import os

import pytest

from cowl.linux import channel
from cowl.linux.descriptors import above_standard, duplicate, open_device


def test_messages_keep_their_borders_and_their_descriptors() -> None:
    ours, theirs = channel.pair()
    reader, writer = os.pipe()
    channel.send(ours, b"first", (writer,))
    channel.send(ours, b"second")
    os.close(writer)
    assert channel.receive(theirs, peek=True) == (b"first", ())
    data, (received,) = channel.receive(theirs)
    assert data == b"first" and not os.get_inheritable(received)
    os.write(received, b"through")
    assert os.read(reader, 10) == b"through"
    assert channel.receive(theirs) == (b"second", ())
    os.close(ours)
    assert channel.receive(theirs) == (b"", ())
    for fd in (theirs, reader, received):
        os.close(fd)


def test_more_descriptors_than_one_message_takes() -> None:
    ours, theirs = channel.pair()
    null = os.open("/dev/null", os.O_RDONLY)
    channel.send(ours, b"G", (null,) * 300)
    first, second = channel.receive(theirs)[1], channel.receive(theirs)[1]
    assert (len(first), len(second)) == (253, 47)
    for fd in (*first, *second, ours, theirs, null):
        os.close(fd)


def test_nobody_there_is_an_error_not_a_signal() -> None:
    ours, theirs = channel.pair()
    os.close(theirs)
    with pytest.raises(BrokenPipeError):
        channel.send(ours, b"x")
    os.close(ours)


def test_what_was_said_before_a_reset_is_still_heard() -> None:
    ours, theirs = channel.pair()
    channel.send(ours, b"unread")
    channel.send(theirs, b"last words")
    os.close(theirs)
    assert channel.receive(ours) == (b"last words", ())
    assert channel.receive(ours) == (b"", ())
    os.close(ours)


def test_descriptors_move_above_the_standard_streams() -> None:
    fd = os.open("/dev/null", os.O_RDONLY)
    assert above_standard(fd) == fd
    copy = duplicate(fd, 50)
    assert copy >= 50 and not os.get_inheritable(copy)
    os.close(fd)
    os.close(copy)


def test_a_device_is_checked() -> None:
    os.close(open_device("/dev/null", 1, 3))
    for path, number in (("/dev/null", 5), ("/etc/passwd", 3), ("/dev/fd", 3)):
        with pytest.raises(OSError):
            open_device(path, 1, number)


def test_hanging_up_is_seen_although_a_copy_is_open() -> None:
    ours, theirs = channel.pair()
    copy = os.dup(ours)
    channel.hang_up(ours)
    assert channel.receive(theirs) == (b"", ())
    for fd in (ours, theirs, copy):
        os.close(fd)
