"""What is said on the socket of a monitor: messages, whose first byte is what they are.

From who is attached: INPUT with bytes, of which the next may follow once the last was TAKEN; the end of
it; the size of the window, in two numbers; and, as the first, that there will be input at all.
From the monitor: WELCOME, or REFUSED with the reason; output; how many bytes of it were left out; the exit
code, once the end is recorded.
"""

from __future__ import annotations

SOCKET = "monitor.sock"  # in the container's directory
FEEDS, INPUT, INPUT_END, WINDOW = b"S", b"I", b"E", b"W"
WELCOME, REFUSED, STDOUT, STDERR, TAKEN, SKIPPED, ENDED = b"H", b"N", b"1", b"2", b"A", b"G", b"X"
CHUNK = 1 << 14  # bytes of output or input in a message
LONGEST = CHUNK + 1
