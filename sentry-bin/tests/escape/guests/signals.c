/* Sends signals to whoever can be named: nobody but this program and those that started it may be found. */
#include "stub.h"
#include <sys/ptrace.h>
#include <sys/file.h>

static int reached;

static void nobody(const char *what, pid_t pid, long result) {
    if (result != -1) reached++, printf("%s reached %d\n", what, pid);
}

int main(void) {
    /* The kick of a stub's thread is one of the last. */
    int signals[] = { 0, SIGKILL, SIGSTOP, SIGSEGV, SIGCHLD, SIGSYS, SIGURG, 33, SIGRTMIN, SIGRTMAX - 1, SIGRTMAX };
    siginfo_t info = { .si_code = SI_QUEUE };
    char name[64];
    for (pid_t pid = 1; pid < 3000; pid++) {
        if (pid == getpid() || pid == getppid() || pid == 1) continue;
        for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) {
            nobody("kill", pid, kill(pid, signals[i]));
            nobody("kill of a group", pid, kill(-pid, signals[i]));
            nobody("tkill", pid, syscall(SYS_tkill, pid, signals[i]));
            nobody("tgkill", pid, syscall(SYS_tgkill, pid, pid, signals[i]));
            nobody("rt_sigqueueinfo", pid, syscall(SYS_rt_sigqueueinfo, pid, signals[i], &info));
        }
        nobody("pidfd_open", pid, syscall(SYS_pidfd_open, pid, 0));
        nobody("ptrace", pid, ptrace(PTRACE_SEIZE, pid, 0, 0));
        snprintf(name, sizeof name, "/proc/%d", pid);
        nobody("/proc", pid, access(name, F_OK));
    }
    /* Threads of its own group are its own. */
    nobody("tgkill of the host's thread", getpid(), syscall(SYS_tgkill, getpid(), getpid() + 1, SIGKILL));
    printf(reached ? "%d reached\n" : "reached nobody\n", reached);
    return 0;
}
