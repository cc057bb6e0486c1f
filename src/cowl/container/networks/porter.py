"""The porter: a small process between a container and the program that carries its packets.

The program is its child and dies with it (PR_SET_PDEATHSIG), and it ends the program when the container has
ended, whoever else has died until then. It is started by posix_spawn, since its starter may have threads; it
has nothing of its starter's memory, environment or descriptors, and is nobody's child but init's.
"""

from __future__ import annotations

import json
import os
import select

from cowl.errors import Unavailable
from cowl.linux import channel, credentials
from cowl.linux.descriptors import arrange
from cowl.linux.memory import give_back
from cowl.linux.process import send_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn

LOCK = "network.lock"  # in the container's directory; locked for as long as its program runs
_CODE = (
    "import os, sys; os.fork() and os._exit(0); sys.path.append(sys.argv[1]);"
    " from cowl.container.networks.porter import serve; serve()"
)
_CONTROL, _BOX, _LOCKED = (
    3,
    4,
    5,
)  # descriptors of the porter: the starter, a pidfd of the container, the lock
READY = "network.ready"  # likewise, until it is ready
SOCKET = "network.socket"  # likewise, of a program that takes requests
_READY_MS = 30_000
_SAID_BYTES = 4096
_KILL = 9


class ProgramFailed(Unavailable):
    """A network program did not come up. Fields: program, said (its last words)."""

    def __init__(self, program: str, said: str) -> None:
        super().__init__(f"the container's network failed: {program}: {said or 'it ended without a word'}")
        self.program = program
        self.said = said


def start_program(argv: Sequence[str], directory: str, pid: int, requests: Sequence[Any] = ()) -> None:
    """Runs a network program for as long as the container lives whose first process is `pid`.

    argv       the program; it writes to READY, or to a descriptor (--ready-fd=3), when it is ready
    directory  the container's own, where it works
    requests   JSON values that are sent to its socket in there, once it is ready
    Returns when it is ready. Raises ProgramFailed.
    """
    from cowl.runtime.interpreter_start import start_interpreter

    job = {"argv": [*argv], "directory": directory, "requests": [*requests]}
    ours, theirs = channel.pair()
    fds: list[int] = []
    try:
        porter = start_interpreter(_CODE, theirs, sealed=False, clean=True)
        os.close(theirs)
        _bury(porter)
        fds += (_in_memory(json.dumps(job).encode()), os.pidfd_open(pid), _locked(directory))
        channel.send(ours, b"J", tuple(fds))
        data, _ = channel.receive(ours)
    finally:
        for fd in (ours, *fds):
            os.close(fd)
    if data != b"S":
        raise ProgramFailed(os.path.basename(argv[0]), _last_words(data[1:]))


def _bury(pid: int) -> None:
    """The process that forked the porter has ended at once."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # the program that we are in ignores SIGCHLD, or waits for whatever comes


def await_end(directory: str, seconds: float = 10.0) -> None:
    """Returns when the program of a container that has ended has ended too: its ports are free again."""
    import fcntl
    import time

    try:
        fd = os.open(f"{directory}/{LOCK}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                time.sleep(0.002)
    finally:
        os.close(fd)


def _locked(directory: str) -> int:
    import fcntl

    fd = os.open(f"{directory}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def _in_memory(data: bytes) -> int:
    fd = os.memfd_create("cowl-porter", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(data)
    return fd


def _last_words(said: bytes) -> str:
    """The last line of what a program said, without its time stamp."""
    lines = said.decode("utf-8", "replace").strip().split("\n")
    wanted = [line.strip() for line in lines if line.strip() and not line.startswith("Failed to send ")]
    if not wanted:
        return ""
    stamp, colon, rest = wanted[-1].partition(": ")
    return rest if colon and stamp.replace(".", "").isdecimal() else wanted[-1]


def serve() -> NoReturn:
    """The porter itself."""
    try:
        data, fds = channel.receive(_CONTROL)
        if data:
            body, box, lock = fds
            with os.fdopen(body, "rb") as file:
                file.seek(0)
                job = json.loads(file.read())
            nothing = os.open("/dev/null", os.O_RDWR)
            arrange((nothing, nothing, nothing, _CONTROL, box, lock))
            _Porter(job).run()
    finally:
        os._exit(0)


class _Porter:
    """One program, from its start to its end."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._said = b""

    def run(self) -> None:
        """From the start of the program to its end."""
        os.setsid()
        os.chdir(self._job["directory"])
        credentials.default_signals()
        credentials.rename("cowl-porter")
        ready = _open_ready()
        try:
            self._pid, self._words = _execute(self._job["argv"])
            self._program = os.pidfd_open(self._pid)
            up = self._is_ready(ready) and self._requests_done()
        finally:
            os.unlink(READY)
        os.close(ready)
        self._answer(up=up)
        if up:
            give_back()
            self._listen((_BOX, self._program))
        self._end()

    def _answer(self, *, up: bool) -> None:
        try:
            channel.send(_CONTROL, b"S" if up else b"F" + self._said)
        except OSError:
            pass  # the starter has died: so will the container
        os.close(_CONTROL)

    def _is_ready(self, ready: int) -> bool:
        """Whether the program has said so; else it has ended, or will have to, and so may the container."""
        hit = self._listen((ready, self._program, _BOX), _READY_MS)
        return hit == ready and bool(os.read(ready, 64))

    def _listen(self, fds: tuple[int, ...], timeout: int = -1) -> int:
        """The first of these that has something to say, -1 after so many ms; reads the program's words."""
        poller = select.poll()
        for fd in (*fds, self._words):
            if fd >= 0:
                poller.register(fd, select.POLLIN)
        while True:
            found = {fd for fd, _ in poller.poll(timeout)}
            if self._words in found and not self._read_words():
                poller.unregister(self._words)
            hit = next((fd for fd in fds if fd in found), -1)
            if hit >= 0 or not found:
                return hit

    def _read_words(self) -> bool:
        data = os.read(self._words, _SAID_BYTES)
        self._said = (self._said + data)[-_SAID_BYTES:]
        return bool(data)

    def _requests_done(self) -> bool:
        for request in self._job["requests"]:
            answer = _ask(json.dumps(request).encode())
            if b'"error"' in answer:
                self._said = answer[-_SAID_BYTES:]
                return False
        return True

    def _end(self) -> None:
        try:
            send_signal(self._program, _KILL)
        except ProcessLookupError:
            pass
        os.waitpid(self._pid, 0)
        if not self._said:
            self._read_words()


def _open_ready() -> int:
    """The reading end of a FIFO in the working directory, that the program writes to when it is ready."""
    try:
        os.mkfifo(READY, 0o600)
    except FileExistsError:
        pass  # of a porter that was killed
    return os.open(READY, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _execute(argv: list[str]) -> tuple[int, int]:
    """Starts the program as a child that dies with us: its pid, and where its standard error is read.

    One that takes descriptors has 3, which writes to the FIFO, and 4, which ends when we do.
    """
    words, theirs = os.pipe()
    life, _held = os.pipe()
    porter = os.getpid()
    pid = os.fork()
    if pid:
        os.close(theirs)
        os.close(life)
        return pid, words
    try:
        credentials.die_with_parent()
        if os.getppid() == porter:
            nothing = os.open("/dev/null", os.O_RDWR)
            if "--ready-fd=3" in argv:
                arrange((nothing, nothing, theirs, os.open(READY, os.O_WRONLY), life))
                os.set_inheritable(3, True)
                os.set_inheritable(4, True)
            else:
                arrange((nothing, nothing, theirs))
            os.execve(argv[0], argv, {})
    except OSError as error:
        os.write(2, (error.strerror or "").encode())
    finally:
        os._exit(1)


def _ask(request: bytes) -> bytes:
    """One request to the program's socket in the working directory, and the answer to it."""
    from _socket import AF_UNIX, SHUT_WR, SOCK_CLOEXEC, SOCK_STREAM, socket

    end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    try:
        end.connect(SOCKET)
        end.sendall(request)
        end.shutdown(SHUT_WR)
        answer = b""
        while len(answer) < _SAID_BYTES and (data := end.recv(_SAID_BYTES)):
            answer += data
    finally:
        end.close()
    return answer
