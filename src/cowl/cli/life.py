"""start in the background, stop, kill, restart and wait: containers that are there."""

from __future__ import annotations

import sys

from cowl import CowlError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cowl import Container, Engine
    from cowl.cli.call import Call


def start_detached(call: Call) -> int:
    """`cowl start` without -a. One that runs already is fine, as for Docker."""
    with call.engine() as engine:
        engine.warm_up(detach=True)
        failed = _each(call, engine, lambda box: box if box.state == "running" else box.start(detach=True))
    if failed:
        raise CowlError(f"failed to start containers: {', '.join(failed)}")
    return 0


def stop(call: Call) -> int:
    """`cowl stop`: all that are named at once, so that their timeouts don't add up."""
    timeout = _timeout(call)
    return _status_of_all(call, lambda box: _stop(box, timeout, call.text("signal")))


def _stop(box: Container, timeout: float | None, signal: str) -> None:
    try:
        box.stop(timeout, signal=signal)
    except NotFound:
        pass  # --rm: it has ended


def _timeout(call: Call) -> float | None:
    """--timeout, which was --time before; None: as the container has it."""
    given = [call.number(flag) for flag in ("time", "timeout") if call.given(flag)]
    return given[-1] if given else None


def kill(call: Call) -> int:
    """`cowl kill`."""
    return status_of_each(call, lambda box: box.kill(call.text("signal") or "KILL"))


def restart(call: Call) -> int:
    """`cowl restart`: likewise."""
    timeout = _timeout(call)
    return _status_of_all(call, lambda box: box.restart(timeout, signal=call.text("signal")))


def wait(call: Call) -> int:
    """`cowl wait`: prints the exit codes, in the order of the arguments."""
    failed = 0
    with call.engine() as engine:
        for name in call.words:
            try:
                print(engine.container(name).wait(), flush=True)
            except CowlError as error:
                failed = 1
                _complain(error)
    return failed


def status_of_each(call: Call, action: Callable[[Container], object]) -> int:
    """Does it to every container that was named, prints its name or what went wrong; the exit status."""
    with call.engine() as engine:
        return 1 if _each(call, engine, action) else 0


def _status_of_all(call: Call, action: Callable[[Container], object]) -> int:
    """The same with a thread for each container; told in the order of the arguments."""
    if len(call.words) == 1:
        return status_of_each(call, action)
    import threading

    failures: dict[int, Exception] = {}
    with call.engine() as engine:

        def act(place: int, name: str) -> None:
            try:
                action(engine.container(name))
            except Exception as error:  # noqa: BLE001  # told below, or raised there
                failures[place] = error

        threads = [threading.Thread(target=act, args=each) for each in enumerate(call.words)]
        for thread in threads:
            thread.start()
        for place, thread in enumerate(threads):
            thread.join()
            failure = failures.get(place)
            if failure is None:
                print(call.words[place], flush=True)
            elif isinstance(failure, CowlError):
                _complain(failure)
            else:
                raise failure
    return 1 if failures else 0


def _each(call: Call, engine: Engine, action: Callable[[Container], object]) -> list[str]:
    """Does it to every container that was named, and prints the name; gives those where that failed."""
    failed = []
    for name in call.words:
        try:
            action(engine.container(name))
            print(name, flush=True)
        except CowlError as error:
            failed.append(name)
            _complain(error)
    return failed


def _complain(error: CowlError) -> None:
    from cowl.cli.failure import describe

    sys.stdout.flush()
    print(describe(error), file=sys.stderr)
