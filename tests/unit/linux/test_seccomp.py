"""The compiled filter against the profile's meaning, in a small BPF machine and in the kernel."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Callable
from typing import Any

import pytest

from cowl.linux import credentials, seccomp
from cowl.linux.syscall_numbers import numbers
from cowl.runtime.seccomp_profile import default_profile

ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
CAPABILITIES = ("CAP_CHOWN", "CAP_SETUID", "CAP_SYS_CHROOT")
EPERM, ENOSYS, EINVAL = (seccomp.ERRNO | number for number in (errno.EPERM, errno.ENOSYS, errno.EINVAL))

WORD = 0xFFFFFFFF
VALUES = (0, 1, 2, 8, 9, 16, 37, 38, 39, 40, 0x5411, 0x5412, 0x541C, 0x20000, 0x20008, 0x10000000, 0x10000011)
WIDE = (*(value | 1 << high for value in VALUES for high in (32, 63)), WORD, 2**64 - 1, 2**64 - 38)


def execute(program: bytes, number: int, arch: int, arguments: tuple[int, ...] = (0,) * 6) -> int:
    """What the kernel's classic BPF machine returns for one call."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments)
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator = position = 0
    while True:
        operation, if_true, if_false, k = code[position]
        position += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, k)
            case 0x54:
                accumulator &= k
            case 0x05:
                position += k
            case 0x06:
                return int(k)
            case 0x15:
                position += if_true if accumulator == k else if_false
            case 0x25:
                position += if_true if accumulator > k else if_false
            case 0x35:
                position += if_true if accumulator >= k else if_false
            case other:
                raise AssertionError(f"unknown instruction {other:#x}")


def holds(argument: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    given, value = arguments[argument["index"]], argument["value"]
    comparisons: dict[str, Callable[[], bool]] = {
        "SCMP_CMP_EQ": lambda: given == value,
        "SCMP_CMP_NE": lambda: given != value,
        "SCMP_CMP_LT": lambda: given < value,
        "SCMP_CMP_LE": lambda: given <= value,
        "SCMP_CMP_GT": lambda: given > value,
        "SCMP_CMP_GE": lambda: given >= value,
        "SCMP_CMP_MASKED_EQ": lambda: given & value == argument["valueTwo"],
    }
    return comparisons[argument["op"]]()


def meaning(profile: dict[str, Any], name: str | None, arguments: tuple[int, ...]) -> int:
    """The profile read in the plainest way."""
    if name is None:
        return ENOSYS
    for rule in profile["syscalls"]:
        if name in rule["names"] and all(holds(each, arguments) for each in rule.get("args", ())):
            allowed = rule["action"] == "SCMP_ACT_ALLOW"
            return seccomp.ALLOW if allowed else seccomp.ERRNO | rule["errnoRet"]
    return seccomp.ERRNO | int(profile["defaultErrnoRet"])


@pytest.mark.parametrize("machine", ARCHES)
def test_every_number_means_what_the_profile_says(machine: str) -> None:
    profile = {**default_profile(CAPABILITIES), "architectures": []}
    program = seccomp.compile_profile(profile, machine=machine)
    names = {number: name for name, number in numbers(machine).items()}
    for number in [*range(601), 0x3FFFFFFF, 0x7FFFFFFF, WORD]:
        for value in VALUES if number in names else (0,):
            arguments = (value, value, 9, 0, 0, 0)
            expected = meaning(profile, names.get(number), arguments)
            assert execute(program, number, ARCHES[machine], arguments) == expected, (number, arguments)


@pytest.mark.parametrize("name", ["socket", "ioctl", "clone", "personality"])
@pytest.mark.parametrize("machine", ARCHES)
def test_wide_arguments_mean_what_the_profile_says(machine: str, name: str) -> None:
    profile = {**default_profile(CAPABILITIES), "architectures": []}
    program = seccomp.compile_profile(profile, machine=machine)
    for first in VALUES + WIDE:
        for second in VALUES + WIDE:
            arguments = (first, second, second, 0, 0, 0)
            expected = meaning(profile, name, arguments)
            assert execute(program, numbers(machine)[name], ARCHES[machine], arguments) == expected


@pytest.mark.parametrize("operator", ["EQ", "NE", "LT", "LE", "GT", "GE", "MASKED_EQ"])
def test_operators_compare_64_bits(operator: str) -> None:
    edges = (0, 1, WORD - 1, WORD, WORD + 1, 5 << 32, (5 << 32) + 7, (6 << 32) + 1, 2**64 - 1)
    for value in edges:
        argument = {"index": 3, "value": value, "valueTwo": value & 7, "op": f"SCMP_CMP_{operator}"}
        rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [argument]}
        program = seccomp.compile_profile(
            {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}, machine="x86_64"
        )
        for given in edges:
            arguments = (0, 0, 0, given, 0, 0)
            expected = seccomp.ALLOW if holds(argument, arguments) else EPERM
            assert execute(program, 0, ARCHES["x86_64"], arguments) == expected, (value, given)


def test_conditions_on_different_arguments_must_all_hold() -> None:
    arguments = [{"index": index, "value": 7, "op": "SCMP_CMP_EQ"} for index in (0, 2)]
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": arguments}
    program = seccomp.compile_profile(
        {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}, machine="x86_64"
    )
    assert execute(program, 0, ARCHES["x86_64"], (7, 0, 7, 0, 0, 0)) == seccomp.ALLOW
    assert execute(program, 0, ARCHES["x86_64"], (7, 0, 8, 0, 0, 0)) == EPERM
    assert execute(program, 0, ARCHES["x86_64"], (8, 0, 7, 0, 0, 0)) == EPERM


def test_an_argument_named_twice_means_either() -> None:
    arguments = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in (3, 4)]
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": arguments}
    program = seccomp.compile_profile(
        {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]}, machine="x86_64"
    )
    answers = [execute(program, 0, ARCHES["x86_64"], (value, 0, 0, 0, 0, 0)) for value in (2, 3, 4, 5)]
    assert answers == [EPERM, seccomp.ALLOW, seccomp.ALLOW, EPERM]


@pytest.mark.parametrize("machine", ARCHES)
def test_only_the_native_abi_passes(machine: str) -> None:
    for default in ("SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"):
        program = seccomp.compile_profile({"defaultAction": default}, machine=machine)
        other = next(arch for name, arch in ARCHES.items() if name != machine)
        for arch in (I386, other, 0):
            assert execute(program, 1, arch) == seccomp.KILL_PROCESS


def test_x32_calls_are_not_there() -> None:
    program = seccomp.compile_profile({"defaultAction": "SCMP_ACT_ALLOW"}, machine="x86_64")
    for number in (0x40000000, 0x40000001, 0x40000000 + 520, 0x7FFFFFFF, WORD):
        assert execute(program, number, ARCHES["x86_64"]) == ENOSYS
    assert execute(program, 1, ARCHES["x86_64"]) == seccomp.ALLOW


def test_the_default_profile_refuses_what_leads_out() -> None:
    names = numbers("x86_64")
    program = seccomp.compile_profile({**default_profile(()), "architectures": []}, machine="x86_64")
    denied = """mount umount2 unshare setns keyctl add_key request_key bpf perf_event_open open_by_handle_at
        kexec_load kexec_file_load userfaultfd init_module finit_module delete_module reboot swapon swapoff
        pivot_root fsopen fsmount fsconfig fspick move_mount open_tree open_tree_attr mount_setattr chroot
        acct settimeofday clock_settime sethostname setdomainname syslog iopl ioperm quotactl quotactl_fd
        lookup_dcookie io_uring_setup io_uring_enter io_uring_register pidfd_getfd process_madvise kcmp
        move_pages migrate_pages mbind nfsservctl uselib ustat sysfs vhangup fanotify_init _sysctl"""
    for name in denied.split():
        assert execute(program, names[name], ARCHES["x86_64"]) == EPERM, name
    for name in ("clone3", "listns"):
        assert execute(program, names[name], ARCHES["x86_64"]) == ENOSYS
    for name in ("read", "execve", "ptrace", "clone", "openat2", "futex", "statx", "seccomp", "rseq"):
        assert execute(program, names[name], ARCHES["x86_64"]) == seccomp.ALLOW, name


@pytest.mark.parametrize("high", [0, 1 << 32, 1 << 63, 0xFFFFFFFF << 32])
def test_high_bits_that_the_kernel_ignores_open_nothing(high: int) -> None:
    names = numbers("x86_64")
    program = seccomp.compile_profile({**default_profile(()), "architectures": []}, machine="x86_64")

    def answer(name: str, *arguments: int) -> int:
        return execute(program, names[name], ARCHES["x86_64"], (*arguments, *(0,) * (6 - len(arguments))))

    for request in (0x5412, 0x541C):
        assert answer("ioctl", 0, high | request) == EPERM
    for family in (38, 40, 12, 37):
        assert answer("socket", high | family, 5) == EPERM
    assert answer("socket", high | 16, 3, high | 9) == EINVAL
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer("clone", high | namespace | 17) == EPERM
    assert answer("socket", high | 2, 1) == seccomp.ALLOW
    assert answer("ioctl", 0, high | 0x5413) == seccomp.ALLOW


def test_capabilities_open_their_calls() -> None:
    names = numbers("x86_64")
    for capability, name in (
        ("CAP_SYS_ADMIN", "mount"),
        ("CAP_SYS_ADMIN", "clone3"),
        ("CAP_SYS_CHROOT", "chroot"),
        ("CAP_SYS_PTRACE", "pidfd_getfd"),
        ("CAP_SYS_TIME", "clock_settime"),
        ("CAP_SYS_BOOT", "reboot"),
    ):
        profile = {**default_profile((capability,)), "architectures": []}
        program = seccomp.compile_profile(profile, machine="x86_64")
        assert execute(program, names[name], ARCHES["x86_64"]) == seccomp.ALLOW


def test_notified_calls_go_to_the_listener_only_where_they_are_allowed() -> None:
    names = numbers("x86_64")
    profile = {**default_profile(()), "architectures": []}
    program = seccomp.compile_profile(profile, frozenset(("chown", "socket", "mount")), "x86_64")
    assert execute(program, names["chown"], ARCHES["x86_64"]) == seccomp.NOTIFY
    assert execute(program, names["socket"], ARCHES["x86_64"], (2, 1, 0, 0, 0, 0)) == seccomp.NOTIFY
    assert execute(program, names["socket"], ARCHES["x86_64"], (38, 5, 0, 0, 0, 0)) == EPERM
    assert execute(program, names["mount"], ARCHES["x86_64"]) == EPERM


def test_far_jumps_reach(machine: str = "x86_64") -> None:
    """Rules so long that the tree's jumps exceed eight bits."""
    names = list(numbers(machine))[:120:2]
    arguments = [{"index": index, "value": 1 << 40, "op": "SCMP_CMP_GT"} for index in range(6)]
    rules = [{"names": [name], "action": "SCMP_ACT_ALLOW", "args": arguments} for name in names]
    profile = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": rules}
    program = seccomp.compile_profile(profile, machine=machine)
    for name, number in numbers(machine).items():
        for values in ((0,) * 6, ((1 << 40) + 1,) * 6, (*((1 << 41,) * 5), 5)):
            assert execute(program, number, ARCHES[machine], values) == meaning(profile, name, values)


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({}, "action ''"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "SCMP_ACT_NOTIFY"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}, "4096"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}, "SCMP_ARCH_S390X"),
    ],
)
def test_a_profile_that_can_not_be_kept_is_refused(profile: dict[str, Any], reason: str) -> None:
    with pytest.raises(seccomp.InvalidSeccomp, match=reason):
        seccomp.compile_profile(profile, machine="x86_64")


@pytest.mark.parametrize(
    "argument",
    [
        {"index": 6, "value": 0, "op": "SCMP_CMP_EQ"},
        {"index": 0, "value": 1 << 64, "op": "SCMP_CMP_EQ"},
        {"index": 0, "value": -1, "op": "SCMP_CMP_EQ"},
        {"index": 0, "value": 0, "op": "SCMP_CMP_LIKE"},
    ],
)
def test_a_bad_argument_is_refused(argument: dict[str, Any]) -> None:
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [argument]}
    with pytest.raises(seccomp.InvalidSeccomp):
        seccomp.compile_profile({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]})


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(seccomp.NoSeccomp, match="vax"):
        seccomp.compile_profile({"defaultAction": "SCMP_ACT_ALLOW"}, machine="vax")


# In the kernel


def filtered(body: Callable[[], list[int]]) -> list[int] | int:
    """What `body` returns in a child under the default filter, or the number of the signal that ended it."""
    program = seccomp.compile_profile(default_profile(()))
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            credentials.forbid_new_privileges()
            assert seccomp.install(program) == -1
            os.write(writer, repr(body()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as result:
        text = result.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    assert status == 0
    return [int(word) for word in text.strip("[]").split(",")]


def raw(number: int, *arguments: int) -> int:
    """The errno of a system call, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_ulong(each) for each in (number, *arguments, *(0,) * (6 - len(arguments)))]
    result = libc.syscall(*words)
    return ctypes.get_errno() if result == -1 else 0


def test_the_kernel_agrees() -> None:
    table = numbers(os.uname().machine)

    def body() -> list[int]:
        return [
            raw(table["unshare"], 0x10000000),
            raw(table["clone3"]),
            raw(table["mount"]),
            raw(table["ioctl"], 0, 0x5412 | 1 << 40, 0),
            raw(table["socket"], 38, 5),
            raw(table["socket"], 38 | 1 << 32, 5),
            raw(table["socket"], 40, 1),
            raw(9999),
            raw(table["getpid"]),
            raw(table["personality"], 0xFFFFFFFF),
            raw(table["personality"], 0x0040000),
        ]

    assert filtered(body) == [1, 38, 1, 1, 1, 1, 1, 38, 0, 0, 1]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x32 is an ABI of x86_64")
def test_the_kernel_refuses_x32() -> None:
    assert filtered(lambda: [raw(0x40000000 + 39)]) == [errno.ENOSYS]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is of x86")
def test_a_32_bit_call_kills() -> None:
    import mmap

    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid of i386); int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    function = ctypes.CFUNCTYPE(ctypes.c_int)(address)
    assert filtered(lambda: [function()]) == signal.SIGSYS


def test_installing_needs_no_new_privs_or_rights() -> None:
    program = seccomp.compile_profile(default_profile(()))
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                credentials.set_capabilities(0)
            seccomp.install(program)
        except OSError as error:
            status = 0 if error.errno == errno.EACCES else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
