/* Jumps to each place of the stub's code, with registers that point to a forged page of operations, and as numbers of host calls that
   would show: if one reaches the host, a file appears or descriptor 1 of the mapper is written to. Argument: distance of places. */
#include "stub.h"

static unsigned char forged[PAGE] __attribute__((aligned(4096)));

static void jump(uintptr_t to, unsigned long number) {
    /* A batch of operations as a mapper takes them, whatever the layout: each word is a number of a call or an address here. */
    for (unsigned i = 0; i < PAGE / 8; i++)
        ((unsigned long *)forged)[i] = i % 3 == 0 ? number : i % 3 == 1 ? (unsigned long)forged : 1;
    unsigned long page = (unsigned long)forged + 512;
    __asm__ volatile(
        "mov %%rsi, %%rdi\n\tmov $1, %%edx\n\tmov %%rsi, %%r8\n\tmov %%rsi, %%r9\n\tmov %%rsi, %%r10\n\tmov %%rsi, %%r12\n\t"
        "mov $1, %%r13d\n\tmov $3, %%r14d\n\tmov %%rsi, %%r15\n\tmov %%rsi, %%rbx\n\tmov %%rsi, %%rbp\n\tjmp *%%rcx"
        :
        : "c"(to), "a"(number), "S"(page)
        : "memory");
    __builtin_unreachable();
}

int main(int argc, char **argv) {
    uintptr_t stub = find_stub();
    unsigned long step = argc > 1 ? strtoul(argv[1], 0, 0) : 1, tried = 0;
    if (!stub) return puts("no stub"), 0;
    /* Creating calls, mapping, exit of the group, and the number that the code itself puts there. */
    unsigned long numbers[] = { SYS_mkdir, SYS_mmap, SYS_exit_group, SYS_clone };
    for (uintptr_t at = stub; at < stub + PAGE; at += step, tried++) {
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGSEGV, SIG_DFL), signal(SIGILL, SIG_DFL), signal(SIGTRAP, SIG_DFL), signal(SIGSYS, SIG_DFL), signal(SIGBUS, SIG_DFL);
            jump(at, numbers[tried % 4]);
        }
        if (pid < 0) return perror("fork"), 1;
        reap(pid, 0.02);
    }
    printf("survived %s\n", tried ? "all" : "nothing");
    return 0;
}
