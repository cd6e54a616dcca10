/* Operations on memory. A region is what one `map` made, by number; offsets and lengths are in pages. */
#include "guest.h"

#include <setjmp.h>
#include <sys/mman.h>

#define REGIONS 4
#define PAGE 4096L

static struct region {
    char *start;
    long pages;
} regions[REGIONS];

static struct region *region(char **a, int i) { return &regions[num(a, i) & (REGIONS - 1)]; }
static char *at(char **a, int r, int page) { return region(a, r)->start + num(a, page) * PAGE; }

/* Region, pages, protection, flags, descriptor, page of the file. */
static void op_map(char **a) {
    void *p = mmap(NULL, (size_t)(num(a, 1) * PAGE), (int)num(a, 2), (int)num(a, 3), slot(a, 4), num(a, 5) * PAGE);
    if (success(p == MAP_FAILED ? -1 : 0) == 0) *region(a, 0) = (struct region){p, num(a, 1)};
}

/* Maps over a part of a region: region, page, pages, protection, flags, descriptor, page of the file. */
static void op_map_over(char **a) {
    struct region *r = region(a, 0);
    if (!r->start || num(a, 1) + num(a, 2) > r->pages) return;
    int flags = (int)num(a, 4) | MAP_FIXED;
    success(mmap(at(a, 0, 1), (size_t)(num(a, 2) * PAGE), (int)num(a, 3), flags, slot(a, 5), num(a, 6) * PAGE) == MAP_FAILED ? -1 : 0);
}

static void op_unmap(char **a) {
    if (region(a, 0)->start) result(munmap(at(a, 0, 1), (size_t)(num(a, 2) * PAGE)));
}

static void op_protect(char **a) {
    if (region(a, 0)->start) result(mprotect(at(a, 0, 1), (size_t)(num(a, 2) * PAGE), (int)num(a, 3)));
}

static void op_advise(char **a) {
    if (region(a, 0)->start) result(madvise(at(a, 0, 1), (size_t)(num(a, 2) * PAGE), (int)num(a, 3)));
}

static void op_sync(char **a) {
    if (region(a, 0)->start) result(msync(at(a, 0, 1), (size_t)(num(a, 2) * PAGE), (int)num(a, 3)));
}

/* Region, old pages, new pages. */
static void op_remap(char **a) {
    struct region *r = region(a, 0);
    if (!r->start) return;
    void *p = mremap(r->start, (size_t)(num(a, 1) * PAGE), (size_t)(num(a, 2) * PAGE), MREMAP_MAYMOVE);
    if (success(p == MAP_FAILED ? -1 : 0) == 0) *r = (struct region){p, num(a, 2)};
}

static sigjmp_buf back;
static int fault_signal, fault_code;
static char *fault_at;

static void faulted(int sig, siginfo_t *info, void *context) {
    (void)context;
    fault_signal = sig, fault_code = info->si_code, fault_at = info->si_addr;
    siglongjmp(back, 1);
}

/* Reads or writes one byte and reports the fault if there is one. */
static void touch(char **a, int write, int value) {
    struct region *r = region(a, 0);
    if (!r->start) return;
    volatile unsigned char *byte = (unsigned char *)at(a, 0, 1) + num(a, 2) % PAGE;
    struct sigaction catch = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO | SA_NODEFER}, segv, bus;
    sigaction(SIGSEGV, &catch, &segv);
    sigaction(SIGBUS, &catch, &bus);
    if (sigsetjmp(back, 1)) {
        long where = fault_at == (char *)byte ? 0 : fault_at - (char *)byte;
        say(" signal %d code %d at %ld", fault_signal, fault_code, where);
    } else if (write) {
        *byte = (unsigned char)value;
        say(" stored");
    } else {
        say(" %d", *byte);
    }
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGBUS, &bus, NULL);
}

/* Region, page, offset. */
static void op_peek(char **a) { touch(a, 0, 0); }
/* Region, page, offset, value. */
static void op_poke(char **a) { touch(a, 1, (int)num(a, 3)); }

/* What all pages of a region hold, or how touching them fails. */
static void op_digest(char **a) {
    struct region *r = region(a, 0);
    struct sigaction catch = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO | SA_NODEFER}, segv, bus;
    if (!r->start) return;
    sigaction(SIGSEGV, &catch, &segv);
    sigaction(SIGBUS, &catch, &bus);
    for (volatile long page = 0; page < r->pages && page < 16; page++) {
        if (sigsetjmp(back, 1)) say(" signal %d", fault_signal);
        else say_bytes((unsigned char *)r->start + page * PAGE, (size_t)PAGE);
    }
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGBUS, &bus, NULL);
}

/* Region, old pages, new pages, flags, and a region over whose start to move it. */
static void op_remap2(char **a) {
    struct region *r = region(a, 0), *to = region(a, 4);
    if (!r->start || !to->start || r == to) return;
    void *p = mremap(r->start, (size_t)(num(a, 1) * PAGE), (size_t)(num(a, 2) * PAGE), (int)num(a, 3), to->start);
    if (success(p == MAP_FAILED ? -1 : 0) == 0) {
        long pages = num(a, 2);
        if (p == to->start) to->pages = to->pages > pages ? to->pages : pages, *r = (struct region){0};
        else *r = (struct region){p, pages};
    }
}

static void op_mlock(char **a) {
    if (region(a, 0)->start) result(syscall(SYS_mlock2, at(a, 0, 1), num(a, 2) * PAGE, num(a, 3)));
}
static void op_munlock(char **a) {
    if (region(a, 0)->start) result(munlock(at(a, 0, 1), (size_t)(num(a, 2) * PAGE)));
}

/* Which pages are there to be found by mincore is up to the kernel; only errors count. */
static void op_incore(char **a) {
    unsigned char there[64];
    if (region(a, 0)->start) success(mincore(at(a, 0, 1), (size_t)(num(a, 2) * PAGE), there));
}

/* Reads a file into mapped memory, or writes it from there: slot, region, page, bytes. */
static void op_read_into(char **a) {
    if (region(a, 1)->start) result(read(slot(a, 0), at(a, 1, 2), (size_t)num(a, 3)));
}
static void op_write_from(char **a) {
    if (region(a, 1)->start) result(write(slot(a, 0), at(a, 1, 2), (size_t)num(a, 3)));
}

static void op_brk(char **a) {
    char *old = sbrk(0);
    long r = syscall(SYS_brk, old + num(a, 0) * PAGE);
    say(" %ld", r - (long)old);
    syscall(SYS_brk, old);
}

const struct handler memory_ops[] = {
    {"map", op_map}, {"map_over", op_map_over}, {"unmap", op_unmap}, {"protect", op_protect}, {"advise", op_advise},
    {"sync", op_sync}, {"remap", op_remap}, {"peek", op_peek}, {"poke", op_poke}, {"incore", op_incore},
    {"read_into", op_read_into}, {"write_from", op_write_from}, {"brk", op_brk}, {"digest", op_digest}, {"remap2", op_remap2}, {"mlock", op_mlock}, {"munlock", op_munlock}, {NULL, NULL},
};
