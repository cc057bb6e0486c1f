"""The monitor while its container runs: a small program that waits, and keeps what is printed.

It takes the place of the larger one that started the container (execve(2): the same process, still the
parent and the owner), and gives way to it again when the container has ended. What it imports is what
every detached container costs for as long as it runs: see docs/decisions/0026-monitor.md.
"""

from __future__ import annotations

import os
import select
import sys

from cowl.container.attachments import Attachments
from cowl.container.inlet import Inlet
from cowl.container.json_log import JsonLog
from cowl.container.loop import Loop
from cowl.container.output import Output
from cowl.linux import credentials
from cowl.linux.descriptors import arrange
from cowl.linux.memory import give_back, share
from cowl.linux.process import send_signal
from cowl.linux.signal_fd import open_signals, read_signals
from cowl.runtime.interpreter_start import become
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from cowl.container.health_checks import HealthChecks

HANG_UP, INTERRUPT, QUIT, WAKE, TERMINATE = 1, 2, 3, 10, 15  # SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGTERM
HEARD = (HANG_UP, INTERRUPT, QUIT, WAKE, TERMINATE)
_KILL = 9
_NONE = -1


class Task(Value):
    """What the two programs of a monitor tell each other, as words of a command line. -1 is no descriptor.

    root, runtime, id    which container, and how it is started
    directory            the container's
    owner, lock          the monitor as an owner in the store, and the descriptor of its lock
    delay                seconds waited before this run, in milliseconds
    pid, pidfd           the first process, our child
    stdout, stderr       what they are read from; console: the terminal instead of both
    stdin                what its standard input is written to
    listener             for `supervise`
    socket               where others attach, and the descriptors of those who have, with blanks between
    once                 whether its input ends with that of who is attached
    timeout_ms           how long it may run; 0: as long as it likes
    log_bytes, log_files of the log; -1 files: nothing is kept
    stop_signal, stop_ms how it is stopped when we are; -1: it is never killed
    code, asked          how it ended, and whether we were asked to stop it
    health               when its health is looked at, see `Health.schedule`; "": never
    """

    root: str
    runtime: str
    id: str
    directory: str = ""
    owner: str = ""
    lock: int = _NONE
    delay: int = 0
    pid: int = 0
    pidfd: int = _NONE
    stdout: int = _NONE
    stderr: int = _NONE
    console: int = _NONE
    stdin: int = _NONE
    listener: int = _NONE
    socket: int = _NONE
    clients: str = ""
    once: int = 0
    timeout_ms: int = 0
    log_bytes: int = 0
    log_files: int = _NONE
    stop_signal: int = TERMINATE
    stop_ms: int = 0
    code: int = 0
    asked: int = 0
    health: str = ""

    def words(self) -> list[str]:
        """The inverse of `from_words`."""
        return [str(value) for value in self.as_dict().values()]

    @classmethod
    def from_words(cls, words: list[str]) -> Task:
        """The inverse of `words`."""
        known: dict[str, Any] = {}
        for name, word in zip(cls._fields, words, strict=True):
            known[name] = int(word) if isinstance(getattr(cls, name, ""), int) else word
        return cls(**known)

    def descriptors(self) -> tuple[int, ...]:
        """Those that outlive the change of programs."""
        named = (self.lock, self.pidfd, self.stdout, self.stderr, self.console, self.stdin)
        return tuple(fd for fd in (*named, self.listener, self.socket, *self.attached()) if fd >= 0)

    def attached(self) -> tuple[int, ...]:
        """The descriptors of those who are attached."""
        return tuple(map(int, self.clients.split()))


def change_to(function: str, task: Task) -> NoReturn:
    """This process becomes `function`, "module:name" of this package, with that task; see `become`."""
    module, _, name = function.partition(":")
    code = f"import sys; sys.path.append(sys.argv[1]); from cowl.container.{module} import {name}; {name}()"
    for fd in task.descriptors():
        os.set_inheritable(fd, True)
    become(code, task.words())


def own_task() -> Task:
    """The task that this program was called with; its descriptors end with the next one."""
    task = Task.from_words(sys.argv[2:])
    for fd in task.descriptors():
        os.set_inheritable(fd, False)
    return task


def attend() -> NoReturn:
    """The program. It ends by becoming the other one again."""
    task = own_task()
    try:
        Attendance(task).run()
    except BaseException as error:  # noqa: BLE001  # nobody else would hear of it
        leave_word(task, error)
    finally:
        os._exit(1)  # the container ends with us, and the next command records it


def leave_word(task: Task, error: BaseException) -> None:
    """Keeps a fault of our own beside the container's logs, where somebody may look for it."""
    import traceback

    with open(f"{task.directory}/log/monitor.error", "a") as file:
        traceback.print_exception(error, file=file)


class Attendance:
    """One run of a container.

    loop         whatever else it needs while it runs is watched here
    output       its streams
    attachments  whoever else is at them
    """

    def __init__(self, task: Task) -> None:
        credentials.rename("cowl-monitor")
        credentials.ignore_broken_pipes()
        self._task = task
        self._asked = False
        self._over = False
        self.loop = Loop()
        self._signals = open_signals(HEARD)
        self.loop.watch(self._signals, self._heed)
        self.loop.watch(task.pidfd, self._end)
        self.output = Output(self.loop, _log(task))
        for stream, fd in (("stdout", task.stdout), ("stderr", task.stderr)):
            if fd >= 0:
                self.output.add(stream, fd)
        if task.console >= 0:
            self.output.add("stdout", os.dup(task.console))
        self.attachments = self._open_attachments(task)
        if task.timeout_ms:
            self.loop.later(task.timeout_ms / 1000, lambda: self._send(_KILL))

    def _open_attachments(self, task: Task) -> Attachments:
        """With those who were there from the beginning, before it has printed anything."""
        stdin = task.console if task.console >= 0 else task.stdin
        inlet = None if stdin < 0 else Inlet(self.loop, stdin, terminal=task.console >= 0)
        once = bool(task.once)
        attachments = Attachments(self.loop, self.output, inlet, console=task.console, once=once)
        for fd in task.attached():
            attachments.add(fd)
        if task.socket >= 0:
            attachments.serve(task.socket)
        return attachments

    def run(self) -> NoReturn:
        """Until the container has ended."""
        task = self._task
        share()
        _fork_guard(task.pidfd, task.pid, task.listener)
        if task.listener >= 0:
            os.close(task.listener)
        checks = self._health_checks()
        give_back()
        self.loop.run(lambda: self._over)
        if checks is not None:
            checks.close()
        self.loop.forget(task.pidfd)
        self.output.close()
        self.attachments.finish()
        code = os.waitstatus_to_exitcode(os.waitpid(task.pid, 0)[1])
        ended = task.replace(
            **dict.fromkeys(("pidfd", "stdout", "stderr", "console", "stdin", "listener"), _NONE),
            clients=" ".join(map(str, self.attachments.descriptors())),
            code=128 - code if code < 0 else code,
            asked=int(self._asked),
        )
        change_to("monitor:resume", ended)

    def _health_checks(self) -> HealthChecks | None:
        """Only containers that have some pay for them."""
        if not self._task.health:
            return None
        from cowl.container.health_checks import HealthChecks

        return HealthChecks(self.loop, self._task)

    def _end(self) -> None:
        self._over = True

    def _heed(self) -> None:
        """SIGTERM stops the container as a user's stop does; the others are no matter."""
        if TERMINATE not in read_signals(self._signals):
            return
        self._asked = True
        self._send(self._task.stop_signal)
        if self._task.stop_ms >= 0:
            self.loop.later(self._task.stop_ms / 1000, lambda: self._send(_KILL))

    def _send(self, number: int) -> None:
        try:
            send_signal(self._task.pidfd, number)
        except ProcessLookupError:
            return
        _thaw(self._task.pid)


def _log(task: Task) -> JsonLog | None:
    if task.log_files < 0:
        return None
    log = JsonLog(f"{task.directory}/log", task.log_bytes, task.log_files)
    log.open()
    return log


def _fork_guard(pidfd: int, pid: int, listener: int) -> None:
    """Forks who kills the container when we are killed: what changes its user loses its death signal.

    With a listener it also answers the calls that one id can't do.
    """
    monitor = os.pidfd_open(os.getpid())
    if os.fork():
        os.close(monitor)
        return
    try:
        credentials.rename("cowl-guard")
        if listener >= 0:
            from cowl.runtime.supervision import enter_and_serve

            monitor, pidfd, listener = _keep_only(monitor, pidfd, listener)
            enter_and_serve(pidfd, listener, monitor)
        else:
            monitor, pidfd = _keep_only(monitor, pidfd)
            _watch_over(monitor, pidfd, pid)
    finally:
        os._exit(0)


def _thaw(pid: int) -> None:
    """What is paused heeds a signal only then."""
    from cowl.linux.cgroups import thaw_process

    thaw_process(pid)


def _keep_only(*fds: int) -> tuple[int, ...]:
    """Holds nothing else that anybody waits for the end of; their new numbers."""
    nothing = os.open("/dev/null", os.O_RDWR)
    arrange((nothing, nothing, nothing, *fds))
    return tuple(range(3, 3 + len(fds)))


def _watch_over(monitor: int, pidfd: int, pid: int) -> None:
    poller = select.poll()
    poller.register(monitor, select.POLLIN)
    poller.register(pidfd, select.POLLIN)
    if pidfd not in dict(poller.poll()):
        send_signal(pidfd, _KILL)
        _thaw(pid)
