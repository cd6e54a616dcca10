/* Tries to change, replace and read the stub's part by system calls, and to write to its read-only pages. */
#include "stub.h"

static int failures;

static void refused(const char *what, long result) {
    if (result >= 0 && result != -1) failures++, printf("%s was permitted: %lx\n", what, result);
}

int main(void) {
    uintptr_t stub = find_stub();
    if (!stub) return puts("no stub"), 0;
    unsigned char before[64], copy[64];
    memcpy(before, (void *)stub, sizeof before);
    void *own = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int all = PROT_READ | PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    for (int i = 0; i < 16; i++) {
        void *at = (void *)(stub + (unsigned long)i * PAGE);
        refused("mmap", (long)mmap(at, PAGE, all, flags | MAP_FIXED, -1, 0));
        refused("mmap without replacing", (long)mmap(at, PAGE, all, flags | MAP_FIXED_NOREPLACE, -1, 0));
        refused("mremap to it", (long)mremap(own, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at));
        refused("mremap of it", (long)mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
        refused("mprotect", mprotect(at, PAGE, all));
        /* Nothing is there for the guest, so it cannot be unmapped either, whatever the call says. */
        munmap(at, PAGE);
        madvise(at, PAGE, MADV_DONTNEED);
        mlock(at, PAGE);
        msync(at, PAGE, MS_SYNC);
    }
    munmap((void *)stub, TOP - stub);
    munmap((void *)(stub - PAGE), 8 * PAGE);
    refused("mprotect of the top", mprotect((void *)stub, TOP - stub, all));
    struct iovec mine = { copy, sizeof copy }, theirs = { (void *)stub, sizeof copy };
    refused("process_vm_readv", process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0));
    refused("process_vm_writev", process_vm_writev(getpid(), &mine, 1, &theirs, 1, 0));
    int mem = open("/proc/self/mem", O_RDWR);
    refused("reading /proc/self/mem", mem < 0 ? -1 : pread(mem, copy, sizeof copy, (off_t)stub));
    refused("writing /proc/self/mem", mem < 0 ? -1 : pwrite(mem, copy, sizeof copy, (off_t)stub));
    int ends[2];
    if (pipe(ends)) return perror("pipe"), 1;
    refused("write from it", write(ends[1], (void *)stub, 16));
    if (write(ends[1], copy, 16) != 16) return perror("write"), 1;
    refused("read into it", read(ends[0], (void *)stub, 16));
    /* Code, operations and answers cannot be written to. */
    for (int i = 0; i < 4; i++)
        if (can_read(stub + (unsigned long)i * PAGE) && can_write(stub + (unsigned long)i * PAGE)) failures++, printf("page %d is writable\n", i);
    FILE *f = fopen("/proc/self/maps", "r");
    char line[512];
    uintptr_t a, b;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx", &a, &b) == 2 && b > stub && b <= TOP) failures++, printf("shown: %s", line);
    if (memcmp(before, (void *)stub, sizeof before)) failures++, puts("the code has changed");
    printf(failures ? "%d failures\n" : "all refused\n", failures);
    return 0;
}
