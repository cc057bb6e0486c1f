"""Config steps: the instructions that change the config and make no layer. Pure: a State to the next."""

from __future__ import annotations

import re

from cowl.build.history import healthcheck_text, list_text, pairs_text, quoted_list_text, told
from cowl.build.state import State, with_pair
from cowl.dockerfile import nodes
from cowl.dockerfile.diagnostics import error_at, quoted
from cowl.dockerfile.scope import expand_node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cowl.dockerfile.nodes import Dockerfile

# Patterns are compiled when first used: most builds have no EXPOSE.
_PORTS = r"(?:[^/]*:)?(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp)?)?"
# BuildKit's own switches: declared like any ARG, but RUN does not see them.
_NOT_IN_ENVIRONMENT = ("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE")


def is_config_step(node: nodes.Instruction) -> bool:
    """Whether `apply_config` carries out this instruction."""
    return type(node) in _STEPS or isinstance(node, nodes.Arg)


def apply_config(state: State, node: nodes.Instruction, file: Dockerfile) -> State:
    """The state behind an instruction of which the variables are in. Raises DockerfileError."""
    return _STEPS[type(node)](state, node, file)


def declare(
    state: State, node: nodes.Arg, file: Dockerfile, given: Mapping[str, str], inherited: Mapping[str, str]
) -> State:
    """The state behind ARG: the value given by the user, else the default, else the one before FROM.

    Names are declared one by one: a default sees the ones before it, and is not looked at when there is a
    value. Raises DockerfileError.
    """
    words = []
    for each in node.arguments:
        bare = each.default is None
        name = str(_argument(state, node, file, each.replace(default=None)).name)
        value = given.get(name, inherited.get(name) if bare else None)
        if value is None and not bare:
            value = str(_argument(state, node, file, each).default)
        state = state.replace(arguments=with_pair(state.arguments, name, value or ""))
        if value is not None and name not in _NOT_IN_ENVIRONMENT:
            state = state.replace(variables=with_pair(state.variables, name, value))
        words.append(name if value is None else f"{name}={value}")
    return told(state, " ".join(("ARG", *words)))


def _argument(
    state: State, node: nodes.Arg, file: Dockerfile, each: nodes.ArgDeclaration
) -> nodes.ArgDeclaration:
    """One declaration with the variables in."""
    expanded = expand_node(file, node.replace(arguments=(each,)), state.environment).node
    assert isinstance(expanded, nodes.Arg)
    return expanded.arguments[0]


def _changed(state: State, **changes: Any) -> State:
    config = state.image.config.replace(**changes)
    return state.replace(image=state.image.replace(config=config))


def _env(state: State, node: nodes.Env, _file: Dockerfile) -> State:
    pairs = [(str(pair.key), str(pair.value)) for pair in node.pairs]
    words = {word.partition("=")[0]: word for word in state.image.config.env}
    for name, value in pairs:
        words[name] = f"{name}={value}"
        state = state.replace(variables=with_pair(state.variables, name, value))
    return told(_changed(state, env=tuple(words.values())), pairs_text("ENV", pairs))


def _label(state: State, node: nodes.Label, _file: Dockerfile) -> State:
    pairs = [(str(pair.key), str(pair.value)) for pair in node.pairs]
    return told(with_labels(state, pairs), pairs_text("LABEL", pairs))


def with_labels(state: State, pairs: Any) -> State:
    """`state` with labels set, without history."""
    return _changed(state, labels=tuple(sorted({**dict(state.image.config.labels), **dict(pairs)}.items())))


def in_shell(state: State, command: nodes.Command) -> tuple[str, ...]:
    """The words to execute: exec form as it is, shell form behind SHELL."""
    return (*state.shell, command) if isinstance(command, str) else tuple(map(str, command))


def _cmd(state: State, node: nodes.Cmd, _file: Dockerfile) -> State:
    args = in_shell(state, node.command)
    state = _changed(state, cmd=args, args_escaped=True).replace(command_set=True)
    return told(state, quoted_list_text("CMD", args))


def _entrypoint(state: State, node: nodes.Entrypoint, _file: Dockerfile) -> State:
    args = in_shell(state, node.command)
    cmd = state.image.config.cmd if state.command_set else None
    return told(_changed(state, entrypoint=args, cmd=cmd), quoted_list_text("ENTRYPOINT", args))


def _user(state: State, node: nodes.User, _file: Dockerfile) -> State:
    return told(_changed(state, user=str(node.user)), f"USER {node.user}")


def _maintainer(state: State, node: nodes.Maintainer, _file: Dockerfile) -> State:
    state = state.replace(image=state.image.replace(author=str(node.name)))
    return told(state, f"MAINTAINER {node.name}")


def _shell(state: State, node: nodes.Shell, _file: Dockerfile) -> State:
    words = tuple(map(str, node.command))
    return told(_changed(state, shell=words), list_text("SHELL", words))


def _onbuild(state: State, node: nodes.Onbuild, _file: Dockerfile) -> State:
    return _changed(state, onbuild=(*state.image.config.onbuild, node.trigger))


def _expose(state: State, node: nodes.Expose, file: Dockerfile) -> State:
    ports = tuple(port for word in node.ports for port in _port_range(node, word, file))
    merged = tuple(sorted({*state.image.config.exposed_ports, *ports}))
    return told(_changed(state, exposed_ports=merged), list_text("EXPOSE", ports))


def _port_range(node: nodes.Expose, word: nodes.Word, file: Dockerfile) -> list[str]:
    match = re.fullmatch(_PORTS, word, re.IGNORECASE | re.ASCII)
    low = int(match[1]) if match else -1
    high = int(match[2]) if match and match[2] else low
    if not match or not low <= high <= 65535:
        raise error_at(
            file,
            node,
            f"{quoted(word)} is no port",
            word=word,
            hint="Write a number from 0 to 65535 or a range, such as 80, 53/udp or 8000-8010/tcp.",
        )
    protocol = (match[3] or "tcp").lower()
    return [f"{port}/{protocol}" for port in range(low, high + 1)]


def _volume(state: State, node: nodes.Volume, file: Dockerfile) -> State:
    for path in node.paths:
        if not path:
            raise error_at(file, node, "the path of a VOLUME can't be empty", word=path)
        if ".." in path.split("/"):
            raise error_at(
                file, node, f"the path of a VOLUME can't have '..' in it: {quoted(path)}", word=path
            )
    paths = tuple(map(str, node.paths))
    merged = tuple(sorted({*state.image.config.volumes, *paths}))
    return told(_changed(state, volumes=merged), list_text("VOLUME", paths))


def _stop_signal(state: State, node: nodes.StopSignal, file: Dockerfile) -> State:
    if not _is_signal(node.signal):
        raise error_at(
            file,
            node,
            f"{quoted(node.signal)} is no signal",
            word=node.signal,
            hint="Write a name such as SIGTERM, or a number.",
        )
    return told(_changed(state, stop_signal=str(node.signal)), f"STOPSIGNAL {node.signal}")


def _is_signal(text: str) -> bool:
    import signal  # 5 ms, and few Dockerfiles have one

    if text.isdecimal():
        return 1 <= int(text) <= 64
    name = text.upper().removeprefix("SIG")
    base, _, offset = name.partition("+" if name.startswith("RTMIN") else "-")
    if base in ("RTMIN", "RTMAX") and offset:
        return offset.isdecimal() and int(offset) <= 15
    return f"SIG{name}" in signal.Signals.__members__


def _healthcheck(state: State, node: nodes.Healthcheck, _file: Dockerfile) -> State:
    test = _test_words(node.command)
    times = {
        "Interval": node.interval_ns,
        "Timeout": node.timeout_ns,
        "StartPeriod": node.start_period_ns,
        "StartInterval": node.start_interval_ns,
    }
    document = {"Test": test, **times, "Retries": node.retries}
    text = healthcheck_text(test, times.values(), node.retries)
    return told(_changed(state, healthcheck=_compact(document)), text)


def _test_words(command: nodes.Command | None) -> list[str]:
    if command is None:
        return ["NONE"]
    return ["CMD-SHELL", command] if isinstance(command, str) else ["CMD", *map(str, command)]


def _compact(document: Mapping[str, Any]) -> str:
    from cowl.oci.json_object import dumps

    return dumps({name: value for name, value in document.items() if value})


_STEPS: dict[type[nodes.Instruction], Callable[[State, Any, Dockerfile], State]] = {
    nodes.Env: _env,
    nodes.Label: _label,
    nodes.Cmd: _cmd,
    nodes.Entrypoint: _entrypoint,
    nodes.User: _user,
    nodes.Maintainer: _maintainer,
    nodes.Shell: _shell,
    nodes.Onbuild: _onbuild,
    nodes.Expose: _expose,
    nodes.Volume: _volume,
    nodes.StopSignal: _stop_signal,
    nodes.Healthcheck: _healthcheck,
}
