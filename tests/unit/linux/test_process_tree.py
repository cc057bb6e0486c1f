"""A process and its descendants, in whatever session, ended as one."""

from __future__ import annotations

import os
import subprocess
import sys

from cowl.linux.process import ProcessId
from cowl.linux.process_tree import kill_tree

FORKER = """
import os, sys
for depth in range(3):
    if os.fork() == 0:
        os.setsid()
print(flush=True)
while True:
    if os.fork() == 0:
        os._exit(0)
    os.wait()
"""


def test_descendants_that_fork_and_lead_sessions_of_their_own() -> None:
    reader, writer = os.pipe()
    with subprocess.Popen([sys.executable, "-c", FORKER], stdout=writer) as process:
        os.close(writer)
        said = b""
        while said.count(b"\n") < 8:
            said += os.read(reader, 100)
        kill_tree(ProcessId.of(process.pid))
        assert process.wait() == -9
    while os.read(reader, 100):  # to the end of file: nobody holds the other end any more
        pass
    os.close(reader)


def test_a_stranger_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "60"]) as other, subprocess.Popen(["sleep", "60"]) as process:
        kill_tree(ProcessId.of(process.pid))
        assert process.wait() == -9
        assert other.poll() is None
        other.kill()
