"""The task of a RUN: what is executed, as whom, where, with which environment."""

from __future__ import annotations

from cowl.build.entitlements import check_entitlements
from cowl.build.history import run_text
from cowl.build.keys import run_inputs
from cowl.build.plan import PROXIES
from cowl.build.state import DEFAULT_PATH
from cowl.build.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from cowl.build.heredoc_command import Script
    from cowl.build.mount_task import MountTask
    from cowl.build.run_settings import RunSettings
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.build.tree import Tree
    from cowl.dockerfile import nodes
    from cowl.dockerfile.nodes import Word


class RunTask(Task):
    """RUN: `args` as `user` in `working_dir`, with `env` ("NAME=value" words) and nothing else.

    `script`, when there is one, is there as an executable file while the command runs.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    working_dir: str
    network: str
    script: Script | None = None
    mounts: tuple[MountTask, ...] = ()
    insecure: bool = False


def run_task(
    state: State, node: nodes.Run, ground: Ground, find: Callable[[Word], tuple[Tree, str]]
) -> RunTask:
    """The task of a RUN whose variables are in. `find` gives what a from= of its mounts means.

    Raises DockerfileError, SourceNotFound.
    """
    check_entitlements(ground.file, node, ground.network, ground.settings.allow)
    script = None
    if node.heredocs:
        from cowl.build.heredoc_command import heredoc_command

        text, script = heredoc_command(ground.file, node)
        args = (*state.shell, text)
    elif isinstance(node.command, str):
        args = (*state.shell, node.command)
    else:
        args = tuple(map(str, node.command))
    network = ground.network if node.network in ("", "default") else str(node.network)
    config = state.image.config
    variables = state.environment
    variables.setdefault("PATH", DEFAULT_PATH)
    env = [f"{name}={value}" for name, value in variables.items()]
    mounts = _mounts(state, node, ground, find) if node.mounts else ()
    insecure = node.security == "insecure"
    more = {**settings_parts(ground.settings), "mounts": [mount.part for mount in mounts]}
    more["security"] = "insecure" if insecure else ""
    inputs = run_inputs(state.chain, args, env, config.user, state.working_dir, network, more)
    if script is not None:
        inputs = inputs.replace(parts={**inputs.parts, "script": script.content})
    return RunTask(
        state=state,
        node=node,
        inputs=inputs,
        history=run_text(args, state.arguments, state.environment),
        args=args,
        env=(*env, *_proxies(ground.given, variables)),
        user=config.user,
        working_dir=state.working_dir,
        network=network,
        script=script,
        mounts=mounts,
        insecure=insecure,
    )


def _mounts(
    state: State, node: nodes.Run, ground: Ground, find: Callable[[Word], tuple[Tree, str]]
) -> tuple[MountTask, ...]:
    from cowl.build.mount_task import mount_tasks

    return mount_tasks(state, node, ground, find)


def settings_parts(settings: RunSettings) -> dict[str, Any]:
    """What of the caller's settings is in a cache key, as in BuildKit: of hosts the names alone."""
    return {
        "hosts": [name for name, _ in settings.hosts],
        "limits": [list(limit) for limit in settings.limits],
        "shm": settings.shm_bytes,
    }


def _proxies(given: Mapping[str, str], variables: Mapping[str, str]) -> list[str]:
    """The proxy arguments that no ARG declares, in both spellings."""
    found = {name.lower(): value for name, value in given.items() if name.lower() in PROXIES}
    words = ((spelling, value) for name, value in found.items() for spelling in (name, name.upper()))
    return [f"{name}={value}" for name, value in words if name not in variables]
