"""The operations of the OCI runtime-spec on any bundle, with a state on disk.

https://github.com/opencontainers/runtime-spec/blob/main/runtime.md
"""

from __future__ import annotations

import errno
import json
import os
import time

from cowl.errors import Invalid, NotFound
from cowl.linux.process import NoSuchProcess, ProcessId
from cowl.runtime.oci.config import InvalidConfig, OciConfig, read_config, read_process
from cowl.runtime.oci.creation import Birth
from cowl.runtime.oci.groups import Groups
from cowl.runtime.oci.hooks import HookFailed, run_hooks, try_hooks
from cowl.runtime.oci.processes import await_end, await_execution, namespace_members, signal_process
from cowl.runtime.oci.state import (
    CREATED,
    PAUSED,
    RUNNING,
    STOPPED,
    OciState,
    States,
    WrongStatus,
    document,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KILL = 9
_CONFIG_LIMIT = 16 << 20  # bytes of a config.json


class OciRuntime:
    """An OCI runtime whose containers are below `root`, a directory; made when it is first needed.

    Only for a process with one thread. A container is a child of the process that created it until that
    ends, and nobody's afterwards.
    """

    def __init__(self, root: str) -> None:
        self._states = States(os.path.abspath(root))

    @staticmethod
    def example(*, rootless: bool = False) -> dict[str, Any]:
        """A config.json to begin with, for an ordinary user's container with `rootless`."""
        from cowl.runtime.oci.documents import example

        return example(rootless=rootless)

    @staticmethod
    def features() -> dict[str, Any]:
        """What it can do, as the specification's features document."""
        from cowl.runtime.oci.documents import features

        return features()

    def create(
        self,
        identity: str,
        bundle: str,
        *,
        console_socket: str = "",
        pid_file: str = "",
        preserve_fds: int = 0,
    ) -> int:
        """Makes a container whose process waits for `start`. Its streams are 0, 1 and 2. Gives its pid.

        console_socket  where the master of its terminal is sent, if process.terminal
        preserve_fds    so many descriptors from 3 on are handed on
        Raises Invalid, ContainerExists, HookFailed, CommandNotFound, ...; then nothing is left.
        """
        birth, _ = self._create(identity, bundle, console_socket, pid_file, preserve_fds)
        if birth.console >= 0:
            os.close(birth.console)
        return birth.pid

    def _create(
        self, identity: str, bundle: str, console_socket: str, pid_file: str, preserve: int
    ) -> tuple[Birth, OciState]:
        bundle = os.path.abspath(bundle)
        document_of = _read_json(os.path.join(bundle, "config.json"))
        config = read_config(document_of, bundle)
        if config.process is None:
            raise InvalidConfig("process is missing")
        _check_console(config.process.terminal, console_socket)
        birth = Birth(config.process, config.seccomp)
        group = Groups(config, identity)
        if not group.keeps_devices and _denies_devices(config):
            birth.keep_from_devices()
        path = self._states.claim(identity)
        fifo = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        started: list[OciState] = []

        def told(pid: int) -> dict[str, object]:
            return {**_told(identity, bundle, config), "status": "creating", "pid": pid or os.getpid()}

        def born(pid: int) -> None:
            group.add(pid)
            now = ProcessId.of(pid)
            state = OciState(identity, bundle, now, time.time(), os.geteuid(), document_of, group.path)
            started.append(state)
            for kind in ("prestart", "createRuntime"):
                run_hooks(kind, config.hooks[kind], told(pid))

        try:
            group.make()
            birth.make(config, fifo, preserve, told, born)
            self._hand_over(birth, console_socket, pid_file)
            self._states.save(started[0])
        except BaseException:
            birth.kill()
            group.remove()
            self._states.remove(identity)
            raise
        finally:
            os.close(fifo)
        return birth, started[0]

    def _hand_over(self, birth: Birth, console_socket: str, pid_file: str) -> None:
        if console_socket and birth.console >= 0:
            _send_console(console_socket, birth.console)
        if pid_file:
            _write_pid(pid_file, birth.pid)

    def start(self, identity: str) -> list[HookFailed]:
        """Has a created container go on; gives its poststart hooks that failed. Raises WrongStatus."""
        state = self._states.load(identity)
        self._check(state, CREATED)
        config = self._config(state)
        path = self._states.fifo(identity)
        try:
            end = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise WrongStatus(identity, STOPPED, CREATED) from None
        os.unlink(path)
        os.write(end, b"0")
        await_execution(end)
        os.close(end)
        return try_hooks("poststart", config.hooks["poststart"], document(state, self._states.status(state)))

    def state(self, identity: str) -> dict[str, Any]:
        """The state, as the specification has it. Raises NoSuchContainer."""
        state = self._states.load(identity)
        return document(state, self._states.status(state))

    def states(self) -> list[dict[str, Any]]:
        """The state of every container, with `created` and `owner`."""
        from cowl.runtime.oci.state import rfc3339

        found = []
        for state in self._states.list():
            more = {"created": rfc3339(state.created), "owner": str(state.owner)}
            rootfs = os.path.join(state.bundle, state.config["root"]["path"])
            found.append({**document(state, self._states.status(state)), "rootfs": rootfs, **more})
        return found

    def kill(self, identity: str, signal: int, *, all: bool = False) -> None:  # noqa: A002  # the flag's name
        """A signal to the container's first process, or to all of its. Raises WrongStatus."""
        state = self._states.load(identity)
        if all:
            for process in self._processes(state):
                signal_process(process, signal)
            return
        self._check(state, CREATED, RUNNING, PAUSED)
        signal_process(state.process, signal)

    def delete(self, identity: str, *, force: bool = False) -> list[HookFailed]:
        """Forgets a container that has ended; gives its poststop hooks that failed.

        One that was created and not started is killed first, with `force` any; with `force` one that
        there is not is fine. Raises WrongStatus, NoSuchContainer.
        """
        try:
            state = self._states.load(identity)
        except NotFound:
            if force:
                return []
            raise
        if self._states.status(state) not in (STOPPED, CREATED) and not force:
            raise WrongStatus(identity, self._states.status(state), STOPPED)
        self._end(state)
        config = self._config(state)
        Groups.of(state.cgroup).remove()
        self._states.remove(identity)
        return try_hooks("poststop", config.hooks["poststop"], document(state, STOPPED))

    def _end(self, state: OciState) -> None:
        """Kills what runs, and waits for it."""
        for process in [state.process, *self._processes(state)]:
            signal_process(process, _KILL)
        await_end(state.process)

    def exec(
        self,
        identity: str,
        process: Mapping[str, Any],
        *,
        console_socket: str = "",
        pid_file: str = "",
        preserve_fds: int = 0,
        env: tuple[str, ...] = (),
    ) -> tuple[int, int]:
        """Runs one more process, the specification's object: its pid, and the master of its terminal or -1.

        What it does not say is as for the first process; `env` comes on top.

        It is a child of this process. With a console socket the master is sent there. Raises WrongStatus.
        """
        state = self._states.load(identity)
        self._check(state, CREATED, RUNNING)
        config = self._config(state)
        merged = {**_usual(state), **process}
        wanted = read_process({**merged, "env": [*(merged.get("env") or ()), *env]})
        birth = Birth(wanted, config.seccomp)
        mapped = "user" in config.new or any(kind == "user" for kind, _ in config.joined)
        birth.enter(state.process.pid, mapped, preserve_fds, Groups.of(state.cgroup).add)
        try:
            self._hand_over(birth, console_socket, pid_file)
        except BaseException:
            birth.kill()
            raise
        return birth.pid, birth.console

    def run(self, identity: str, bundle: str, **options: Any) -> tuple[int, int]:
        """`create` and `start`: the pid, a child of this process, and the master of its terminal or -1."""
        words = {"console_socket": "", "pid_file": "", "preserve_fds": 0, **options}
        birth, _ = self._create(identity, bundle, *words.values())
        self.start(identity)
        return birth.pid, birth.console

    def processes(self, identity: str) -> list[int]:
        """The pids, on the host, of what runs in a container."""
        return [process.pid for process in self._processes(self._states.load(identity))]

    def pause(self, identity: str) -> None:
        """Holds all its processes. Raises WrongStatus, Unavailable without a cgroup."""
        state = self._states.load(identity)
        self._check(state, CREATED, RUNNING)
        Groups.of(state.cgroup).freeze()

    def resume(self, identity: str) -> None:
        """Lets them go on. Raises WrongStatus."""
        state = self._states.load(identity)
        self._check(state, PAUSED)
        Groups.of(state.cgroup).thaw()

    def _check(self, state: OciState, *wanted: str) -> None:
        status = self._states.status(state)
        if status not in wanted:
            raise WrongStatus(state.id, status, " or ".join(wanted))

    def _config(self, state: OciState) -> OciConfig:
        return read_config(state.config, state.bundle)

    def _processes(self, state: OciState) -> list[ProcessId]:
        """Those in its control group and those in its pid namespace, where it has one of its own."""
        pids = {*Groups.of(state.cgroup).processes()}
        if state.process.alive():
            pids.add(state.process.pid)
            pids |= namespace_members(state.process.pid)
        found = []
        for pid in sorted(pids):
            try:
                found.append(ProcessId.of(pid))
            except NoSuchProcess:
                continue
        return found


def _told(identity: str, bundle: str, config: OciConfig) -> dict[str, object]:
    from cowl.runtime.oci.state import VERSION

    return {"ociVersion": VERSION, "id": identity, "bundle": bundle, "annotations": config.annotations}


def _usual(state: OciState) -> dict[str, Any]:
    """What of the first process holds for an exec that does not say."""
    first = state.config["process"]
    names = ("cwd", "user", "capabilities", "noNewPrivileges", "rlimits", "env", "oomScoreAdj")
    return {name: first[name] for name in names if name in first}


def _denies_devices(config: OciConfig) -> bool:
    """In a user namespace of its own no node that a container makes opens a device anyway."""
    rules = config.resources.get("devices") or ()
    return "user" not in config.new and any(not rule.get("allow") for rule in rules)


def _read_json(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read(_CONFIG_LIMIT))
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist", hint="--bundle names the directory of a bundle") from None
    except ValueError as error:
        raise InvalidConfig(f"no JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidConfig("no JSON object")
    return found


def _check_console(terminal: bool, console_socket: str) -> None:
    if console_socket and not terminal:
        raise Invalid("--console-socket is given, but process.terminal is not set")


def _send_console(path: str, master: int) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        socket.send_fds(connection, [os.readlink(f"/proc/self/fd/{master}").encode()], [master])


def _write_pid(path: str, pid: int) -> None:
    """Whole or not at all: who waits for the file reads it as soon as it is there."""
    folder, name = os.path.split(os.path.abspath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}")
    with open(temporary, "w") as file:
        file.write(str(pid))
    os.rename(temporary, path)
