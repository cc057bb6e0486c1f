"""Classic BPF as seccomp(2) runs it: instructions, conditions on 64-bit arguments, and a search tree.

Code is built as plain tuples from the end backwards, so that every jump distance is known when it is
written. A block never falls through: it always returns. See linux/filter.h and seccomp(2).
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Instruction: TypeAlias = tuple[int, int, int, int]  # code, jump if true, jump if false, k
    Code: TypeAlias = list[Instruction]

LOAD, AND, JUMP = 0x20, 0x54, 0x05  # BPF_LD|W|ABS, BPF_ALU|AND|K, BPF_JMP|JA
EQUAL, GREATER, AT_LEAST, RETURN = 0x15, 0x25, 0x35, 0x06  # BPF_JMP|J..|K, BPF_RET|K

# Offsets in struct seccomp_data
NUMBER, ARCH, _ARGUMENTS = 0, 4, 16

HOLDS, FAILS = -1, -2  # where a condition's steps jump to, until it is known where that is
_FAR = 255  # a conditional jump skips at most so many instructions

PROGRAM_LIMIT = 4096  # BPF_MAXINSNS


def give(result: int) -> Code:
    """Returns a SECCOMP_RET_ value."""
    return [(RETURN, 0, 0, result)]


def condition(index: int, operator: str, value: int, second: int) -> Code:
    """The steps that compare argument `index` (0-5) with 64-bit numbers, as SCMP_CMP_`operator`.

    A masked comparison whose mask leaves the high half out does not look at it. Raises KeyError for an
    unknown operator.
    """
    low = _ARGUMENTS + 8 * index
    high = low + 4
    if operator == "MASKED_EQ":
        return _masked(high, second >> 32, value >> 32) + _masked(low, second & _WORD, value & _WORD)
    above, below, test, if_true, if_false = _ORDER[operator]
    return [
        (LOAD, 0, 0, high),
        *([] if above == below else [(GREATER, above, 0, value >> 32)]),
        (EQUAL, 0, below, value >> 32),
        (LOAD, 0, 0, low),
        (test, if_true, if_false, value & _WORD),
    ]


_WORD = 0xFFFF_FFFF
# operator: where to go when the high half is greater, when it is less; the test of the low half, its ways
_ORDER: dict[str, tuple[int, int, int, int, int]] = {
    "EQ": (FAILS, FAILS, EQUAL, HOLDS, FAILS),
    "NE": (HOLDS, HOLDS, EQUAL, FAILS, HOLDS),
    "GT": (HOLDS, FAILS, GREATER, HOLDS, FAILS),
    "GE": (HOLDS, FAILS, AT_LEAST, HOLDS, FAILS),
    "LT": (FAILS, HOLDS, AT_LEAST, FAILS, HOLDS),
    "LE": (FAILS, HOLDS, GREATER, FAILS, HOLDS),
}


def _masked(offset: int, wanted: int, mask: int) -> Code:
    if mask == 0 and wanted == 0:
        return []
    masking = [] if mask == _WORD else [(AND, 0, 0, mask)]
    return [(LOAD, 0, 0, offset), *masking, (EQUAL, 0, FAILS, wanted)]


def when(conditions: Sequence[Code], then: Code, otherwise: Code) -> Code:
    """`then` if every condition holds, `otherwise` if one fails. Conditions are of `condition`."""
    code = then
    for steps in reversed(conditions):
        code = _guard(steps, code)
    return code + otherwise


def _guard(steps: Code, then: Code) -> Code:
    """`steps` before `then`; a failure jumps over all of it."""
    code: Code = []
    for left, (operation, if_true, if_false, operand) in zip(range(len(steps))[::-1], steps, strict=True):
        places = {0: 0, HOLDS: left, FAILS: left + len(then)}
        code.append((operation, places[if_true], places[if_false], operand))
    return code + then


def search(ranges: Sequence[tuple[int, Code]]) -> Code:
    """Finds the block for the number in the accumulator: `ranges` are (first number, block), ascending.

    A balanced tree: the depth is the logarithm of their count. The first range starts at 0.
    """
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    less, more = search(ranges[:middle]), search(ranges[middle:])
    pivot = ranges[middle][0]
    if len(less) <= _FAR:
        return [(AT_LEAST, len(less), 0, pivot), *less, *more]
    return [(AT_LEAST, 0, 1, pivot), (JUMP, 0, 0, len(less)), *less, *more]


def assemble(code: Code) -> bytes:
    """The array of struct sock_filter."""
    pack = struct.Struct("=HBBI").pack
    return b"".join([pack(*instruction) for instruction in code])
