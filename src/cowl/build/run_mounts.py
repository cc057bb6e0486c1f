"""The mounts of a RUN, decided: every option checked, defaults in. Pure.

Options, defaults and refusals are those of BuildKit's Dockerfile frontend
(https://docs.docker.com/reference/dockerfile/#run---mount).
"""

from __future__ import annotations

import os
import re

from cowl.build.sizes import parse_size
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at, quoted, suggestion
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cowl.dockerfile.diagnostics import DockerfileError
    from cowl.dockerfile.nodes import Dockerfile, Instruction, Mount, Run, Word

BIND, CACHE, TMPFS, SECRET, SSH = "bind", "cache", "tmpfs", "secret", "ssh"
SHARED, PRIVATE, LOCKED = "shared", "private", "locked"
TYPES = (BIND, CACHE, TMPFS, SECRET, SSH)
SHARINGS = (SHARED, PRIVATE, LOCKED)
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
_ID_LIMIT = 1 << 31
_MODE_LIMIT = 0o7777
# What only some types know; `from` and `source` mean nothing to tmpfs, as in BuildKit.
_ONLY_FOR = {
    "size": (TMPFS,),
    "env": (SECRET,),
    "sharing": (CACHE,),
    "required": (SECRET, SSH),
    "mode": (CACHE, SECRET, SSH),
    "uid": (CACHE, SECRET, SSH),
    "gid": (CACHE, SECRET, SSH),
}


class RunMount(Value):
    """One --mount of a RUN.

    target      absolute path in the container; "" for a secret that goes into the environment only
    from_       a stage, an image or a named context; "" for the build context (bind) or nothing (cache)
    source      absolute path in that
    id          of a cache, a secret or an agent
    mode, uid, gid  None where none was written
    size_bytes  of a tmpfs, 0 for no limit
    env         the variable that has a secret's value or the path of an agent's socket, "" for none
    """

    kind: str
    target: str
    from_: str = ""
    source: str = "/"
    read_only: bool = False
    id: str = ""
    sharing: str = SHARED
    required: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size_bytes: int = 0
    env: str = ""

    @property
    def default_mode(self) -> int:
        """What `mode` is where none was written."""
        return {CACHE: 0o755, SECRET: 0o400, SSH: 0o600}.get(self.kind, 0)


def run_mounts(file: Dockerfile, node: Run, working_dir: str) -> tuple[RunMount, ...]:
    """The mounts of a RUN whose variables are in, parents before what lies in them.

    Of two with one target the later one counts. Raises DockerfileError.
    """
    found: dict[tuple[str, str], RunMount] = {}
    agents = 0
    for each in node.mounts:
        mount = _Options(file, node, each, working_dir, agents).mount()
        agents += mount.kind == SSH
        found[mount.target, "" if mount.target else f"{mount.id} {mount.env}"] = mount
    return tuple(sorted(found.values(), key=lambda mount: mount.target))


class _Options:
    """The options of one --mount, read with their types."""

    def __init__(self, file: Dockerfile, node: Run, mount: Mount, working_dir: str, agents: int) -> None:
        self._file = file
        self._node = node
        self._mount = mount
        self._working_dir = working_dir
        self._agents = agents
        self._kind = mount.kind.lower()

    def mount(self) -> RunMount:
        if self._kind not in TYPES:
            raise self._unknown("mount type", self._kind, TYPES)
        self._check_keys()
        return RunMount(
            kind=self._kind,
            target=self._target(),
            from_="" if self._kind == TMPFS else self._text("from"),
            source=os.path.normpath("/" + self._text("source", "src").lstrip("/")),
            read_only=self._read_only(),
            id=self._id(),
            sharing=self._sharing(),
            required=self._switch("required"),
            mode=self._mode(),
            uid=self._number("uid"),
            gid=self._number("gid"),
            size_bytes=self._size(),
            env=self._env(),
        )

    def _check_keys(self) -> None:
        for key, _ in self._mount.options:
            kinds = _ONLY_FOR.get(key, TYPES)
            if self._kind not in kinds:
                raise self._error(
                    f"a mount of type {self._kind} has no option {quoted(key)}",
                    f"It is for {' and '.join(kinds)} mounts.",
                )
        if self._kind == SSH and self._text("source", "src"):
            raise self._error("a mount of type ssh has no source", "Name the agent with id=.")
        if self._kind == SECRET:
            self._check_secret()
        if self._kind == CACHE and self._text("source", "src") and not self._text("from"):
            raise self._error(
                "source= of a cache mount needs from=", "Without from= a cache starts as an empty directory."
            )

    def _check_secret(self) -> None:
        if self._text("from"):
            raise self._error("a mount of type secret has no from", "They come from --secret.")
        if self._text("source", "src") and self._text("id"):
            raise self._error("a secret has an id or a source, not both", "source= is an old name of id=.")
        if not (self._text("source", "src") or self._text("id") or self._where()):
            raise self._error("a mount of type secret needs an id or a target", "Write id=NAME.")

    def _target(self) -> str:
        where = self._where()
        if not where and self._kind == SECRET:
            if self._text("env"):
                return ""
            name = os.path.basename(self._id())
            if name in ("", ".", ".."):
                raise self._error(f"the secret {quoted(self._id())} gives no file name", "Add target=PATH.")
            where = f"/run/secrets/{name}"
        if not where and self._kind == SSH:
            where = f"/run/buildkit/ssh_agent.{self._agents}"
        target = "/" + os.path.normpath(os.path.join("/", self._working_dir, where)).lstrip("/")
        if target == "/":
            raise self._error("nothing can be mounted on /", "Write target=PATH.")
        return target

    def _where(self) -> str:
        return self._text("target", "dst", "destination")

    def _id(self) -> str:
        found = self._text("id")
        if self._kind == SECRET:
            return self._text("source", "src") or found or os.path.basename(self._where())
        if self._kind == CACHE:
            return found or self._target()
        return found or "default" if self._kind == SSH else ""

    def _read_only(self) -> bool:
        """The last word about it; tmpfs and cache can be written to unless it says otherwise."""
        for key, value in reversed(self._mount.options):
            if key in ("readonly", "ro"):
                return self._bool(key, value)
            if key in ("readwrite", "rw"):
                return not self._bool(key, value)
        return self._kind not in (CACHE, TMPFS)

    def _sharing(self) -> str:
        found = self._text("sharing").lower() or SHARED
        if found not in SHARINGS:
            raise self._unknown("sharing", found, SHARINGS)
        return found

    def _switch(self, key: str) -> bool:
        value = self._text(key)
        return bool(value) and self._bool(key, value)

    def _bool(self, key: str, value: str) -> bool:
        if value not in _TRUE and value not in _FALSE:
            raise self._error(f"{key} is true or false, not {quoted(value)}")
        return value in _TRUE

    def _mode(self) -> int | None:
        text = self._text("mode")
        if not text:
            return None
        if not re.fullmatch("[0-7]{1,6}", text) or int(text, 8) > _MODE_LIMIT:
            raise self._error(f"mode is an octal number up to 7777, not {quoted(text)}")
        return int(text, 8)

    def _number(self, key: str) -> int | None:
        text = self._text(key)
        if not text:
            return None
        if not re.fullmatch("[0-9]{1,10}", text) or int(text) >= _ID_LIMIT:
            raise self._error(f"{key} is a number from 0 to {_ID_LIMIT - 1}, not {quoted(text)}")
        return int(text)

    def _size(self) -> int:
        text = self._text("size")
        try:
            return parse_size(text) if text else 0
        except ValueError as problem:
            raise self._error(str(problem)) from None

    def _env(self) -> str:
        if self._kind == SSH:
            return "" if self._agents else "SSH_AUTH_SOCK"  # the first one that is written
        name = self._text("env")
        if "=" in name or "\0" in name:
            raise self._error(f"{quoted(name)} can't be the name of a variable")
        return name

    def _text(self, *names: str) -> str:
        return self._mount.option(*names)

    def _unknown(self, what: str, value: str, known: tuple[str, ...]) -> DockerfileError:
        near = suggestion(value, known)
        hint = f"Did you mean {near}?" if near else f"It is one of {', '.join(known)}."
        return self._error(f"unknown {what} {quoted(value)}", hint)

    def _error(self, reason: str, hint: str = "") -> DockerfileError:
        return error_at(self._file, self._node, reason, word=self._mount.text, hint=hint)


def sources_of(node: Instruction) -> list[Word]:
    """What the --from of a COPY and the from= of a RUN's mounts name. They can't hold variables."""
    if isinstance(node, nodes.Copy):
        return [node.from_] if node.from_ else []
    if not isinstance(node, nodes.Run):
        return []
    named = ((mount.text, mount.option("from")) for mount in node.mounts if mount.kind != TMPFS)
    return [text.with_text(name) for text, name in named if name]
