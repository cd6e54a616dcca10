// seccomp(2): prints what filters do to calls, threads and processes.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define ANSWER(a) BPF_STMT(BPF_RET | BPF_K, a)
#define IF_EQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)
#define PROG(...) ((struct sock_fprog){sizeof((struct sock_filter[]){__VA_ARGS__}) / sizeof(struct sock_filter), (struct sock_filter[]){__VA_ARGS__}})

static const char *outcome(long r) {
    static char text[8][32]; static int n; char *t = text[n++ % 8];
    if (r < 0) snprintf(t, 32, "%s", strerrorname_np(errno)); else snprintf(t, 32, "%ld", r);
    return t;
}
static void say(const char *what, long r) { printf("%s: %s\n", what, outcome(r)); fflush(stdout); }
static long filter(unsigned flags, struct sock_fprog p) { return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &p); }
// What happens when one call is answered so.
static long answer(int nr, unsigned a) { return filter(0, PROG(LOAD(nr), IF_EQ(nr, 0, 1), ANSWER(a), ANSWER(SECCOMP_RET_ALLOW))); }

static void in_child(const char *name, void (*f)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); f(); fflush(stdout); _exit(0); }
    int status; waitpid(pid, &status, 0);
    if (WIFEXITED(status)) printf("%s: exited %d\n", name, WEXITSTATUS(status));
    else printf("%s: killed by %d\n", name, WTERMSIG(status));
}

static void errors(void) {
    say("operation", syscall(SYS_seccomp, 99, 0, 0));
    say("strict flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0));
    say("strict args", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 1));
    say("flags", filter(1 << 20, PROG(ANSWER(SECCOMP_RET_ALLOW))));
    say("null", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0));
    struct sock_fprog p = {0, (void *)16}; say("empty", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
    p.len = 3; say("bad address", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
    p.len = 5000; say("long", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
    say("no return", filter(0, PROG(LOAD(nr))));
    say("odd load", filter(0, PROG(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ANSWER(SECCOMP_RET_ALLOW))));
    say("far load", filter(0, PROG(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ANSWER(SECCOMP_RET_ALLOW))));
    say("byte load", filter(0, PROG(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), ANSWER(SECCOMP_RET_ALLOW))));
    say("far jump", filter(0, PROG(IF_EQ(1, 5, 0), ANSWER(SECCOMP_RET_ALLOW))));
    say("modulo", filter(0, PROG(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ANSWER(SECCOMP_RET_ALLOW))));
    say("division", filter(0, PROG(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ANSWER(SECCOMP_RET_ALLOW))));
    say("unset memory", filter(0, PROG(BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_STMT(BPF_RET | BPF_A, 0))));
    unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW, 0x12340000, SECCOMP_RET_ERRNO | 1};
    for (int i = 0; i < 9; i++) say("action", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]));
    say("action flags", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 1, &actions[0]));
    say("action address", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 16));
    say("mode", prctl(PR_GET_SECCOMP)); say("unknown mode", prctl(PR_SET_SECCOMP, 3, 0)); say("off", prctl(PR_SET_SECCOMP, 0, 0));
}
static void privileges(void) {
    // In the parent of all, which has not given up new privileges, but the capability.
    say("drop", setuid(65534));
    say("without", filter(0, PROG(ANSWER(SECCOMP_RET_ALLOW))));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    say("with", filter(0, PROG(ANSWER(SECCOMP_RET_ALLOW))));
    say("mode", prctl(PR_GET_SECCOMP));
    say("strict then", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
}
static void numbers(void) {
    say("set", answer(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV)); say("getppid", syscall(SYS_getppid));
    say("zero", answer(SYS_getuid, SECCOMP_RET_ERRNO)); say("getuid", syscall(SYS_getuid));
    say("most severe", answer(SYS_getppid, SECCOMP_RET_ALLOW)); say("getppid", syscall(SYS_getppid));
    say("newest", answer(SYS_getppid, SECCOMP_RET_ERRNO | EROFS)); say("getppid", syscall(SYS_getppid));
    say("big", answer(SYS_getgid, SECCOMP_RET_ERRNO | 0xffff)); errno = 0; printf("%ld\n", syscall(SYS_getgid));
    say("logged", answer(SYS_getsid, SECCOMP_RET_LOG)); printf("%d\n", syscall(SYS_getsid, 0) >= 0);
    say("trace", answer(SYS_getegid, SECCOMP_RET_TRACE | 7)); say("getegid", syscall(SYS_getegid));
    say("unknown call", answer(777, SECCOMP_RET_ERRNO | ENOLINK)); say("777", syscall(777));
    pid_t pid = fork(); if (pid == 0) { say("inherited", syscall(SYS_getppid)); _exit(0); } waitpid(pid, 0, 0);
    say("mode", prctl(PR_GET_SECCOMP));
    if (fork() == 0) { char *argv[] = {"program", "executed", 0}, *envp[] = {0}; execve("/proc/self/exe", argv, envp); execve("/program", argv, envp); } wait(0);
}
// Every kind of instruction, and all of the input.
static void arithmetic(void) {
    say("set", filter(0, PROG(LOAD(nr), IF_EQ(777, 1, 0), ANSWER(SECCOMP_RET_ALLOW),
        LOAD(arch), IF_EQ(AUDIT_ARCH_X86_64, 1, 0), ANSWER(SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3),
        BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 1), BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 0xff), BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 4), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
        BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 1), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), BPF_STMT(BPF_ALU | BPF_NEG, 0), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xfff),
        BPF_STMT(BPF_STX, 5), BPF_STMT(BPF_LDX | BPF_MEM, 3), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SECCOMP_RET_ERRNO, 1, 0), BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ERRNO | 2), BPF_STMT(BPF_RET | BPF_A, 0))));
    for (long i = 1; i < 60; i += 7) { errno = 0; syscall(777, i * 5, i); printf("%d ", errno); }
    printf("high %s\n", outcome(syscall(777, 0x500000000, 1)));
    say("length", filter(0, PROG(LOAD(nr), IF_EQ(778, 1, 0), ANSWER(SECCOMP_RET_ALLOW), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0))));
    errno = 0; syscall(778); printf("%d\n", errno);
}
static void strict(void) { say("set", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)); write(1, "strict\n", 7); syscall(SYS_exit, 6); }
static void strict_call(void) { syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0); write(1, "strict\n", 7); getppid(); }
static void kill_process(void) { answer(SYS_getppid, SECCOMP_RET_KILL_PROCESS); syscall(SYS_getppid); }
static void kill_thread(void) { answer(SYS_getppid, SECCOMP_RET_KILL_THREAD); syscall(SYS_getppid); }
static void unknown(void) { answer(SYS_getppid, 0x12340000); syscall(SYS_getppid); }
static void *dies(void *a) { answer(SYS_getppid, SECCOMP_RET_KILL_THREAD); syscall(SYS_getppid); puts("lives"); return a; }
static void one_thread(void) {
    pthread_t t; pthread_create(&t, 0, dies, 0);
    pthread_join(t, 0); puts("the other lives");
    say("mode", prctl(PR_GET_SECCOMP));
}
static void on_sys(int s, siginfo_t *si, void *c) {
    greg_t *r = ((ucontext_t *)c)->uc_mcontext.gregs;
    printf("caught %d errno %d code %d call %d arch %x, address %d, rax %lld\n", s, si->si_errno, si->si_code, si->si_syscall, si->si_arch, (greg_t)si->si_call_addr == r[REG_RIP], r[REG_RAX]);
    r[REG_RAX] = 1234;
}
static void traps(void) {
    struct sigaction a = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO}; sigaction(SIGSYS, &a, 0);
    answer(SYS_getppid, SECCOMP_RET_TRAP | 77); say("getppid", syscall(SYS_getppid));
    sigset_t m; sigfillset(&m); sigprocmask(SIG_BLOCK, &m, 0); syscall(SYS_getppid);
}
static void untrapped(void) { answer(SYS_getppid, SECCOMP_RET_TRAP); syscall(SYS_getppid); }

static pthread_barrier_t barrier;
static void *waits(void *own) {
    if (own) answer(SYS_getsid, SECCOMP_RET_ERRNO | ECHILD);
    pthread_barrier_wait(&barrier); pthread_barrier_wait(&barrier);
    if (!own) { say("the other's mode", prctl(PR_GET_SECCOMP)); say("getppid", syscall(SYS_getppid)); say("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)); }
    return 0;
}
static void syncs(void) {
    for (long own = 0; own < 2; own++) {
        pthread_t t; pthread_barrier_init(&barrier, 0, 2); pthread_create(&t, 0, waits, (void *)own); pthread_barrier_wait(&barrier);
        struct sock_filter f[] = {LOAD(nr), IF_EQ(SYS_getppid, 0, 1), ANSWER(SECCOMP_RET_ERRNO | ENOTTY), ANSWER(SECCOMP_RET_ALLOW)};
        long r = filter(SECCOMP_FILTER_FLAG_TSYNC, (struct sock_fprog){4, f});
        printf("sync %s\n", r > 0 ? "names a thread" : outcome(r));
        if (own) say("or fails", filter(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, (struct sock_fprog){4, f}));
        pthread_barrier_wait(&barrier); pthread_join(t, 0);
    }
}
static void chains(void) {
    static struct sock_filter f[4096]; long r; int n = 0;
    for (int i = 0; i < 4096; i++) f[i] = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    while ((r = filter(0, (struct sock_fprog){4096, f})) == 0) n++;
    printf("%d chains, then %s\n", n, outcome(r));
}
static void deep(void) {
    long r; int n = 0;
    while ((r = filter(0, PROG(ANSWER(SECCOMP_RET_ALLOW)))) == 0) n++;
    printf("%d filters, then %s\n", n, outcome(r));
}
static void traced_child(void) {
    ptrace(PTRACE_TRACEME, 0, 0, 0); raise(SIGSTOP);
    answer(SYS_getppid, SECCOMP_RET_TRACE | 55);
    long r = syscall(SYS_getppid); printf("tracee: %s\n", outcome(r)); fflush(stdout);
}
static void tracers(void) {
    // Lets the call be made, skips it, changes it to one that is allowed, and follows system calls besides.
    for (int how = 0; how < 4; how++) {
        fflush(stdout);
        pid_t pid = fork(); int status; struct user_regs_struct r; unsigned long message = 0;
        if (pid == 0) { traced_child(); _exit(0); }
        waitpid(pid, &status, 0);
        ptrace(PTRACE_SETOPTIONS, pid, 0, how == 3 ? PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP : PTRACE_O_TRACESECCOMP);
        ptrace(PTRACE_CONT, pid, 0, 0); waitpid(pid, &status, 0);
        ptrace(PTRACE_GETEVENTMSG, pid, 0, &message); ptrace(PTRACE_GETREGS, pid, 0, &r);
        struct ptrace_info { uint8_t op, pad[3]; uint32_t arch; uint64_t ip, sp, nr, args[6]; uint32_t data; } info = {0};
        long n = ptrace(0x420e, pid, sizeof info, &info);
        printf("stopped %x message %lu call %lld rax %lld info %ld op %d data %d\n", status >> 8, message, r.orig_rax, r.rax, n, info.op, info.data);
        if (how == 0) { r.orig_rax = SYS_umask; r.rdi = 022; ptrace(PTRACE_SETREGS, pid, 0, &r); }
        if (how == 1) { r.orig_rax = -1; r.rax = -EDOM; ptrace(PTRACE_SETREGS, pid, 0, &r); }
        if (how == 2) { r.orig_rax = 999; ptrace(PTRACE_SETREGS, pid, 0, &r); }
        if (how == 3) {
            r.orig_rax = SYS_umask; r.rdi = 022; ptrace(PTRACE_SETREGS, pid, 0, &r);
            ptrace(PTRACE_SYSCALL, pid, 0, 0); waitpid(pid, &status, 0); ptrace(PTRACE_GETREGS, pid, 0, &r);
            printf("then %x call %lld\n", status >> 8, r.orig_rax);
        }
        ptrace(PTRACE_CONT, pid, 0, 0); waitpid(pid, &status, 0); printf("end %x\n", status);
    }
}

int main(int argc, char **argv) {
    if (argc > 1) { say("after execve", syscall(SYS_getppid)); say("mode", prctl(PR_GET_SECCOMP)); return 0; }
    umask(022);
    fflush(stdout);
    if (fork() == 0) { privileges(); _exit(0); } wait(0);
    in_child("errors", errors); in_child("numbers", numbers); in_child("arithmetic", arithmetic);
    in_child("strict", strict); in_child("strict call", strict_call); in_child("process", kill_process); in_child("thread", kill_thread);
    in_child("unknown", unknown); in_child("one thread", one_thread); in_child("traps", traps); in_child("untrapped", untrapped);
    in_child("syncs", syncs); in_child("chains", chains); in_child("deep", deep); in_child("tracers", tracers);
    return 0;
}
