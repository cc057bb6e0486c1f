"""SSH agents for a RUN: sockets of its own, behind each an agent of the caller's, relayed byte for byte.

The RUN never gets the caller's socket: an agent asks who its peer is, and a container's root is nobody
to it. What is asked through the relay is asked by the caller.
"""

from __future__ import annotations

import os
import socket
import stat

from cowl.errors import NotFound, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cowl.build.run_settings import Agent

_CHUNK = 1 << 16
_CONNECTIONS = 64  # of one RUN at a time
_SIGTERM = 15
_PATH = "/usr/local/bin:/usr/bin:/bin"


class AgentUnavailable(Unavailable):
    """The agent that --ssh names can't be used. Field: id."""

    def __init__(self, agent: Agent, reason: str, hint: str = "") -> None:
        super().__init__(f"the ssh agent {agent.id!r} can't be used: {reason}", hint=hint)
        self.id = agent.id


class KeyAgent:
    """An ssh-agent of our own that holds the keys of some files; a `with` block, which ends it.

    It also ends, within seconds, when this process dies: then the command that it waits for reads an end.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._directory = ""
        self._command = self._pid = self._lifeline = -1

    def __enter__(self) -> str:
        """The socket of the agent."""
        from tempfile import mkdtemp

        self._directory = mkdtemp(prefix="cowl-ssh-", dir="/tmp")
        path = f"{self._directory}/agent"
        try:
            self._start(path)
            for key in self._agent.paths:
                self._add(key, path)
        except BaseException:
            self.__exit__()
            raise
        return path

    def _start(self, path: str) -> None:
        lifeline, self._lifeline = os.pipe()
        told, teller = os.pipe()
        try:
            command = ("/bin/sh", "-c", "echo $SSH_AGENT_PID; exec cat >/dev/null")
            self._command = self._spawn(("ssh-agent", "-a", path, *command), (lifeline, teller))
        finally:
            os.close(lifeline)
            os.close(teller)
        with os.fdopen(told, "rb") as answer:
            line = answer.readline()
        if not line.strip().isdigit():
            raise AgentUnavailable(self._agent, "ssh-agent did not start")
        self._pid = int(line)

    def _add(self, key: str, path: str) -> None:
        """ssh-add wants a key that is its user's alone; it asks nobody for a passphrase."""
        child = self._spawn(("ssh-add", "-q", key), (), SSH_AUTH_SOCK=path, SSH_ASKPASS_REQUIRE="never")
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise AgentUnavailable(
                self._agent,
                f"ssh-add does not take {key}",
                "It must be a private key without a passphrase that only you can read. Or add it to an agent"
                " of your own and forward the socket of that.",
            )

    def _spawn(self, args: tuple[str, ...], standard: tuple[int, ...], **env: str) -> int:
        """Starts a program with these as 0 and 1; what is not given is /dev/null."""
        places = (f"{place}/{args[0]}" for place in _PATH.split(":"))
        program = next((place for place in places if os.access(place, os.X_OK)), "")
        if not program:
            hint = "Install openssh-client, or start an agent yourself and forward its socket."
            raise AgentUnavailable(self._agent, f"key files need {args[0]}, which is not here", hint)
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(standard)
        ]
        actions += [
            (os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(len(standard), 3)
        ]
        return os.posix_spawn(program, args, {"PATH": _PATH, **env}, file_actions=actions, setsid=True)

    def __exit__(self, *_failure: object) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
        if self._pid > 0:
            try:
                os.kill(self._pid, _SIGTERM)
            except ProcessLookupError:
                pass
        if self._command > 0:
            os.waitpid(self._command, 0)
        self._lifeline = self._pid = self._command = -1
        if self._directory:
            from shutil import rmtree

            rmtree(self._directory, ignore_errors=True)


def is_socket(path: str) -> bool:
    """Whether a socket stands at `path`. Raises NotFound when nothing does."""
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError as problem:
        raise NotFound(f"--ssh: {path}: {problem.strerror}") from None


class Relay:
    """Listens at a path of its own and passes on what connections say to the agent at `agent_path`.

    It does nothing by itself: the loop that reads a RUN's output polls `fds` and calls `step`.
    """

    def __init__(self, path: str, agent_path: str) -> None:
        self._agent_path = agent_path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._others: dict[int, tuple[socket.socket, socket.socket]] = {}
        _bind(self._listener, path)
        self._listener.listen(_CONNECTIONS)

    @property
    def fds(self) -> Iterator[int]:
        """What to poll for input."""
        if len(self._others) < 2 * _CONNECTIONS:
            yield self._listener.fileno()
        yield from self._others

    def step(self, fd: int) -> None:
        """Input has come on `fd`."""
        if fd == self._listener.fileno():
            self._accept()
        elif fd in self._others:
            self._pass_on(*self._others[fd])

    def _accept(self) -> None:
        theirs = self._listener.accept()[0]
        agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            agent.connect(self._agent_path)
        except OSError:
            agent.close()
            theirs.close()
            return
        for one, other in ((theirs, agent), (agent, theirs)):
            one.settimeout(10)  # an agent that hangs must not hang the build
            self._others[one.fileno()] = one, other

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        """Messages are small and answered one by one, so what is read can be written at once."""
        try:
            data = source.recv(_CHUNK)
            if data:
                target.sendall(data)
                return
        except OSError:
            pass
        for each in (source, target):
            del self._others[each.fileno()]
            each.close()

    def close(self) -> None:
        """Ends all connections. Idempotent."""
        for one, _ in self._others.values():
            one.close()
        self._others.clear()
        self._listener.close()


def _bind(listener: socket.socket, path: str) -> None:
    """bind(2) takes 107 bytes: so the path goes through a descriptor of its directory."""
    directory, name = os.path.split(path)
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)
