"""The default system call profile: Docker's allow-list, as the `linux.seccomp` object of the runtime-spec.

Beyond Docker's: native ABI only; pushing input into a terminal is refused; where the 64-bit argument
registers are wider than what the kernel reads, only the low 32 bits are compared, so that set high bits
change nothing. Calls that are newer than cowl get ENOSYS (see cowl.linux.seccomp), as with runc. Rules
with arguments come before the rule of the same call without: they are tried in order.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_ALLOWED = """
accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown
clock_adjtime clock_getres clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup
dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
epoll_wait_old eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate
fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock
fork fremovexattr fsetxattr fstat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv
futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid geteuid
getgid getgroups getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresuid getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getxattr getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
io_pgetevents io_setup io_submit ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self lchown lgetxattr link linkat listen listmount listxattr listxattrat llistxattr
lremovexattr lseek lsetxattr lstat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore
mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap modify_ldt mprotect mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall
munmap name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe
pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64 preadv preadv2 prlimit64 process_mrelease
process_vm_readv process_vm_writev pselect6 ptrace pwrite64 pwritev pwritev2 read readahead readlink
readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr removexattrat rename renameat
renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity
sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
sendfile sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid
setgroups setitimer setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt
setuid setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 socketpair
splice stat statfs statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
timerfd_settime times tkill truncate umask uname unlink unlinkat uprobe uretprobe utime utimensat utimes
vfork vmsplice wait4 waitid write writev
"""

# What a capability opens; the kernel still asks for the capability itself.
_WITH_CAPABILITY = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_ADMIN": "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie"
    " lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree"
    " open_tree_attr perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount2"
    " unshare",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime settimeofday",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}

# Callers of these fall back on ENOSYS only. clone3's flags lie behind a pointer: no filter sees them.
_MISSING = "clone3 file_getattr file_setattr listns"

_INT = 0xFFFF_FFFF  # what the kernel reads of an int argument
_NAMESPACES = 0x7E02_0000  # CLONE_NEWNS, CGROUP, UTS, IPC, USER, PID, NET
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFF_FFFF)  # Linux, Linux32, uname 2.6 of both, "which?"
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
# Without a use in containers or without an owner in the kernel: DECnet, Econet, ATMSVC, IrDA, WANPIPE,
# ISDN, CAIF, ALG (crypto API), VSOCK (reaches the hypervisor).
_FAMILIES = (12, 19, 20, 23, 25, 34, 37, 38, 40)
_NETLINK, _NETLINK_AUDIT = 16, 9


def default_profile(capabilities: Sequence[str]) -> dict[str, Any]:
    """The profile for a process that may have these capabilities ("CAP_CHOWN", ...)."""
    held = set(capabilities)
    names = _ALLOWED.split()
    for capability, calls in _WITH_CAPABILITY.items():
        if capability in held:
            names += calls.split()
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "architectures": [f"SCMP_ARCH_{os.uname().machine.upper()}"],
        "syscalls": [
            {"names": names, "action": "SCMP_ACT_ALLOW"},
            _deny([name for name in _MISSING.split() if name not in names], errno.ENOSYS),
            _allow("clone", _masked(0, _NAMESPACES, 0)),
            *(_allow("personality", _masked(0, _INT, value)) for value in _PERSONALITIES),
            *(_deny(["ioctl"], errno.EPERM, _masked(1, _INT, number)) for number in _TERMINAL_INPUT),
            _allow("ioctl"),
            *(_deny(["socket"], errno.EPERM, _masked(0, _INT, family)) for family in _FAMILIES),
            *_audit(held),
            _allow("socket"),
        ],
    }


def no_profile() -> dict[str, Any]:
    """Every call of the native ABI is allowed."""
    return {"defaultAction": "SCMP_ACT_ALLOW"}


def _audit(held: set[str]) -> list[dict[str, Any]]:
    """Without the right to write audit records, say that there is no audit: login and su then go on."""
    if "CAP_AUDIT_WRITE" in held:
        return []
    family, protocol = _masked(0, _INT, _NETLINK), _masked(2, _INT, _NETLINK_AUDIT)
    return [_deny(["socket"], errno.EINVAL, family, protocol)]


def _allow(name: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": list(arguments)}


def _deny(names: list[str], error: int, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error, "args": list(arguments)}


def _masked(index: int, mask: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
