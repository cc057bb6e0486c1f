"""Image configs: what to run, on what platform, from which layers, made by which steps.

OCI image-spec 1.1 config.md, with the fields that Docker adds.
"""

from __future__ import annotations

import re

from cowl.errors import Invalid
from cowl.oci.digest import DiffId, Digest, InvalidDigest
from cowl.oci.json_object import JsonObject, dumps, parse_object
from cowl.oci.platform import Platform
from cowl.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


class InvalidImageConfig(Invalid):
    """An image config is malformed."""


class History(Value):
    """One step that made the image. `empty_layer`: it changed only the config."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False

    @classmethod
    def from_json(cls, members: JsonObject) -> History:
        """Raises InvalidImageConfig."""
        return cls(
            _time(members),
            members.text("created_by"),
            members.text("comment"),
            members.text("author"),
            members.boolean("empty_layer"),
        )

    def to_json(self) -> dict[str, Any]:
        """The members that are not empty."""
        return _without_empty(self.as_dict())


class ContainerConfig(Value):
    """How a container of the image starts. Sets are sorted tuples; None means "not set".

    healthcheck   Docker's object as compact JSON text, or ""
    stop_timeout  seconds, or None
    args_escaped  Windows and old builds: cmd is one line that is escaped already
    """

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""
    shell: tuple[str, ...] | None = None
    healthcheck: str = ""
    onbuild: tuple[str, ...] = ()
    args_escaped: bool = False
    stop_timeout: int | None = None

    @classmethod
    def from_json(cls, members: JsonObject) -> ContainerConfig:
        """Unknown members are dropped; raises InvalidImageConfig for wrong types."""
        return cls(
            user=members.text("User"),
            exposed_ports=members.keys("ExposedPorts"),
            env=members.strings("Env") or (),
            entrypoint=members.strings("Entrypoint"),
            cmd=members.strings("Cmd"),
            volumes=members.keys("Volumes"),
            working_dir=members.text("WorkingDir"),
            labels=members.pairs("Labels"),
            stop_signal=members.text("StopSignal"),
            shell=members.strings("Shell"),
            healthcheck=members.raw("Healthcheck"),
            onbuild=members.strings("OnBuild") or (),
            args_escaped=members.boolean("ArgsEscaped"),
            stop_timeout=members.integer("StopTimeout"),
        )

    def to_json(self) -> dict[str, Any]:
        """The members that are set, under Docker's names."""
        members: dict[str, Any] = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in sorted(self.exposed_ports)},
            "Env": list(self.env),
            "Entrypoint": _list(self.entrypoint),
            "Cmd": _list(self.cmd),
            "Volumes": {path: {} for path in sorted(self.volumes)},
            "WorkingDir": self.working_dir,
            "Labels": dict(sorted(self.labels)),
            "StopSignal": self.stop_signal,
            "Shell": _list(self.shell),
            "Healthcheck": _loads(self.healthcheck),
            "OnBuild": list(self.onbuild),
            "ArgsEscaped": self.args_escaped,
        }
        kept = {name: value for name, value in members.items() if value or _is_reset(name, value)}
        return kept if self.stop_timeout is None else {**kept, "StopTimeout": self.stop_timeout}


class ImageConfig(Value):
    """The config document of an image. `created` is RFC 3339 text or ""; layers go bottom first."""

    architecture: str
    os: str = "linux"
    variant: str = ""
    created: str = ""
    author: str = ""
    config: ContainerConfig = ContainerConfig()
    diff_ids: tuple[DiffId, ...] = ()
    history: tuple[History, ...] = ()
    os_version: str = ""

    @classmethod
    def parse(cls, raw: bytes) -> ImageConfig:
        """The config in `raw`: unknown members are dropped, wrong types raise InvalidImageConfig."""
        members = parse_object(raw, "image config", InvalidImageConfig)
        rootfs = members.child("rootfs")
        if rootfs is None or rootfs.text("type") not in ("layers", ""):
            raise members.wrong("rootfs", 'an object of type "layers"')
        container = members.child("config")
        return cls(
            architecture=members.text("architecture"),
            os=members.text("os"),
            variant=members.text("variant"),
            created=_time(members),
            author=members.text("author"),
            config=ContainerConfig.from_json(container) if container else ContainerConfig(),
            diff_ids=_diff_ids(rootfs),
            history=tuple(History.from_json(entry) for entry in members.children("history")),
            os_version=members.text("os.version"),
        )

    def serialize(self) -> bytes:
        """Deterministic JSON with sorted top-level names, as Docker writes it."""
        document: dict[str, Any] = {
            "architecture": self.architecture,
            "author": self.author,
            "config": self.config.to_json(),
            "created": self.created,
            "history": [entry.to_json() for entry in self.history],
            "os": self.os,
            "os.version": self.os_version,
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in self.diff_ids]},
            "variant": self.variant,
        }
        required = ("architecture", "os", "config", "rootfs")
        kept = {name: value for name, value in document.items() if value or name in required}
        return dumps(kept).encode()

    @property
    def platform(self) -> Platform:
        """What the image is for, normalised."""
        return Platform.make(self.os or "linux", self.architecture, self.variant, self.os_version)

    @property
    def image_id(self) -> Digest:
        """The digest of `serialize()`: the ID of an image that is made from this value."""
        return Digest.of(self.serialize())


def _diff_ids(rootfs: JsonObject) -> tuple[DiffId, ...]:
    try:
        return tuple(DiffId.parse(text) for text in rootfs.strings("diff_ids") or ())
    except InvalidDigest as problem:
        raise InvalidImageConfig(f"image config: rootfs.diff_ids: {problem}") from problem


def _time(members: JsonObject) -> str:
    text = members.text("created")
    if text and not _TIME.fullmatch(text):
        raise members.wrong("created", "a time as in RFC 3339")
    return text


def _without_empty(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _is_reset(name: str, value: object) -> bool:
    """An empty list is kept where it says something else than "not set"."""
    return name in ("Entrypoint", "Cmd", "Shell") and value == []


def _list(items: tuple[str, ...] | None) -> list[str] | None:
    return None if items is None else list(items)


def _loads(text: str) -> Any:
    import json

    return json.loads(text) if text else None
