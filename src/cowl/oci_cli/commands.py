"""What each command does: thin calls of cowl.OciRuntime, and their output."""

from __future__ import annotations

import json
import os
import sys

from cowl import Invalid, OciRuntime
from cowl.oci_cli.foreground import attend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cowl import CowlError
    from cowl.oci_cli.words import Parsed


def call(name: str, parsed: Parsed, root: str) -> int:
    """Carries a command out; its exit status."""
    return _HANDLERS[name](OciRuntime(root), parsed)


def _create(runtime: OciRuntime, parsed: Parsed) -> int:
    runtime.create(parsed.words[0], parsed.text("bundle") or ".", **_making(parsed))
    return 0


def _making(parsed: Parsed) -> dict[str, Any]:
    return {
        "console_socket": parsed.text("console-socket"),
        "pid_file": parsed.text("pid-file"),
        "preserve_fds": parsed.number("preserve-fds"),
    }


def _start(runtime: OciRuntime, parsed: Parsed) -> int:
    return _warn(runtime.start(parsed.words[0]))


def _warn(failed: list[Any]) -> int:
    """Hooks that fail when all is done are told, and no failure."""
    error: CowlError
    for error in failed:
        print(f"cowl-runtime: warning: {error.message}", file=sys.stderr)
    return 0


def _run(runtime: OciRuntime, parsed: Parsed) -> int:
    identity = parsed.words[0]
    pid, console = runtime.run(identity, parsed.text("bundle") or ".", **_making(parsed))
    if parsed.on("detach"):
        return 0
    status = attend(pid, -1 if parsed.text("console-socket") else console)
    if not parsed.on("keep"):
        _warn(runtime.delete(identity, force=True))
    return status


def _state(runtime: OciRuntime, parsed: Parsed) -> int:
    print(json.dumps(runtime.state(parsed.words[0]), indent=2))
    return 0


def _kill(runtime: OciRuntime, parsed: Parsed) -> int:
    word = parsed.words[1] if len(parsed.words) > 1 else "TERM"
    runtime.kill(parsed.words[0], _signal_number(word), all=parsed.on("all"))
    return 0


def _signal_number(word: str) -> int:
    import signal

    if word.isdigit() and 0 <= int(word) <= signal.NSIG:
        return int(word)
    number = getattr(signal, f"SIG{word.upper().removeprefix('SIG')}", None)
    if not isinstance(number, signal.Signals):
        raise Invalid(f"unknown signal {word!r}")
    return number


def _delete(runtime: OciRuntime, parsed: Parsed) -> int:
    return _warn(runtime.delete(parsed.words[0], force=parsed.on("force")))


def _exec(runtime: OciRuntime, parsed: Parsed) -> int:
    making, socket = _making(parsed), parsed.text("console-socket")
    env = () if parsed.text("process") else parsed.many("env")
    pid, console = runtime.exec(parsed.words[0], _process(parsed), env=env, **making)
    return 0 if parsed.on("detach") else attend(pid, -1 if socket else console)


def _process(parsed: Parsed) -> dict[str, Any]:
    """The object of --process, or the one that the flags make."""
    if parsed.text("process"):
        with open(parsed.text("process")) as file:
            found = json.load(file)
        if not isinstance(found, dict):
            raise Invalid(f"{parsed.text('process')} holds no JSON object")
        return found
    made: dict[str, Any] = {"args": list(parsed.words[1:]), "terminal": parsed.on("tty")}
    if parsed.text("cwd"):
        made["cwd"] = parsed.text("cwd")
    if parsed.on("no-new-privs"):
        made["noNewPrivileges"] = True
    if parsed.text("user") or parsed.many("additional-gids"):
        made["user"] = _user(parsed.text("user"), parsed.many("additional-gids"))
    if parsed.many("cap"):
        sets = ("bounding", "effective", "permitted", "inheritable", "ambient")
        made["capabilities"] = {key: [*parsed.many("cap")] for key in sets}
    return made


def _user(text: str, groups: tuple[str, ...]) -> dict[str, Any]:
    uid, _, gid = (text or "0").partition(":")
    if not all(word.isdigit() for word in (uid, gid or "0", *groups)):
        raise Invalid(f"{text!r}: ids are numbers", hint="a runtime looks up no names")
    return {"uid": int(uid), "gid": int(gid or 0), "additionalGids": [int(group) for group in groups]}


def _list(runtime: OciRuntime, parsed: Parsed) -> int:
    states = runtime.states()
    if parsed.on("quiet"):
        for state in states:
            print(state["id"])
    elif parsed.text("format") == "json":
        print(json.dumps(states))
    else:
        row = "{:20} {:10} {:10} {:30} {:31} {}"
        print(row.format("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"))
        for state in states:
            values = (state[name] for name in ("id", "pid", "status", "bundle", "created", "owner"))
            print(row.format(*(str(value) for value in values)))
    return 0


def _ps(runtime: OciRuntime, parsed: Parsed) -> int:
    pids = runtime.processes(parsed.words[0])
    if parsed.text("format") == "json":
        print(json.dumps(pids))
        return 0
    words = parsed.words[1:] or ("-f",)
    sys.stdout.flush()
    child = os.posix_spawnp("ps", ["ps", *words, "-p", ",".join(map(str, pids)) or "0"], os.environ)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _pause(runtime: OciRuntime, parsed: Parsed) -> int:
    runtime.pause(parsed.words[0])
    return 0


def _resume(runtime: OciRuntime, parsed: Parsed) -> int:
    runtime.resume(parsed.words[0])
    return 0


def _spec(runtime: OciRuntime, parsed: Parsed) -> int:
    path = os.path.join(parsed.text("bundle") or ".", "config.json")
    with open(path, "x") as file:
        json.dump(runtime.example(rootless=parsed.on("rootless")), file, indent=2)
    return 0


def _features(runtime: OciRuntime, _parsed: Parsed) -> int:
    print(json.dumps(runtime.features(), indent=2))
    return 0


_HANDLERS: dict[str, Callable[[OciRuntime, Parsed], int]] = {
    "create": _create,
    "run": _run,
    "start": _start,
    "state": _state,
    "kill": _kill,
    "delete": _delete,
    "exec": _exec,
    "list": _list,
    "ps": _ps,
    "pause": _pause,
    "resume": _resume,
    "spec": _spec,
    "features": _features,
}
