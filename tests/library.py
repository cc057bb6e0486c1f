"""Python programs that use the library, each a whole process of a caller's."""

from __future__ import annotations

from tests.caller import Caller

PRELUDE = """
import cowl, os, signal, subprocess, sys, threading, time
B, ROOT = "busybox", os.environ["COWL_ROOT"]

def descriptors():
    return len(os.listdir("/proc/self/fd"))

def until(true):
    for _ in range(1500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came true")

def refused(kind, action):
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")

def gone(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True

def left(root=ROOT):
    # What lies in a store whose engine is closed, and what is wrong with it.
    with cowl.Engine(root) as engine:
        found = [str(problem) for problem in engine.store.check()]
    for name in ("containers", "staging", "trash"):
        found += [f"{name}/{entry}" for entry in os.listdir(f"{root}/{name}")]
    return found + [name for name in os.listdir(f"{root}/locks") if name.startswith("owner-")]

def same_namespace(pid, others):
    def name(each):
        try:
            return os.readlink(f"/proc/{each}/ns/pid")
        except OSError:
            return None
    return name(pid) in {name(each) for each in others} - {None, name("self")}

def mounts():
    return [line for line in open("/proc/self/mountinfo") if os.getcwd() in line]
"""


class Library:
    """A caller with an image, who runs Python code."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def check(self, code: str) -> None:
        """Runs code behind the prelude, which must succeed."""
        done = self._caller.python(PRELUDE + code)
        assert done.returncode == 0, f"{done.stdout.decode()}\n{done.stderr.decode()}"
