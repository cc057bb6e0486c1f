"""The last step: from the child to the payload, found in PATH as a shell would."""

from __future__ import annotations

import errno
import os

from cowl.linux import channel
from cowl.linux.descriptors import close_from, duplicate
from cowl.runtime.failures import CommandNotExecutable, CommandNotFound

READY = b"X"  # the last word of a child whose execve works
CALLS = ("sendmsg", "execve", "exit_group")  # what the child still does under its system call filter
_CHANNEL = 3
_NEXT = (errno.ENOENT, errno.ENOTDIR)


def close_others(keeper: int, program: int = -1) -> tuple[int, int]:
    """Leaves only 0, 1, 2, the channel to the keeper and the program of an init, if there is one.

    Their new numbers: always 3, and 4 or -1.
    """
    if program >= 0:
        program = duplicate(program, _CHANNEL + 2)
    if keeper != _CHANNEL:
        os.dup2(keeper, _CHANNEL, inheritable=False)
    if program < 0:
        close_from(_CHANNEL + 1)
        return _CHANNEL, -1
    os.dup2(program, _CHANNEL + 1, inheritable=False)
    close_from(_CHANNEL + 2)
    return _CHANNEL, _CHANNEL + 1


def execute(args: tuple[str, ...], env: tuple[str, ...]) -> None:
    """Executes `args` once all but 0, 1, 2 and the channel are closed; returns never.

    Raises CommandNotFound, CommandNotExecutable.
    """
    channel.send(_CHANNEL, READY)
    search(args, env)


def search(args: tuple[str, ...], env: tuple[str, ...]) -> None:
    """Executes `args`, found in the PATH of `env`; returns never. Raises as `execute`."""
    words = [_encoded(word) for word in args]
    pairs = dict(_encoded(word).split(b"=", 1) for word in env if "=" in word)
    _search(args[0], words, pairs)


def _search(name: str, words: list[bytes], env: dict[bytes, bytes]) -> None:
    denied: OSError | None = None
    for candidate in candidates(words[0], env.get(b"PATH", b"")):
        try:
            os.execve(candidate, words, env)
        except OSError as error:
            if error.errno == errno.EACCES:
                denied = denied or error
            elif error.errno not in _NEXT:
                raise _not_executable(name, error) from None
    if denied is not None:
        raise _not_executable(name, denied)
    raise _not_found(name)


def candidates(name: bytes, path: bytes) -> list[bytes]:
    """Where a command may be, in order."""
    if b"/" in name:
        return [name]
    return [(folder or b".") + b"/" + name for folder in path.split(b":")] if name else []


def _not_found(name: str) -> CommandNotFound:
    if "/" not in name:
        return CommandNotFound(f"exec: {name!r}: executable file not found in $PATH")
    if os.path.lexists(name):
        return CommandNotFound(
            f"exec: {name!r}: no such file or directory",
            hint="the file is there: its #! interpreter or its ELF loader is missing from the image",
        )
    return CommandNotFound(f"exec: {name!r}: no such file or directory")


def _not_executable(name: str, error: OSError) -> CommandNotExecutable:
    reasons = {errno.ENOEXEC: "exec format error", errno.EACCES: "permission denied"}
    reason = reasons.get(error.errno or 0, os.strerror(error.errno or 0))
    hint = "is it built for another architecture?" if error.errno == errno.ENOEXEC else ""
    return CommandNotExecutable(f"exec: {name!r}: {reason}", hint=hint)


def _encoded(word: str) -> bytes:
    """Images speak UTF-8, whatever the host's locale."""
    return word.encode("utf-8", "surrogateescape")
