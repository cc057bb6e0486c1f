"""What run and create have in common: flags as keywords, the image that is fetched, the ID in a file."""

from __future__ import annotations

import os
import sys

from cowl import Invalid, NotFound
from cowl.cli.fixture_flags import FIXTURES
from cowl.cli.health_flags import HEALTH
from cowl.cli.limit_flags import limits
from cowl.cli.networking import networking
from cowl.cli.pairs import environment, labels
from cowl.events import Warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cowl import Container, Engine
    from cowl.cli.call import Call
    from cowl.events import Event

_CONFINEMENT_LISTS = (
    ("cap_add", "cap-add"),
    ("cap_drop", "cap-drop"),
    ("group_add", "group-add"),
    ("security_opt", "security-opt"),
    ("sysctls", "sysctl"),
)
_CONFINEMENT_TEXTS = ("cgroupns", "ipc", "pid", "userns", "uts")
POLICIES = ("always", "missing", "never")


class UnsupportedRun(Invalid):
    """What `docker run` can and cowl can't yet, or flags that contradict each other."""


def check(call: Call) -> None:
    """Raises UnsupportedRun for what can be told from the flags alone."""
    if call.text("pull") not in POLICIES:
        raise UnsupportedRun(
            f"invalid --pull {call.text('pull')!r}", hint=f"The policies are {', '.join(POLICIES)}."
        )
    if call.text("cidfile") and os.path.exists(call.text("cidfile")):
        raise UnsupportedRun(
            f"container ID file found, make sure the other container isn't running or delete "
            f"{call.text('cidfile')}"
        )


class PullListener:
    """Fetches what is missing, and shows progress for no longer than that takes."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._show: Any = None

    def __call__(self, event: Event) -> None:
        if self._show is not None:
            self._show(event)
        elif isinstance(event, Warned):
            print(f"WARNING: {event.message}", file=sys.stderr)

    def fetch(self, engine: Engine, image: str, policy: str, platform: str) -> None:
        """Makes sure that the image is here, as --pull says."""
        if policy != "always" and self._is_here(engine, image, platform):
            return
        if policy == "never":
            raise NotFound(f"No such image: {image}", hint="--pull never keeps cowl from fetching it.")
        from cowl.cli import names
        from cowl.cli.interrupts import end_cleanly
        from cowl.cli.progress import pull_progress

        end_cleanly()
        if policy == "missing":
            tag = ":latest" if names.lacks_tag(image) else ""
            print(f"Unable to find image '{image}{tag}' locally", file=sys.stderr)
        with pull_progress(quiet=self._quiet) as self._show:
            engine.pull(image, platform=platform)
        self._show = None

    def _is_here(self, engine: Engine, image: str, platform: str) -> bool:
        if not platform or not engine.has_image(image):
            return engine.has_image(image)
        found = engine.image(image)
        words = platform.split("/")
        return (found.os, found.architecture)[: len(words)] == tuple(words[:2])


def options(call: Call) -> dict[str, Any]:
    """The flags as keywords of Engine.start and Engine.create."""
    entrypoint = call.text("entrypoint")
    replaced = [entrypoint] if entrypoint else []
    return {
        **_life(call),
        "name": call.text("name"),
        "env": environment(call.many("env"), call.many("env-file"), os.environ),
        "user": call.text("user"),
        "workdir": call.text("workdir"),
        "hostname": call.text("hostname"),
        "entrypoint": replaced if call.given("entrypoint") else None,
        "read_only": call.on("read-only"),
        "runtime": call.text("runtime"),
        "labels": labels(call.many("label"), call.many("label-file")),
        "binds": [*map(_absolute, call.many("volume"))],
        "tty": call.on("tty"),
        "init": call.on("init"),
        "open_stdin": call.on("interactive"),
        "stdin_once": not (call.has("detach") and call.on("detach")),
        **_confinement(call),
        **networking(call),
        **limits(call),
        **_health(call),
        **_fixtures(call),
    }


def _health(call: Call) -> dict[str, Any]:
    """Loaded for whoever asks for something."""
    if not any(call.given(flag.name) for flag in HEALTH):
        return {}
    from cowl.cli.health import health

    return health(call)


def _confinement(call: Call) -> dict[str, Any]:
    """The flags about isolation that were given; none is what most containers have."""
    lists = {name: call.many(flag) for name, flag in _CONFINEMENT_LISTS if call.given(flag)}
    texts = {name: call.text(name) for name in _CONFINEMENT_TEXTS if call.given(name)}
    return {**lists, **texts, "privileged": True} if call.on("privileged") else {**lists, **texts}


def _life(call: Call) -> dict[str, Any]:
    """The flags about how it ends, and where its output goes."""
    return {
        "restart": call.text("restart") or "no",
        "stop_signal": call.text("stop-signal"),
        "stop_timeout": call.number("stop-timeout") if call.given("stop-timeout") else None,
        "log_driver": call.text("log-driver") or "json-file",
        "log_options": call.many("log-opt"),
        "timeout": call.number("timeout") if call.given("timeout") else 0,
    }


def _fixtures(call: Call) -> dict[str, Any]:
    if not any(call.given(flag.name) for flag in FIXTURES):
        return {}
    from cowl.cli.mount_flag import fixtures

    return fixtures(call)


def _absolute(bind: str) -> str:
    """A source below . or .. is one of this directory; a plain word would be a volume's name."""
    source, colon, rest = bind.partition(":")
    if source in (".", "..") or source.startswith(("./", "../")):
        return f"{os.path.abspath(source)}{colon}{rest}"
    return bind


def write_id(path: str, box: Container) -> None:
    """The container's ID to the file that --cidfile names, "" for none."""
    if path:
        with open(path, "x") as out:
            out.write(box.id)
