"""RUN: a command in a container on top of the layers, its output as events, its changes left in an upper."""

from __future__ import annotations

import os
import select

from cowl.dockerfile.diagnostics import printable
from cowl.errors import CowlError, NotFound
from cowl.events import StepOutput
from cowl.linux.probe import require_containers
from cowl.runtime.netfiles import write_network_files
from cowl.runtime.options import CAPABILITIES, SHM_BYTES, Bind, ContainerOptions
from cowl.runtime.spec import Bundle, container_spec
from cowl.runtime.stdio import Stdio, StillRunning
from cowl.runtime.user import resolve_user

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cowl.build.alone import Alone
    from cowl.build.crew import Crew
    from cowl.build.mount_step import Mounting
    from cowl.build.run_task import RunTask
    from cowl.build.ssh_agent import Relay
    from cowl.build.task import Ground
    from cowl.layer.view import MergedView
    from cowl.linux.root_mount import RootMount
    from cowl.runtime.protocol import Running, Runtime
    from cowl.runtime.user import User

ACCOUNTS_LIMIT = 4 << 20  # bytes of /etc/passwd or /etc/group that are believed
HOSTNAME = "buildkitsandbox"  # what a RUN sees under BuildKit
_TAIL_LINES = 10
_TAIL_BYTES = 16 << 10
_CHUNK = 1 << 16
_LISTEN_SECONDS = 0.1


class RunFailed(CowlError):
    """The command of a RUN ended with another exit code than 0.

    Fields: path and line of the RUN, command (as executed), exit_code, output (the last lines, text);
    before and after: IDs of images of the file system as the command found and left it, "" if there are none.
    """

    def __init__(self, task: RunTask, exit_code: int, tail: bytes) -> None:
        source = task.node.source
        self.path = source.path
        self.line = source.first_line
        self.command = " ".join(task.args)
        self.exit_code = exit_code
        self.before = self.after = ""
        self.output = _last_lines(tail)
        shown = "".join(f"\n  {line}" for line in self.output.splitlines())
        super().__init__(
            f"{self.path}:{self.line}: process {printable(self.command)!r} did not complete successfully:"
            f" exit code: {exit_code}{shown}"
        )


def run(
    number: int,
    task: RunTask,
    root: RootMount,
    view: MergedView,
    directory: str,
    runtime: Runtime,
    ground: Ground,
    mounting: Mounting | None = None,
) -> User:
    """Runs the command to its end, and gives whose it was. `directory` is an empty place for files.

    Raises RunFailed, and what the runtime raises when the command can't be started. Interrupted, or when
    the crew gives up, it kills the command.
    """
    user = user_of(task.user, view)
    settings = ground.settings
    binds = write_network_files(directory, HOSTNAME, task.network, settings.hosts)
    options = ContainerOptions(
        args=task.args,
        env=_environment(task.env, mounting.env) if mounting else task.env,
        cwd=task.working_dir,
        user=user,
        hostname=HOSTNAME,
        network=task.network,
        binds=(*(Bind(source, target, True) for source, target in binds), *_script(task, directory)),
        mounts=mounting.mounts if mounting else (),
        limits=settings.limits,
        shm_bytes=settings.shm_bytes or SHM_BYTES,
        confined=not task.insecure,
        capabilities=all_capabilities() if task.insecure else CAPABILITIES,
        rung=require_containers(),
    )
    bundle = Bundle(f"build-{os.urandom(8).hex()}", container_spec(options), root, directory)
    code, tail = _to_the_end(number, bundle, runtime, ground, mounting.relays if mounting else ())
    if code:
        raise RunFailed(task, code, tail)
    return user


def _environment(own: tuple[str, ...], more: Mapping[str, str]) -> tuple[str, ...]:
    """The variables of a RUN with those of its mounts, which win over others of the same name."""
    kept = (word for word in own if word.partition("=")[0] not in more)
    return (*kept, *(f"{name}={value}" for name, value in more.items()))


def all_capabilities() -> tuple[str, ...]:
    from cowl.linux.credentials import CAPABILITIES as ALL

    return ALL


def _script(task: RunTask, directory: str) -> list[Bind]:
    """The script of a heredoc, bound into the memory of /dev: it never comes near the layer."""
    if task.script is None:
        return []
    return [Bind(task.script.write(f"{directory}/pipes"), task.script.directory, True)]


def user_of(text: str, view: MergedView) -> User:
    """Whom USER means, by the account files of the image. Raises NoSuchUser and the like."""
    return resolve_user(text, _account_file(view, "/etc/passwd"), _account_file(view, "/etc/group"))


def _account_file(view: MergedView, path: str) -> bytes:
    try:
        return view.read_file(path, ACCOUNTS_LIMIT)
    except NotFound:
        return b""


def _to_the_end(
    number: int, bundle: Bundle, runtime: Runtime, ground: Ground, relays: Sequence[Relay]
) -> tuple[int, bytes]:
    """Starts it with pipes, passes on what it writes; the exit code and the end of the output."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    out, out_writer = os.pipe()
    err, err_writer = os.pipe()
    try:
        try:
            running = runtime.start(bundle, Stdio(null, out_writer, err_writer))
        finally:
            for fd in (null, out_writer, err_writer):
                os.close(fd)
        try:
            tail = _pass_on(number, {out: "stdout", err: "stderr"}, ground, relays)
            return _exit_code(running, ground.crew), tail
        finally:
            running.close()
    finally:
        os.close(out)
        os.close(err)


def _exit_code(running: Running, crew: Alone | Crew) -> int:
    """Waits for the end; a crew that gives up is heard even when the command has closed its output."""
    while True:
        try:
            return running.wait(_LISTEN_SECONDS if crew.alarm >= 0 else None).code
        except StillRunning:
            crew.check()


def _pass_on(number: int, streams: dict[int, str], ground: Ground, relays: Sequence[Relay]) -> bytes:
    """Emits what is written until all writers are gone; gives the last bytes of both streams together.

    What is not taken yet waits in the pipes, and the command with it: memory does not grow with output.
    """
    open_streams = dict(streams)
    tail = b""
    alarms = [ground.crew.alarm] if ground.crew.alarm >= 0 else []
    while open_streams:
        for fd in _ready((*open_streams, *alarms, *(fd for relay in relays for fd in relay.fds))):
            if fd in alarms:
                ground.crew.check()
                continue
            if fd not in open_streams:
                for relay in relays:
                    relay.step(fd)
                break  # descriptors may have closed, and their numbers come again
            data = os.read(fd, _CHUNK)
            if not data:
                del open_streams[fd]
                continue
            tail = (tail + data)[-_TAIL_BYTES:]
            ground.emit(StepOutput(number, streams[fd], data))
    return tail


def _ready(fds: tuple[int, ...]) -> list[int]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll()]


def _last_lines(tail: bytes) -> str:
    lines = tail.decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(printable(line) for line in lines)
