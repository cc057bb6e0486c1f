"""The system call filter: the `linux.seccomp` object of the OCI runtime-spec, compiled and installed.

Rules of one system call are tried in the profile's order and the first whose arguments all match wins; a
rule without arguments always matches. As in runc, a rule that names an argument twice means either of its
comparisons. A call that the kernel may have but no rule names gets the default action; a number that is
not known here gets ENOSYS where the default is an errno, so that programs fall back instead of failing.
"""

from __future__ import annotations

import ctypes
import errno
import os

from cowl.errors import Invalid, Unavailable
from cowl.linux import bpf
from cowl.linux.syscall_numbers import numbers
from cowl.linux.syscalls import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

KILL_PROCESS, KILL_THREAD = 0x8000_0000, 0
TRAP, ERRNO, NOTIFY, TRACE = 0x0003_0000, 0x0005_0000, 0x7FC0_0000, 0x7FF0_0000
LOG, ALLOW = 0x7FFC_0000, 0x7FFF_0000

_ACTIONS = {
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_LOG": LOG,
    "SCMP_ACT_ALLOW": ALLOW,
}
_WITH_NUMBER = (ERRNO, TRACE)
_ERRNO_LIMIT = 4095  # MAX_ERRNO: the kernel would cap it silently

# uname's machine: AUDIT_ARCH_ constant, the spec's name for it
_ARCHITECTURES = {
    "x86_64": (0xC000_003E, "SCMP_ARCH_X86_64"),
    "aarch64": (0xC000_00B7, "SCMP_ARCH_AARCH64"),
}
_X32_BIT = 0x4000_0000

_SET_MODE_FILTER = 1
_NEW_LISTENER, _WAIT_KILLABLE_RECV = 1 << 3, 1 << 5


class InvalidSeccomp(Invalid):
    """The profile can't be understood or would not mean what it says."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the seccomp profile is invalid: {reason}")


class NoSeccomp(Unavailable):
    """cowl has no system call table for this machine."""

    def __init__(self, machine: str) -> None:
        self.machine = machine
        super().__init__(
            f"seccomp filters can't be made for {machine}", hint="x86_64 and aarch64 are supported"
        )


def compile_profile(
    profile: Mapping[str, Any], notify: Collection[str] = frozenset(), machine: str = ""
) -> bytes:
    """The filter of `profile` as an array of struct sock_filter; `machine` defaults to this one.

    Only the machine's native ABI passes: another kills the process, an x32 call gets ENOSYS. Calls in
    `notify` are handed to the listener where the profile would allow them. Names that the machine lacks
    are ignored. Pure. Raises InvalidSeccomp, or NoSeccomp for a machine without a table.
    """
    machine = machine or os.uname().machine
    if machine not in _ARCHITECTURES:
        raise NoSeccomp(machine)
    audit_arch, spec_name = _ARCHITECTURES[machine]
    architectures = profile.get("architectures") or [spec_name]
    if spec_name not in architectures:
        raise InvalidSeccomp(f"architectures are {', '.join(architectures)}, this machine is {spec_name}")
    tree = bpf.search(_ranges(profile, notify, machine))
    code: bpf.Code = [
        (bpf.LOAD, 0, 0, bpf.ARCH),
        (bpf.EQUAL, 1, 0, audit_arch),
        (bpf.RETURN, 0, 0, KILL_PROCESS),
        (bpf.LOAD, 0, 0, bpf.NUMBER),
        *tree,
    ]
    if len(code) > bpf.PROGRAM_LIMIT:
        raise InvalidSeccomp(f"it needs {len(code)} instructions, the kernel takes {bpf.PROGRAM_LIMIT}")
    return bpf.assemble(code)


def _ranges(profile: Mapping[str, Any], notify: Collection[str], machine: str) -> list[tuple[int, bpf.Code]]:
    """(first number, block) ascending; equal neighbours are one range."""
    default = _action(profile.get("defaultAction", ""), profile.get("defaultErrnoRet"))
    unknown = ERRNO | errno.ENOSYS if default & 0xFFFF_0000 == ERRNO else default
    unknown_block, default_block = bpf.give(unknown), bpf.give(default)
    table = numbers(machine)
    rules = _rules(profile.get("syscalls") or (), table)
    blocks: dict[int, bpf.Code] = {}
    for name, number in table.items():
        found = rules.get(name)
        if found is not None:
            blocks[number] = _block(found, default_block, name in notify)
        else:
            blocks[number] = bpf.give(NOTIFY) if default == ALLOW and name in notify else default_block
    ranges: list[tuple[int, bpf.Code]] = []
    end = 0
    for number in sorted(blocks):
        if number > end:
            _extend(ranges, end, unknown_block)
        _extend(ranges, number, blocks[number])
        end = number + 1
    _extend(ranges, end, unknown_block)
    if machine == "x86_64":
        _extend(ranges, _X32_BIT, bpf.give(ERRNO | errno.ENOSYS))
    return ranges


def _extend(ranges: list[tuple[int, bpf.Code]], first: int, block: bpf.Code) -> None:
    if not ranges or ranges[-1][1] != block:
        ranges.append((first, block))


def _rules(
    syscalls: Sequence[Mapping[str, Any]], table: Mapping[str, int]
) -> dict[str, list[tuple[int, tuple[bpf.Code, ...]]]]:
    """By name: (action, conditions) in order."""
    rules: dict[str, list[tuple[int, tuple[bpf.Code, ...]]]] = {}
    for rule in syscalls:
        action = _action(rule.get("action", ""), rule.get("errnoRet"))
        alternatives = [(action, conditions) for conditions in _alternatives(rule.get("args") or ())]
        for name in rule["names"]:
            if name in rules:
                rules[name] += alternatives
            elif name in table:
                rules[name] = alternatives[:]
    return rules


def _action(name: str, number: int | None) -> int:
    """The SECCOMP_RET_ value of an action of the spec."""
    action = _ACTIONS.get(name)
    if action is None:
        raise InvalidSeccomp(f"unknown or unsupported action {name!r}")
    if action not in _WITH_NUMBER:
        return action
    number = errno.EPERM if number is None else number
    if not 0 <= number <= _ERRNO_LIMIT:
        raise InvalidSeccomp(f"errno {number} is out of range")
    return action | number


def _alternatives(arguments: Sequence[Mapping[str, Any]]) -> list[tuple[bpf.Code, ...]]:
    """The conjunctions that the arguments of one rule stand for."""
    conditions = tuple(_condition(argument) for argument in arguments)
    indexes = {argument["index"] for argument in arguments}
    if len(indexes) < len(conditions):
        return [(each,) for each in conditions]
    return [conditions]


def _condition(argument: Mapping[str, Any]) -> bpf.Code:
    index, value, second = argument["index"], argument["value"], argument.get("valueTwo", 0)
    operator = str(argument["op"])
    if not 0 <= index <= 5 or not 0 <= value < 1 << 64 or not 0 <= second < 1 << 64:
        raise InvalidSeccomp(f"an argument is out of range: {dict(argument)}")
    try:
        return bpf.condition(index, operator.removeprefix("SCMP_CMP_"), value, second)
    except KeyError:
        raise InvalidSeccomp(f"unknown operator {operator!r}") from None


def _block(rules: Sequence[tuple[int, tuple[bpf.Code, ...]]], default: bpf.Code, notified: bool) -> bpf.Code:
    """What is done about one system call."""
    code = default
    for action, conditions in reversed(rules):
        given = bpf.give(NOTIFY if notified and action == ALLOW else action)
        code = bpf.when(conditions, given, code) if conditions else given
    return code


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(program: bytes, listener: bool = False) -> int:
    """Puts this thread, and all that it becomes, under `program` for good; needs no_new_privs.

    Returns the notification fd (close-on-exec) when a `listener` is asked for, else -1. A notified call
    of this thread waits until the fd is answered. Raises OSError; the thread is then as it was.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    header = _Program(len(program) // 8, ctypes.addressof(buffer))
    pointer = ctypes.cast(ctypes.pointer(header), ctypes.c_void_p).value
    if not listener:
        call("seccomp", _SET_MODE_FILTER, 0, pointer)
        return -1
    try:
        return call("seccomp", _SET_MODE_FILTER, _NEW_LISTENER | _WAIT_KILLABLE_RECV, pointer)
    except OSError as error:
        if error.errno != errno.EINVAL:  # Linux before 5.19
            raise
    return call("seccomp", _SET_MODE_FILTER, _NEW_LISTENER, pointer)
