"""Opening: the context that a request names, and where else its sources come from."""

from __future__ import annotations

import os
import time

from cowl.build.addresses import is_remote
from cowl.build.context import Context
from cowl.build.remote.remotes import Remotes
from cowl.config import Config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl.build.request import BuildRequest
    from cowl.store.store import Store


def remotes_for(
    request: BuildRequest, store: Store, config: Config | None, clock: Callable[[], float]
) -> Remotes:
    """Where the sources of a request come from. git over ssh has the keys of --ssh default."""
    agent = request.settings.agent("default")
    return Remotes(
        store,
        config or Config(store.root),
        clock=clock,
        sleep=time.sleep,
        ssh=agent.paths if agent else (),
    )


def open_context(request: BuildRequest, remotes: Remotes) -> Context:
    """The context of a request, fetched or unpacked if it is no directory here. To be closed."""
    context = request.context
    if isinstance(context, str) and not is_remote(context):
        return Context(os.path.abspath(context))
    keep = dict(request.build_args).get("BUILDKIT_CONTEXT_KEEP_GIT_DIR") in ("1", "true")
    return remotes.context(context, keep_git_dir=keep)
