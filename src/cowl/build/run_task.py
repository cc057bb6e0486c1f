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

    from cowl.build.state import State
    from cowl.build.task import Ground
    from cowl.dockerfile import nodes


class RunTask(Task):
    """RUN: `args` as `user` in `working_dir`, with `env` ("NAME=value" words) and nothing else."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    working_dir: str
    network: str


def run_task(state: State, node: nodes.Run, ground: Ground) -> RunTask:
    """The task of a RUN whose variables are in."""
    args = (*state.shell, node.command) if isinstance(node.command, str) else tuple(map(str, node.command))
    network = ground.network if node.network in ("", "default") else str(node.network)
    config = state.image.config
    variables = state.environment
    variables.setdefault("PATH", DEFAULT_PATH)
    env = [f"{name}={value}" for name, value in variables.items()]
    return RunTask(
        state=state,
        node=node,
        inputs=run_inputs(state.chain, args, env, config.user, state.working_dir, network),
        history=run_text(args, state.arguments, state.environment),
        args=args,
        env=(*env, *_proxies(ground.given, variables)),
        user=config.user,
        working_dir=state.working_dir,
        network=network,
    )


def _proxies(given: Mapping[str, str], variables: Mapping[str, str]) -> list[str]:
    """The proxy arguments that no ARG declares, in both spellings."""
    found = {name.lower(): value for name, value in given.items() if name.lower() in PROXIES}
    words = ((spelling, value) for name, value in found.items() for spelling in (name, name.upper()))
    return [f"{name}={value}" for name, value in words if name not in variables]
