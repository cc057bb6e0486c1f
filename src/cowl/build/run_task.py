"""The task of a RUN: what is executed, as whom, where, with which environment."""

from __future__ import annotations

from cowl.build.history import run_text
from cowl.build.keys import run_inputs
from cowl.build.plan import PROXIES
from cowl.build.state import DEFAULT_PATH
from cowl.build.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from cowl.build.heredoc_command import Script
    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.dockerfile import nodes


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


def run_task(state: State, node: nodes.Run, ground: Ground) -> RunTask:
    """The task of a RUN whose variables are in."""
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
    inputs = run_inputs(state.chain, args, env, config.user, state.working_dir, network)
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
    )


def _proxies(given: Mapping[str, str], variables: Mapping[str, str]) -> list[str]:
    """The proxy arguments that no ARG declares, in both spellings."""
    found = {name.lower(): value for name, value in given.items() if name.lower() in PROXIES}
    words = ((spelling, value) for name, value in found.items() for spelling in (name, name.upper()))
    return [f"{name}={value}" for name, value in words if name not in variables]
