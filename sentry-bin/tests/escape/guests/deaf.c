/* Blocks all signals on the host by a signal's frame of its own, which it gives to the stub's code, and then never ends by itself. */
#include "stub.h"
#include <ucontext.h>

static void spin(void) {
    for (;;) __asm__ volatile("pause");
}

int main(void) {
    uintptr_t stub = find_stub(), at;
    if (!stub) return puts("no stub"), 0;
    /* mov eax, 15; syscall */
    static const unsigned char code[] = { 0xb8, 15, 0, 0, 0, 0x0f, 0x05 };
    for (at = stub; at < stub + PAGE && memcmp((void *)at, code, sizeof code); at++) {}
    if (at == stub + PAGE) return puts("no rt_sigreturn"), 0;
    pid_t pid = fork();
    if (pid == 0) {
        static ucontext_t u;
        static unsigned char stack[1 << 16];
        memset(&u, 0, sizeof u);
        u.uc_mcontext.gregs[REG_RIP] = (long)spin;
        u.uc_mcontext.gregs[REG_RSP] = (long)(stack + sizeof stack - 256);
        u.uc_mcontext.gregs[REG_EFL] = 0x202;
        u.uc_mcontext.gregs[REG_CSGSFS] = 0x2b000000000033;
        memset(&u.uc_sigmask, 0xff, sizeof u.uc_sigmask);
        __asm__ volatile("mov %0, %%rsp\n\tjmp *%1" : : "r"(&u), "r"(at) : "memory");
    }
    usleep(100000);
    puts("deaf");
    fflush(stdout);
    int status = reap(pid, 0.1);
    printf("ended by %d\n", WTERMSIG(status));
    return 0;
}
