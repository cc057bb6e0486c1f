"""Memory that a process which mostly waits can do without."""

from __future__ import annotations

import ctypes
import gc

from cowl.linux.syscalls import call

_DONT_NEED = 4  # MADV_DONTNEED


def share() -> None:
    """Call it before a fork that both sides outlive: no collection copies what they share."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Gives the kernel what this process has used and may never use again.

    Free heap is returned, and code that was read from files is let go of: what is executed again comes
    back from the page cache. Costs a millisecond; for a process that is about to wait for long.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library has it
    if trim is not None:
        trim(0)
    try:
        with open("/proc/self/smaps", "rb") as file:
            mappings = file.read()
    except OSError:  # a kernel without CONFIG_PROC_PAGE_MONITOR
        return
    for start, length in _clean_file_pages(mappings):
        try:
            call("madvise", start, length, _DONT_NEED)
        except OSError:
            pass  # a locked or otherwise special mapping keeps its pages


def _clean_file_pages(smaps: bytes) -> list[tuple[int, int]]:
    """(address, bytes) of mappings of files that hold only what the files hold: proc_pid_smaps(5)."""
    found: list[tuple[int, int]] = []
    start = end = 0
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(b":"):
            first, _, last = words[0].partition(b"-")
            start, end = int(first, 16), int(last, 16)
            if b"w" in words[1] or len(words) < 6 or not words[5].startswith(b"/"):
                start = end = 0
        elif words[0] == b"Anonymous:" and words[1] == b"0" and end > start:
            found.append((start, end - start))
    return found
