/* Finds what is in the address space of a guest's process that is not the guest's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEP (2ul << 20)
#define PAGE 4096ul
#define TOP 0x7ffffffff000ul

static sigjmp_buf after_fault;

static void on_fault(int sig) { siglongjmp(after_fault, sig); }

static inline void catch_faults(void) {
    struct sigaction a = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
    int all[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) sigaction(all[i], &a, 0);
}

static inline int can_read(uintptr_t at) {
    if (sigsetjmp(after_fault, 1)) return 0;
    *(volatile unsigned char *)at;
    return 1;
}

static inline int can_write(uintptr_t at) {
    if (sigsetjmp(after_fault, 1)) return 0;
    volatile unsigned char *p = (volatile unsigned char *)at;
    *p = *p;
    return 1;
}

/* The end of the guest's highest mapping, as the guest is told. */
static inline uintptr_t guest_top(void) {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    uintptr_t a, b, top = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx", &a, &b) == 2 && b <= TOP && b > top) top = b;
    if (f) fclose(f);
    return top;
}

/* Where the stub's part begins: what is readable above all mappings that the guest is told of. Zero if nothing is. */
static inline uintptr_t find_stub(void) {
    catch_faults();
    for (uintptr_t at = (guest_top() + STEP - 1) & -STEP; at < TOP; at += STEP)
        if (can_read(at)) return at;
    return 0;
}

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Waits for a child that may be stuck; it is killed then. Returns its status. */
static inline int reap(pid_t pid, double patience) {
    int status;
    double end = now() + patience;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (now() > end) {
            kill(pid, SIGKILL);
            end = now() + 1000;
        }
        usleep(500);
    }
    return status;
}
