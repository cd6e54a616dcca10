/* One thread writes whatever could be a state to each word of the stub's part, where the events of another one are, which meanwhile computes,
   makes system calls, takes faults and signals, or sleeps. Argument: which of these it does. */
#include "stub.h"

static uintptr_t writable[4096];
static unsigned count;
static volatile int ready;

static void nothing(int sig) {}

static void *victim(void *arg) {
    int what = *(char *)arg;
    unsigned long x = 1;
    for (unsigned long n = 0;; n++) {
        ready = 1;
        for (int i = 0; i < 2000; i++) x = x * 6364136223846793005ul + 1442695040888963407ul;
        if (what == 'c') syscall(SYS_getppid);
        if (what == 'f') can_read(8);
        if (what == 's') raise(SIGUSR1);
        if (what == 'z') usleep(100);
    }
    return (void *)x;
}

int main(int argc, char **argv) {
    uintptr_t stub = find_stub();
    if (!stub) return puts("no stub"), 0;
    int tried = 0;
    for (char *what = "ncfsz"; *what; what++) {
        for (unsigned value = 0; value < 8; value++) {
            pid_t pid = fork();
            if (pid == 0) {
                signal(SIGUSR1, nothing);
                pthread_t t;
                pthread_create(&t, 0, victim, what);
                while (!ready) usleep(100);
                for (uintptr_t at = stub; at < stub + (4ul << 20) && count < 4096; at += PAGE)
                    if (can_read(at) && can_write(at)) writable[count++] = at;
                if (!count) _exit(9);
                for (unsigned i = 0; i < count; i++)
                    for (unsigned word = 0; word < PAGE / 4; word++) {
                        ((volatile unsigned *)writable[i])[word] = value < 7 ? value : ~0u;
                        __asm__ volatile("pause");
                    }
                _exit(0);
            }
            int status = reap(pid, 0.1);
            if (WIFEXITED(status) && WEXITSTATUS(status) == 9) return puts("nothing is writable"), 0;
            tried++;
        }
    }
    printf("survived %s\n", tried == 40 ? "all" : "few");
    return 0;
}
