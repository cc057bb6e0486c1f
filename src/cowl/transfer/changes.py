"""Changes: the Dockerfile instructions that `import --change` applies to an image's config.

Docker's list: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME,
WORKDIR. Variables are not expanded.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex

from cowl.dockerfile.nodes import Healthcheck
from cowl.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cowl.dockerfile.nodes import Instruction
    from cowl.oci.image_config import ContainerConfig

_SHELL = ("/bin/sh", "-c")
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII | re.IGNORECASE)
_MAX_PORT = 65535
_LAST_SIGNAL = 64


class InvalidChange(Invalid):
    """A --change that can't be applied. Field: text."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"--change {text!r}: {why}")
        self.text = text


def apply_changes(config: ContainerConfig, changes: Sequence[str]) -> ContainerConfig:
    """`config` with each instruction of `changes` applied in order. Raises InvalidChange.

    As in a Dockerfile an ENTRYPOINT takes the CMD away that no earlier change has set.
    """
    command_set = False
    for change in changes:
        name, _, rest = change.strip().partition(" ")
        rest = rest.strip()
        apply = _INSTRUCTIONS.get(name.upper())
        if apply is None:
            known = ", ".join(sorted(_INSTRUCTIONS))
            raise InvalidChange(
                change, f"{name or 'nothing'} is not a valid change command; known are {known}"
            )
        if not rest:
            raise InvalidChange(change, f"{name.upper()} requires an argument")
        if "\0" in rest:
            raise InvalidChange(change, "it holds a NUL")
        try:
            config = apply(config, rest)
        except ValueError as problem:
            raise InvalidChange(change, str(problem)) from problem
        command_set |= name.upper() == "CMD"
        if name.upper() == "ENTRYPOINT" and not command_set:
            config = config.replace(cmd=None)
    return config


def _cmd(config: ContainerConfig, text: str) -> ContainerConfig:
    return config.replace(cmd=_command(config, text))


def _entrypoint(config: ContainerConfig, text: str) -> ContainerConfig:
    return config.replace(entrypoint=_command(config, text))


def _env(config: ContainerConfig, text: str) -> ContainerConfig:
    variables = {word.partition("=")[0]: word for word in config.env}
    variables.update((name, f"{name}={value}") for name, value in _pairs(text))
    return config.replace(env=tuple(variables.values()))


def _label(config: ContainerConfig, text: str) -> ContainerConfig:
    return config.replace(labels=tuple(sorted({**dict(config.labels), **dict(_pairs(text))}.items())))


def _expose(config: ContainerConfig, text: str) -> ContainerConfig:
    ports = {port for word in shlex.split(text) for port in _ports(word)}
    return config.replace(exposed_ports=tuple(sorted({*config.exposed_ports, *ports})))


def _user(config: ContainerConfig, text: str) -> ContainerConfig:
    return config.replace(user=text)


def _volume(config: ContainerConfig, text: str) -> ContainerConfig:
    words = _json_list(text)
    paths = shlex.split(text) if words is None else words
    if not all(path.strip() for path in paths):
        raise ValueError("VOLUME specified can not be an empty string")
    return config.replace(volumes=tuple(sorted({*config.volumes, *paths})))


def _workdir(config: ContainerConfig, text: str) -> ContainerConfig:
    joined = posixpath.join("/", config.working_dir, text)
    return config.replace(working_dir="/" + posixpath.normpath(joined).lstrip("/"))


def _healthcheck(config: ContainerConfig, text: str) -> ContainerConfig:
    from cowl.oci.json_object import dumps

    node = _parsed("HEALTHCHECK", text)
    assert isinstance(node, Healthcheck)
    command = node.command
    if command is None:
        test = ["NONE"]
    else:
        test = ["CMD-SHELL", command] if isinstance(command, str) else ["CMD", *map(str, command)]
    members = {
        "Test": test,
        "Interval": node.interval_ns,
        "Timeout": node.timeout_ns,
        "StartPeriod": node.start_period_ns,
        "StartInterval": node.start_interval_ns,
        "Retries": node.retries,
    }
    return config.replace(healthcheck=dumps({name: value for name, value in members.items() if value}))


def _onbuild(config: ContainerConfig, text: str) -> ContainerConfig:
    _parsed("", text)
    return config.replace(onbuild=(*config.onbuild, text))


def _stop_signal(config: ContainerConfig, text: str) -> ContainerConfig:
    import signal  # 5 ms, and few changes have one

    known = {name.removeprefix("SIG") for name in signal.Signals.__members__}
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= _LAST_SIGNAL and text.upper().removeprefix("SIG") not in known:
        raise ValueError(f"{text!r} is no signal, as SIGTERM and 15 are")
    return config.replace(stop_signal=text)


def _parsed(keyword: str, text: str) -> Instruction:
    """The one instruction of a text, as a Dockerfile has it. Raises ValueError."""
    from cowl.dockerfile.diagnostics import DockerfileError
    from cowl.dockerfile.parser import parse_fragment

    try:
        nodes = parse_fragment(f"{keyword} {text}".strip(), "--change")
    except DockerfileError as problem:
        raise ValueError(problem.reason) from problem
    if len(nodes) != 1:
        raise ValueError("it is more than one instruction")
    return nodes[0]


_INSTRUCTIONS: dict[str, Callable[[ContainerConfig, str], ContainerConfig]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}


def _command(config: ContainerConfig, text: str) -> tuple[str, ...]:
    """Exec form as it is; shell form behind the shell."""
    words = _json_list(text)
    return (*(config.shell or _SHELL), text) if words is None else tuple(words)


def _json_list(text: str) -> list[str] | None:
    """The strings of a JSON array, or None where Docker takes the text for shell form."""
    if not text.startswith("["):
        return None
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _pairs(text: str) -> list[tuple[str, str]]:
    """NAME=value words, or one pair in the old form `NAME value`."""
    words = shlex.split(text)
    if "=" not in words[0]:
        name, _, value = text.partition(" ")
        if not value.strip():
            raise ValueError(f"{name} must have a value, as in {name}=value")
        return [(name, value.strip())]
    pairs = [word.partition("=") for word in words]
    bad = next((word for word, pair in zip(words, pairs, strict=True) if not pair[1] or not pair[0]), None)
    if bad is not None:
        raise ValueError(f"{bad!r} must be of the form name=value")
    return [(name, value) for name, _, value in pairs]


def _ports(word: str) -> list[str]:
    match = _PORT.fullmatch(word)
    low = int(match[1]) if match else -1
    high = int(match[2]) if match and match[2] else low
    if match is None or not 0 < low <= high <= _MAX_PORT:
        raise ValueError(f"{word!r} is not a port, as 80, 53/udp or 8000-8010 are")
    return [f"{port}/{(match[3] or 'tcp').lower()}" for port in range(low, high + 1)]
