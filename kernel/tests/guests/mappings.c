// The calls on the address space and their errors. Prints what each gives, so that the host and the sandbox can be compared.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define P 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
static void show(const char *what, long r) {
    if (r == -1)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %ld\n", what, r);
}
#define SHOW(x) show(#x, (long)(x))
// Mappings whose place may differ.
#define OK(x) show(#x, (void *)(x) == MAP_FAILED ? -1 : 1)

static const char *self;
static sigjmp_buf back;
static int signal_code;
static void on_fault(int s, siginfo_t *i, void *c) {
    (void)c;
    signal_code = s * 1000 + i->si_code;
    siglongjmp(back, 1);
}
static int touch(volatile char *p, int write) {
    if (sigsetjmp(back, 1))
        return signal_code;
    if (write)
        *p = 1;
    else
        (void)*p;
    return 0;
}
static char *map(size_t n) { return mmap(NULL, n * P, RW, ANON, -1, 0); }

static void flags(int fd) {
    char *p = map(8);
    SHOW(munmap(p + 3 * P, P));
    OK(mmap(p + 2 * P, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    SHOW((char *)mmap(p + 3 * P, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + 3 * P);
    OK(mmap(NULL, 0, RW, ANON, -1, 0));
    OK(mmap(NULL, P, RW, MAP_ANONYMOUS, -1, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED_VALIDATE, fd, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED, -1, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED, fd, 1));
    OK(mmap(NULL, P, RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
    OK(mmap(p + 1, P, RW, ANON | MAP_FIXED, -1, 0));
    OK(mmap((void *)(-P), P, RW, ANON | MAP_FIXED, -1, 0));
    OK(mmap(NULL, 1ul << 60, RW, ANON | MAP_NORESERVE, -1, 0));
    OK(mmap(NULL, -1ul, RW, ANON, -1, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED, fd, -P));
    char *low = mmap(NULL, P, RW, ANON | MAP_32BIT, -1, 0);
    SHOW((unsigned long)low < 1ul << 31);
    SHOW(touch(low, 1));
    char *stack = mmap(NULL, P, RW, ANON | MAP_GROWSDOWN | MAP_STACK, -1, 0);
    SHOW(touch(stack, 1));
    int ro = open("/program", O_RDONLY), wo = open("/dev/null", O_WRONLY), dir = open("/", O_RDONLY | O_DIRECTORY);
    if (ro < 0)
        ro = open(self, O_RDONLY);
    OK(mmap(NULL, P, RW, MAP_SHARED, ro, 0));
    char *r = mmap(NULL, P, PROT_READ, MAP_SHARED, ro, 0);
    SHOW(mprotect(r, P, RW));
    SHOW(touch(r, 1));
    OK(mmap(NULL, P, RW, MAP_PRIVATE, ro, 0));
    OK(mmap(NULL, P, PROT_READ, MAP_PRIVATE, wo, 0));
    OK(mmap(NULL, P, PROT_READ, MAP_PRIVATE, dir, 0));
    OK(mmap(NULL, P, PROT_READ, MAP_PRIVATE, 99, 0));
    int zero = open("/dev/zero", O_RDONLY), zero_rw = open("/dev/zero", O_RDWR);
    OK(mmap(NULL, P, RW, MAP_SHARED, zero, 0));
    OK(mmap(NULL, P, RW, MAP_PRIVATE, zero, 0));
    OK(mmap(NULL, P, RW, MAP_SHARED, zero_rw, 0));
    r = mmap(NULL, P, PROT_READ, MAP_SHARED, zero, 0);
    SHOW(mprotect(r, P, RW));
    SHOW(touch(r, 0));
    SHOW(touch(r, 1));
    SHOW(mprotect(mmap(NULL, P, PROT_READ, MAP_PRIVATE, zero, 0), P, RW));
    close(zero), close(zero_rw);
    close(ro), close(wo), close(dir);
}

static void protect(void) {
    char *p = map(4);
    SHOW(mprotect(p + 1, P, PROT_READ));
    SHOW(mprotect(p, 0, 99));
    SHOW(mprotect(p, P, 0x40));
    SHOW(mprotect(p, P, PROT_READ | PROT_GROWSDOWN));
    SHOW(mprotect(p, P, PROT_READ | PROT_GROWSUP));
    SHOW(mprotect(p, P, PROT_READ | PROT_GROWSUP | PROT_GROWSDOWN));
    SHOW(mprotect(p, P, PROT_NONE));
    SHOW(touch(p, 0));
    SHOW(mprotect(p, P, PROT_READ | 8));
    SHOW(touch(p, 0));
    SHOW(touch(p, 1));
    SHOW(munmap(p + 2 * P, P));
    SHOW(mprotect(p, 4 * P, PROT_NONE));
    SHOW(touch(p + P, 0));
    SHOW(touch(p + 2 * P, 0));
    SHOW(touch(p + 3 * P, 1));
    SHOW(mprotect(p, -1ul, PROT_NONE));
    SHOW(munmap(p + 1, P));
    SHOW(munmap(p, 0));
    SHOW(munmap((void *)-P, P));
    SHOW(munmap(p + 2 * P, P));
    char here;
    char *page = (char *)((unsigned long)&here & -P);
    SHOW(mprotect(page, P, RW | PROT_GROWSDOWN));
}

static void resident(int fd) {
    unsigned char v[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    char *p = map(4);
    p[0] = 1;
    SHOW(mincore(p, 4 * P, v));
    SHOW(v[0]);
    SHOW(v[4]);
    SHOW(mincore(p + 1, P, v));
    SHOW(mincore(p, 4 * P, (void *)8));
    SHOW(mincore(p, 0, v));
    SHOW(munmap(p + 3 * P, P));
    SHOW(mincore(p, 4 * P, v));
    SHOW(mincore(p, -P, v));
    SHOW(mlock(p, 3 * P));
    SHOW(mincore(p, 3 * P, v));
    SHOW(v[0] + v[1] + v[2]);
    SHOW(mlock(p, 4 * P));
    SHOW(mlock(p + 5, 7));
    SHOW(mlock(p, 0));
    SHOW(syscall(SYS_mlock2, p, P, 2));
    SHOW(syscall(SYS_mlock2, p, P, 1));
    SHOW(madvise(p, P, MADV_DONTNEED));
    SHOW(msync(p, P, MS_INVALIDATE));
    SHOW(munlock(p, 4 * P));
    SHOW(munlock(p, 3 * P));
    SHOW(mlockall(0));
    SHOW(mlockall(MCL_ONFAULT));
    SHOW(mlockall(8));
    SHOW(mlockall(MCL_CURRENT | MCL_ONFAULT));
    SHOW(munlockall());
    SHOW(msync(p + 1, P, MS_SYNC));
    SHOW(msync(p, P, MS_SYNC | MS_ASYNC));
    SHOW(msync(p, P, 8));
    SHOW(msync(p, 4 * P, MS_ASYNC));
    char *f = mmap(NULL, P, RW, MAP_SHARED, fd, 0);
    f[5] = 'x';
    SHOW(msync(f, P, MS_SYNC));
    char c = 0;
    SHOW(pread(fd, &c, 1, 5));
    SHOW(c);
}

static void advice(int fd) {
    char *p = map(4), *s = mmap(NULL, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *f = mmap(NULL, P, RW, MAP_PRIVATE, fd, 0);
    memset(p, 7, 4 * P), memset(s, 7, 4 * P);
    SHOW(madvise(p + 1, P, MADV_NORMAL));
    SHOW(madvise(p, P, 5));
    SHOW(madvise(p, P, 99));
    SHOW(madvise(p, 0, MADV_DONTNEED));
    SHOW(madvise(p, -1ul, MADV_DONTNEED));
    SHOW(madvise(p, P, MADV_DONTNEED));
    SHOW(p[0] + p[P]);
    SHOW(madvise(s, P, MADV_DONTNEED));
    SHOW(s[0]);
    SHOW(madvise(s, P, MADV_REMOVE));
    SHOW(s[0] + s[P]);
    SHOW(madvise(p, P, MADV_REMOVE));
    SHOW(madvise(s, P, MADV_FREE));
    SHOW(madvise(p, P, MADV_FREE));
    SHOW(madvise(s, P, MADV_WIPEONFORK));
    SHOW(madvise(f, P, MADV_WIPEONFORK));
    SHOW(madvise(p, 2 * P, MADV_WIPEONFORK));
    SHOW(madvise(p + 3 * P, P, MADV_DONTFORK));
    SHOW(madvise(p, P, MADV_WILLNEED));
    SHOW(madvise(p, P, MADV_COLD));
    SHOW(madvise(p, P, MADV_SEQUENTIAL));
    SHOW(madvise(p, P, MADV_POPULATE_READ));
    SHOW(madvise(p, P, MADV_POPULATE_WRITE));
    SHOW(madvise(s + 100 * P, P, MADV_NORMAL) <= 0);
    SHOW(mprotect(s, P, PROT_READ));
    SHOW(madvise(s, P, MADV_POPULATE_WRITE));
    SHOW(madvise(s, P, MADV_REMOVE));
    SHOW(mprotect(s, P, PROT_NONE));
    SHOW(madvise(s, P, MADV_POPULATE_READ));
    memset(p, 5, 4 * P);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        SHOW(p[0] + p[P]);
        SHOW(p[2 * P]);
        SHOW(touch(p + 3 * P, 0));
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    SHOW(p[0] + p[3 * P]);
    SHOW(ftruncate(fd, 4 * P));
    char *h = mmap(NULL, 4 * P, RW, MAP_SHARED, fd, 0);
    memset(h, 9, 4 * P);
    SHOW(madvise(h + P, 2 * P, MADV_REMOVE));
    SHOW(h[0] + h[P] * 10 + h[2 * P] * 10 + h[3 * P] * 10);
    char tail[2] = {1, 1};
    SHOW(pread(fd, tail, 2, 2 * P) + tail[0]);
    SHOW(mprotect(h, P, PROT_READ));
    SHOW(madvise(h, P, MADV_REMOVE));
    SHOW(h[0]);
    SHOW(madvise(h, 8 * P, MADV_REMOVE));
    SHOW(h[3 * P]);
    SHOW(madvise(f, P, MADV_REMOVE));
    SHOW(ftruncate(fd, P));
    munmap(p + P, P);
    SHOW(madvise(p, 4 * P, MADV_DONTNEED));
    SHOW(p[2 * P]);
    SHOW(madvise(p, 4 * P, MADV_POPULATE_READ));
}

static void moves(int fd) {
    char *p = map(8), *q;
    memset(p, 3, 8 * P);
    munmap(p + 4 * P, P);
    SHOW((char *)mremap(p, P, P, 0) == p);
    OK(mremap(p + 1, P, P, 0));
    OK(mremap(p, P, 0, 0));
    OK(mremap(p, P, P, 8));
    OK(mremap(p, P, P, MREMAP_FIXED, p + 6 * P));
    OK(mremap(p, 2 * P, 2 * P, MREMAP_FIXED | MREMAP_MAYMOVE, p + P));
    OK(mremap(p, P, 2 * P, 0));
    OK(mremap(p + 4 * P, P, 2 * P, MREMAP_MAYMOVE));
    SHOW((char *)mremap(p + 3 * P, P, 2 * P, 0) == p + 3 * P);
    SHOW(p[4 * P]);
    q = mremap(p, 2 * P, 4 * P, MREMAP_MAYMOVE);
    SHOW(q[P] + q[2 * P]);
    SHOW(touch(p, 0));
    SHOW((char *)mremap(q, 4 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, p + 20 * P) == p + 20 * P);
    SHOW(touch(q + 3 * P, 0));
    SHOW(p[21 * P]);
    char *several = map(4), *far = map(4);
    several[0] = 8;
    SHOW(mprotect(several + 2 * P, P, PROT_READ));
    SHOW((char *)mremap(several, 4 * P, P, MREMAP_MAYMOVE | MREMAP_FIXED, far + P) == far + P);
    SHOW(far[P]);
    SHOW(touch(several, 0)), SHOW(touch(several + P, 0)), SHOW(touch(several + 3 * P, 0));
    q = mremap(p + 20 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    SHOW(q[0] + p[20 * P]);
    OK(mremap(q, 2 * P, P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
    SHOW((char *)mremap(q, 2 * P, P, 0) == q);
    SHOW(touch(q + P, 0));
    OK(mremap(q, 0, P, MREMAP_MAYMOVE));
    char *s = mmap(NULL, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    q = mremap(s, 0, 2 * P, MREMAP_MAYMOVE);
    s[P] = 44;
    SHOW(q[P]);
    SHOW(ftruncate(fd, 3 * P));
    char *f = mmap(NULL, 3 * P, RW, MAP_SHARED, fd, 0);
    f[0] = 'a', f[P] = 'b', f[2 * P] = 'c';
    SHOW(remap_file_pages(f, P, 0, 2, 0));
    SHOW(remap_file_pages(f + 2 * P, P, 0, 0, 0));
    SHOW(f[0] * 10000 + f[P] * 100 + f[2 * P]);
    SHOW(remap_file_pages(f, P, PROT_READ, 0, 0));
    SHOW(remap_file_pages(p, P, 0, 0, 0));
    SHOW(ftruncate(fd, P));
    SHOW(touch(f + P, 0));
    SHOW(touch(f + 2 * P, 0));
    SHOW(ftruncate(fd, 2 * P));
    SHOW(touch(f + P, 1));
}

static void barriers(void) {
    SHOW(syscall(SYS_membarrier, 8, 0, 0));
    SHOW((syscall(SYS_membarrier, 0, 0, 0) & 0x1f) == 0x1f);
    SHOW(syscall(SYS_membarrier, 16, 0, 0));
    SHOW(syscall(SYS_membarrier, 8, 0, 0));
    SHOW(syscall(SYS_membarrier, 8, 1, 0));
    SHOW(syscall(SYS_membarrier, 3, 0, 0));
    SHOW(syscall(SYS_membarrier, 2, 0, 0));
}

int main(int argc, char **argv) {
    self = argv[argc - argc];
    setvbuf(stdout, NULL, _IOLBF, 1 << 12);
    static char alt[1 << 16];
    stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
    sigaltstack(&ss, NULL);
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &sa, NULL), sigaction(SIGBUS, &sa, NULL);
    int fd = memfd_create("x", 0);
    if (fd < 0)
        fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
    if (fd < 0)
        fd = open("/file", O_RDWR | O_CREAT, 0600);
    ftruncate(fd, P);
    SHOW(touch((char *)16, 0));
    SHOW(touch((char *)0x700000000000, 1));
    flags(fd);
    protect();
    resident(fd);
    advice(fd);
    moves(fd);
    barriers();
    return 0;
}
