"""The mounts of a RUN made ready: what the runtime is to mount, and where what is missing comes from.

A target that the image lacks is never made in the layer: it is made in a tree of its own that lies on
top of the image's layers and below the upper, where parents look as they do in the image. Nothing is
removed afterwards, so nothing can be removed in a wrong place (docs/decisions/0014).
"""

from __future__ import annotations

import json
import os
import select

from cowl.build.copy_step import copy
from cowl.build.copy_task import CopyTask
from cowl.build.diff_tree import DiffTree
from cowl.build.run_mounts import BIND, CACHE, SECRET, SSH, TMPFS
from cowl.build.stage_tree import StageTree
from cowl.build.tree import DIRECTORY
from cowl.dockerfile.diagnostics import error_at
from cowl.events import StepOutput
from cowl.layer.ownership import apply_path, for_euid
from cowl.runtime.options import Bind, MemoryFile, Overlay, Tmpfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from cowl.build.mount_task import MountTask
    from cowl.build.run_mounts import RunMount
    from cowl.build.run_task import RunTask
    from cowl.build.sources import Source
    from cowl.build.ssh_agent import KeyAgent, Relay
    from cowl.build.task import Ground
    from cowl.store.cache_mounts import CacheUse
    from cowl.store.layers import Stage
    from cowl.store.store import Store

_KERNELS = ("/dev/", "/proc/", "/sys/")  # nothing of an image shows there
_CONTENT = "/content"
_MOMENT_MILLISECONDS = 50


class Mounting:
    """The mounts of one RUN, while it runs. A `with` block; at its end caches and agents are let go.

    mounts    for the runtime, in order
    env       variables that the RUN sees besides its own
    relays    sockets that must be served while it runs
    stubs     a tree with the targets that the image lacks, "" when it lacks none
    reusable  False when the context changed while it was read
    """

    def __init__(self, number: int, task: RunTask, ground: Ground, store: Store, stage: Stage) -> None:
        self._number = number
        self._task = task
        self._ground = ground
        self._store = store
        self._stage = stage
        self._directory = f"{stage.path}/mounts"
        self._uses: dict[tuple[str, str], CacheUse] = {}
        self._agents: list[KeyAgent] = []
        self._awaited: set[str] = set()
        self._owners = for_euid(os.geteuid())
        self._mounts: list[Bind | Tmpfs | Overlay | MemoryFile] = []
        self._files: list[tuple[str, bool]] = []
        self.env: dict[str, str] = {}
        self.relays: list[Relay] = []
        self.stubs = ""
        self.reusable = True

    @property
    def mounts(self) -> tuple[Bind | Tmpfs | Overlay | MemoryFile, ...]:
        return tuple(self._mounts)

    def __enter__(self) -> Self:
        try:
            os.mkdir(self._directory, 0o700)
            self._take_caches()
            for number, each in enumerate(self._task.mounts):
                self._one(number, each)
            self._make_stubs()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        for relay in self.relays:
            relay.close()
        for agent in self._agents:
            agent.__exit__()
        for use in self._uses.values():
            use.close()
        self._agents.clear()
        self._uses.clear()

    def _one(self, number: int, task: MountTask) -> None:
        mount = task.mount
        if mount.kind == BIND:
            assert task.source is not None
            self._bind(number, mount, task.source)
        elif mount.kind == CACHE:
            self._add(Bind(self._uses[_cache_key(task)].path, mount.target, mount.read_only))
        elif mount.kind == TMPFS:
            self._add(Tmpfs(mount.target, mount.size_bytes, mount.read_only))
        elif mount.kind == SECRET:
            self._secret(mount)
        else:
            assert mount.kind == SSH
            self._ssh(number, mount)

    def _add(self, mount: Bind | Tmpfs | Overlay | MemoryFile, *, file: bool = False) -> None:
        self._mounts.append(mount)
        self._files.append((mount.target, file))

    def _bind(self, number: int, mount: RunMount, source: Source) -> None:
        """Layers are mounted as they are; of anything else the RUN gets a copy, as BuildKit sends it one."""
        file = source.entry.kind != DIRECTORY
        if isinstance(source.tree, StageTree):
            self._add(self._overlay(number, mount, source.tree, "/" + source.entry.path), file=file)
            return
        place = self._place(number)
        self._copy(place, source)
        self._add(Bind(place + _CONTENT, mount.target, mount.read_only), file=file)

    def _overlay(self, number: int, mount: RunMount, tree: StageTree, subpath: str) -> Overlay:
        lowers = self._store.trees(tree.layer_keys) or (self._place(f"{number}-empty"),)
        if mount.read_only:
            return Overlay(mount.target, lowers, subpath=subpath)
        place = self._place(number)
        for name in ("upper", "work"):
            os.mkdir(f"{place}/{name}", 0o755)
        self._store.dress_like(f"{place}/upper", lowers[0])
        return Overlay(mount.target, lowers, f"{place}/upper", f"{place}/work", subpath)

    def _place(self, name: int | str) -> str:
        path = f"{self._directory}/{name}"
        os.mkdir(path, 0o755)
        return path

    def _copy(self, place: str, source: Source) -> None:
        """Puts a source into an empty directory, under a name that it never shows."""
        view, below = self._store.view((), place), self._store.view(())
        task = CopyTask(
            state=self._task.state,
            node=self._task.node,
            inputs=None,
            history="",
            sources=(source,),
            dest=_CONTENT,
            owner="",
            mode=None,
        )
        self.reusable &= copy(task, DiffTree(place, view, below, self._owners), below)

    # Caches

    def _take_caches(self) -> None:
        """In one order everywhere, so that two RUNs never wait for each other."""
        tasks = {_cache_key(task): task for task in self._task.mounts if task.mount.kind == CACHE}
        for key in sorted(tasks):
            task = tasks[key]
            self._uses[key] = self._store.cache_mounts.use(
                *key,
                task.mount.sharing,
                prepare=lambda task=task: self._new_cache(task),  # type: ignore[misc]
                waiting=lambda name=key[0]: self._waiting(name),  # type: ignore[misc]
            )

    def _new_cache(self, task: MountTask) -> str:
        mount = task.mount
        place = self._place(f"cache-{os.urandom(4).hex()}")
        tree = place + _CONTENT
        if task.source is None:
            os.mkdir(tree, 0o755)
        else:
            self._copy(place, task.source)
            if task.source.entry.kind != DIRECTORY:
                raise error_at(self._ground.file, self._task.node, "a cache mount begins as a directory")
        mode = mount.default_mode if mount.mode is None else mount.mode
        apply_path(self._owners, tree, mount.uid or 0, mount.gid or 0, mode)
        return tree

    def _waiting(self, name: str) -> None:
        """A moment, in which a crew that gives up is heard."""
        if name not in self._awaited:
            self._awaited.add(name)
            text = f"waiting for the cache mount {name}, which another RUN holds\n"
            self._ground.emit(StepOutput(self._number, "stderr", text.encode()))
        poll = select.poll()
        if self._ground.crew.alarm >= 0:
            poll.register(self._ground.crew.alarm, select.POLLIN)
        poll.poll(_MOMENT_MILLISECONDS)
        self._ground.crew.check()

    # Secrets and agents

    def _secret(self, mount: RunMount) -> None:
        """As in BuildKit: one that was not given is no file, and an empty variable."""
        secret = self._ground.settings.secret(mount.id)
        if secret is None and mount.required:
            raise self._missing(f"the secret {mount.id!r} was not given", f"--secret id={mount.id},src=FILE")
        if mount.env:
            text = b"" if secret is None else secret.data
            if b"\0" in text:
                raise error_at(
                    self._ground.file,
                    self._task.node,
                    f"the secret {mount.id!r} has a zero byte: no variable can hold it",
                )
            self.env[mount.env] = text.decode("utf-8", "surrogateescape")
        if mount.target and secret is not None:
            mode = mount.default_mode if mount.mode is None else mount.mode
            self._add(MemoryFile(mount.target, secret.data, mode, mount.uid or 0, mount.gid or 0), file=True)

    def _ssh(self, number: int, mount: RunMount) -> None:
        from cowl.build.ssh_agent import KeyAgent, Relay, is_socket

        if mount.env:
            self.env[mount.env] = mount.target
        agent = self._ground.settings.agent(mount.id)
        if agent is None:
            if mount.required:
                raise self._missing(
                    f"no ssh agent {mount.id!r} was given", f"--ssh {mount.id} or --ssh {mount.id}=SOCKET"
                )
            return
        if len(agent.paths) == 1 and is_socket(agent.paths[0]):
            theirs = agent.paths[0]
        else:
            keys = KeyAgent(agent)
            theirs = keys.__enter__()
            self._agents.append(keys)
        ours = f"{self._place(number)}/agent"
        self.relays.append(Relay(ours, theirs))
        mode = mount.default_mode if mount.mode is None else mount.mode
        self._owners.apply_node(ours, None, mount.uid or 0, mount.gid or 0, mode)
        self._add(Bind(ours, mount.target), file=True)

    def _missing(self, reason: str, flag: str) -> Exception:
        return error_at(self._ground.file, self._task.node, reason, hint=f"Build with {flag}.")

    # Targets

    def _make_stubs(self) -> None:
        keys = self._task.state.layer_keys
        below = self._store.view(keys)
        missing = [
            (target, file)
            for target, file in self._files
            if not target.startswith(_KERNELS) and below.lookup(target) is None
        ]
        if not missing:
            return
        stubs = self._place("stubs")
        tree = DiffTree(stubs, self._store.view(keys, stubs), below, self._owners)
        for target, file in missing:
            _stub(tree, target, file)
        tree.settle()
        self.stubs = stubs


def _stub(tree: DiffTree, target: str, file: bool) -> None:
    """An empty directory or file at the place that `target` leads to, for a mount to lie on."""
    if not file:
        tree.make_directories(target, None)
        return
    path = tree.resolve(target)
    tree.make_directories(os.path.dirname(path), None)
    if not tree.kind(path):
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            tree.make_file(path, nothing, (0, 0), 0o644, 0)
        finally:
            os.close(nothing)


def _cache_key(task: MountTask) -> tuple[str, str]:
    """The name of a cache mount, and what a new one starts as: caches that start alike are one."""
    mount = task.mount
    written = {"mode": mount.mode, "uid": mount.uid, "gid": mount.gid}
    base: dict[str, object] = {name: value for name, value in written.items() if value is not None}
    if task.source is not None:
        base["content"] = task.source.content.digest
    return mount.id, json.dumps(base, sort_keys=True) if base else ""
