/* One thread writes to whatever of the stub's part is writable, another one makes system calls and takes faults. */
#include "stub.h"

static uintptr_t writable[4096];
static unsigned count;
static volatile int stop;

static void *scribble(void *arg) {
    unsigned long x = (unsigned long)arg * 2654435761u + 12345;
    while (!stop) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uintptr_t page = writable[x % count];
        volatile unsigned long *word = (volatile unsigned long *)(page + (x >> 20) % (x & 64 ? 16 : 512) * 8);
        unsigned long values[] = { 0, 1, 2, 3, x, page + (x >> 30) % PAGE, ~0ul, 0x8000000000000000ul, 1ul << (x >> 58), *word + 8, *word - 8 };
        *word = values[(x >> 40) % (sizeof values / sizeof *values)];
    }
    return 0;
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 0.2;
    uintptr_t stub = find_stub();
    if (!stub) return puts("no stub"), 0;
    double end = now() + seconds;
    for (int round = 0; now() < end; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            /* The forked process has threads of its own in places of its own. */
            for (uintptr_t at = stub; at < stub + (4ul << 20) && count < 4096; at += PAGE)
                if (can_read(at) && can_write(at)) writable[count++] = at;
            if (!count) _exit(9);
            pthread_t t;
            pthread_create(&t, 0, scribble, (void *)(long)(round + getpid()));
            for (int i = 0; i < 3000; i++) {
                char c;
                syscall(SYS_getppid);
                (void)!read(-1, &c, 1);
                if (i % 64 == 0) can_read(8);
                if (i % 256 == 0) munmap(mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
            }
            stop = 1;
            _exit(0);
        }
        int status = reap(pid, 0.5);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 9) return puts("nothing is writable"), 0;
    }
    puts("survived all");
    return 0;
}
