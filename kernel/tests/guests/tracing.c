// ptrace(2): prints what a tracer sees, the same on each kernel.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#define PT(req, pid, addr, data) syscall(SYS_ptrace, (long)(req), (long)(pid), (long)(addr), (long)(data))
enum { TRACEME, CONT = 7, KILL, STEP, GETREGS = 12, SETREGS, GETFPREGS, ATTACH = 16, DETACH, SYSCALL = 24, SYSEMU = 31,
  SETOPTIONS = 0x4200, GETEVENTMSG, GETSIGINFO, SETSIGINFO, GETREGSET, SETREGSET, SEIZE, INTERRUPT, LISTEN, PEEKSIGINFO,
  GETSIGMASK, SETSIGMASK, SYSCALL_INFO = 0x420e };

static volatile int shared = 7;

static const char *outcome(long r) {
    static char text[4][64]; static int n; char *t = text[n++ % 4];
    if (r < 0) snprintf(t, 64, "%s", strerrorname_np(errno)); else snprintf(t, 64, "%ld", r);
    return t;
}
static void show(const char *what, int status) {
    printf("%s: ", what);
    if (WIFEXITED(status)) printf("exited %d\n", WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) printf("killed by %d\n", WTERMSIG(status));
    else if (WIFCONTINUED(status)) printf("continued\n");
    else printf("stopped by %d event %d\n", WSTOPSIG(status), status >> 16);
}
static int await(const char *what, pid_t pid) {
    int status = 0;
    if (waitpid(pid, &status, __WALL) < 0) { printf("%s: %s\n", what, strerrorname_np(errno)); return -1; }
    show(what, status);
    return status;
}
static void info(pid_t pid, pid_t me) {
    siginfo_t si; memset(&si, 0, sizeof si);
    long r = PT(GETSIGINFO, pid, 0, &si);
    if (r < 0) printf("  siginfo %s\n", outcome(r));
    else printf("  siginfo %d code %#x from %s\n", si.si_signo, si.si_code, si.si_pid == pid ? "tracee" : si.si_pid == me ? "tracer" : "other");
}
static pid_t child(void (*f)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) { f(); _exit(99); }
    return pid;
}
static void traceme(void) { PT(TRACEME, 0, 0, 0); raise(SIGSTOP); }

static void on_usr1(int s) { (void)s; shared = 8; }
static void calls(void) {
    traceme();
    signal(SIGUSR1, on_usr1);
    syscall(SYS_getppid);
    syscall(SYS_close, -1);
    raise(SIGUSR1);
    syscall(777, 1, 2, 3);
    _exit(shared);
}
static void syscalls(void) {
    pid_t me = getpid(), pid = child(calls);
    await("calls", pid); info(pid, me);
    printf("options %s %s\n", outcome(PT(SETOPTIONS, pid, 0, 1)), outcome(PT(SETOPTIONS, pid, 0, 1 << 30)));
    int status, entry = 0;
    for (int i = 0; i < 60; i++) {
        PT(SYSCALL, pid, 0, 0);
        if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) break;
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct ptrace_syscall_info si; memset(&si, 0, sizeof si);
            long n = PT(SYSCALL_INFO, pid, sizeof si, &si);
            struct user_regs_struct r; PT(GETREGS, pid, 0, &r);
            unsigned long message = 0; PT(GETEVENTMSG, pid, 0, &message);
            entry = si.op == 1;
            if (entry) printf("enter %d: %ld bytes, op %d arch %x, rax %ld, message %ld\n", (int)si.entry.nr, n, si.op, si.arch, (long)r.rax, message);
            else printf("leave: %ld bytes, op %d %s, error %d, message %ld, same %d\n", n, si.op, si.exit.rval < 0 ? outcome(-1) : "", si.exit.is_error, message, (long)si.exit.rval == (long)r.rax);
            printf("  same ip %d sp %d\n", si.instruction_pointer == r.rip, si.stack_pointer == r.rsp);
        } else {
            show("signal", status); info(pid, me);
            siginfo_t si; PT(GETSIGINFO, pid, 0, &si);
            PT(SYSCALL, pid, 0, WSTOPSIG(status)); waitpid(pid, &status, 0); show("after", status);
        }
    }
    show("end", status);
}

static void target(void) {
    traceme();
    long r = syscall(SYS_getppid);
    shared = (int)r;
    _exit(r == 4242 ? 1 : r == -1 && errno == ENOSYS ? 2 : r == -1 && errno == EXDEV ? 3 : 4);
}
// Changes what a call does: its result, its number, or that it is made at all.
static void changes(void) {
    for (int how = 0; how < 4; how++) {
        pid_t pid = child(target); struct user_regs_struct r;
        await("target", pid); PT(SETOPTIONS, pid, 0, 1);
        PT(how == 3 ? SYSEMU : SYSCALL, pid, 0, 0); await("entry", pid);
        PT(GETREGS, pid, 0, &r); printf("call %ld rax %ld\n", (long)r.orig_rax, (long)r.rax);
        if (how == 0) { r.orig_rax = -1; PT(SETREGS, pid, 0, &r); }
        if (how == 1) { r.orig_rax = 888; PT(SETREGS, pid, 0, &r); }
        if (how == 3) { r.rax = -EXDEV; PT(SETREGS, pid, 0, &r); PT(SYSCALL, pid, 0, 0); await("next", pid); }
        else { PT(SYSCALL, pid, 0, 0); await("exit", pid); }
        if (how == 2) { PT(GETREGS, pid, 0, &r); r.rax = 4242; PT(SETREGS, pid, 0, &r); }
        PT(CONT, pid, 0, 0); await("end", pid);
    }
}

static void stands(void) { raise(SIGSTOP); _exit(5); }
// Who stands still already is found so at once.
static void attached_while_stopped(void) {
    for (int seized = 0; seized < 2; seized++) {
        int found = 0;
        for (int i = 0; i < 20; i++) {
            struct user_regs_struct r;
            pid_t pid = child(stands);
            waitpid(pid, 0, WUNTRACED);
            PT(seized ? SEIZE : ATTACH, pid, 0, 0);
            found += PT(GETREGS, pid, 0, &r) == 0;
            waitpid(pid, 0, __WALL);
            PT(DETACH, pid, 0, 0);
            kill(pid, SIGKILL);
            waitpid(pid, 0, 0);
        }
        printf("attached while stopped: %d of 20\n", found);
    }
}

static void forks(void) {
    traceme();
    pid_t a = fork(); if (a == 0) _exit(3);
    waitpid(a, 0, 0);
    a = vfork(); if (a == 0) _exit(4);
    waitpid(a, 0, 0);
    char *argv[] = {"program", "leaf", 0}, *envp[] = {0};
    execve("/proc/self/exe", argv, envp);
    execve("/program", argv, envp);
    _exit(9);
}
static void events(int seize) {
    pid_t me = getpid(), pid = child(forks), other = 0; int status; unsigned long message;
    if (seize) { waitpid(pid, &status, 0); }
    await("forks", pid);
    PT(SETOPTIONS, pid, 0, 0x7f);
    PT(CONT, pid, 0, 0);
    for (int i = 0; i < 40; i++) {
        // One at a time, and the new one first: whichever comes first on each kernel, the output is the same.
        pid_t got = waitpid(other ? other : pid, &status, __WALL);
        if (got < 0) break;
        show(got == pid ? "parent" : "child", status);
        if (WIFEXITED(status) || WIFSIGNALED(status)) { if (got == pid) break; other = 0; continue; }
        int event = status >> 16, sig = event || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
        if (event) { PT(GETEVENTMSG, got, 0, &message); info(got, me); }
        if (event == 1 || event == 2 || event == 3) { other = (pid_t)message; printf("  a new one: %d\n", other > 0 && other != pid); 
            PT(CONT, pid, 0, 0); continue; }
        if (event == 4) printf("  was itself: %d\n", message == (unsigned long)pid);
        if (event == 6) printf("  status %#lx\n", message);
        PT(CONT, got, 0, sig);
    }
}

static void dies(void) { traceme(); raise(SIGTERM); _exit(0); }
static void signals(void) {
    pid_t me = getpid(), pid = child(dies);
    await("dies", pid); PT(CONT, pid, 0, 0);
    await("term", pid); info(pid, me);
    // Another signal in place of this one.
    PT(CONT, pid, 0, SIGKILL); await("killed instead", pid);
    pid = child(dies); await("dies", pid); PT(CONT, pid, 0, 0); await("term", pid);
    PT(CONT, pid, 0, 0); await("swallowed", pid);
    pid = child(dies); await("dies", pid); PT(CONT, pid, 0, 0); await("term", pid);
    siginfo_t si; PT(GETSIGINFO, pid, 0, &si); si.si_signo = SIGHUP;
    printf("set %s", outcome(PT(SETSIGINFO, pid, 0, &si))); printf("\n"); info(pid, me);
    PT(CONT, pid, 0, SIGHUP); await("changed", pid);
    pid = child(dies); await("dies", pid); printf("kill %s\n", outcome(PT(KILL, pid, 0, 0))); await("killed", pid);
    printf("gone %s\n", outcome(PT(CONT, pid, 0, 0)));
    pid = child(dies); await("dies", pid); PT(SETOPTIONS, pid, 0, 1 << 6); PT(CONT, pid, 0, 0); await("term", pid);
    PT(CONT, pid, 0, SIGTERM); await("last words", pid); info(pid, me);
    unsigned long message = 0; PT(GETEVENTMSG, pid, 0, &message); printf("  status %#lx\n", message);
    PT(CONT, pid, 0, 0); await("end", pid);
    pid = child(dies); await("dies", pid); PT(DETACH, pid, 0, SIGINT); await("detached", pid);
}

static void queue(void) {
    sigset_t all; sigfillset(&all); sigprocmask(SIG_SETMASK, &all, 0);
    union sigval v = {.sival_int = 5};
    for (int i = 0; i < 3; i++, v.sival_int++) sigqueue(getpid(), SIGRTMIN, v);
    syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2);
    traceme(); _exit(0);
}
static void queues(void) {
    pid_t pid = child(queue); await("queue", pid);
    for (int flags = 0; flags < 3; flags++) for (int off = 0; off < 4; off += 2) {
        struct ptrace_peeksiginfo_args args = {.off = off, .flags = flags, .nr = 8};
        siginfo_t si[8]; memset(si, 0, sizeof si);
        long n = PT(PEEKSIGINFO, pid, &args, si);
        printf("flags %d from %d: %s", flags, off, outcome(n));
        for (long i = 0; i < n; i++) printf(" %d(%d)", si[i].si_signo, si[i].si_code == SI_QUEUE ? si[i].si_value.sival_int : si[i].si_code);
        printf("\n");
    }
    uint64_t mask = 0; PT(GETSIGMASK, pid, 8, &mask); printf("mask %lx %s\n", mask, outcome(PT(GETSIGMASK, pid, 4, &mask)));
    mask = 2; PT(SETSIGMASK, pid, 8, &mask); mask = 0; PT(GETSIGMASK, pid, 8, &mask); printf("mask %lx\n", mask);
    PT(KILL, pid, 0, 0); await("end", pid);
}

static void sleeper(void) { for (;;) pause(); }
// Waits until a process sleeps in pause().
static void settled(pid_t pid) {
    for (struct user_regs_struct r = {0}; r.rax != -514 && PT(SEIZE, pid, 0, 0) == 0;) {
        PT(INTERRUPT, pid, 0, 0); waitpid(pid, 0, 0); PT(GETREGS, pid, 0, &r); PT(DETACH, pid, 0, 0);
    }
}
static void attaching(void) {
    pid_t me = getpid(), pid = child(sleeper); struct user_regs_struct r;
    settled(pid);
    printf("none %s self %s\n", outcome(PT(ATTACH, 0x7ffffff, 0, 0)), outcome(PT(ATTACH, me, 0, 0)));
    printf("not mine %s\n", outcome(PT(GETREGS, pid, 0, &r)));
    printf("attach %s again %s\n", outcome(PT(ATTACH, pid, 0, 0)), outcome(PT(ATTACH, pid, 0, 0)));
    await("attached", pid); info(pid, me);
    PT(GETREGS, pid, 0, &r); printf("in call %ld, %ld\n", (long)r.orig_rax, (long)r.rax);
    printf("interrupt %s listen %s\n", outcome(PT(INTERRUPT, pid, 0, 0)), outcome(PT(LISTEN, pid, 0, 0)));
    PT(CONT, pid, 0, SIGSTOP); await("group stop", pid); info(pid, me);
    PT(CONT, pid, 0, 0); kill(pid, SIGUSR1); await("usr1", pid); PT(DETACH, pid, 0, 0);
    printf("detached %s\n", outcome(PT(CONT, pid, 0, 0)));
    kill(pid, SIGCONT);
    settled(pid);
    printf("seize %s %s %s\n", outcome(PT(SEIZE, pid, 1, 0)), outcome(PT(SEIZE, pid, 0, 1 << 30)), outcome(PT(SEIZE, pid, 0, 1)));
    printf("running %s\n", outcome(PT(CONT, pid, 0, 0)));
    PT(INTERRUPT, pid, 0, 0); await("interrupted", pid); info(pid, me);
    PT(CONT, pid, 0, 0);
    kill(pid, SIGSTOP); await("stop", pid); PT(CONT, pid, 0, SIGSTOP); await("group stop", pid); info(pid, me);
    printf("listen %s\n", outcome(PT(LISTEN, pid, 0, 0))); printf("listening %s\n", outcome(PT(GETREGS, pid, 0, &r)));
    kill(pid, SIGCONT); await("end of the stop", pid);
    PT(CONT, pid, 0, 0); await("cont", pid); PT(CONT, pid, 0, SIGCONT);
    // A continuation before the tracer listens is told at once.
    kill(pid, SIGSTOP); await("stop", pid); PT(CONT, pid, 0, SIGSTOP); await("group stop", pid);
    kill(pid, SIGCONT); printf("listen %s\n", outcome(PT(LISTEN, pid, 0, 0))); await("end of the stop", pid);
    PT(CONT, pid, 0, 0); await("cont", pid); PT(CONT, pid, 0, 0);
    PT(INTERRUPT, pid, 0, 0); await("interrupted", pid);
    PT(DETACH, pid, 0, SIGKILL); kill(pid, SIGKILL); await("end", pid);
}

static void registers_of(void) { traceme(); for (volatile int i = 0; i < 5; i++) shared++; raise(SIGUSR2); _exit(shared); }
static void registers(void) {
    pid_t me = getpid(), pid = child(registers_of); struct user_regs_struct r, r2; struct user_fpregs_struct f;
    await("registers", pid);
    memset(&r, 0, sizeof r);
    struct iovec v = {&r, sizeof r};
    printf("prstatus %s of %zu", outcome(PT(GETREGSET, pid, NT_PRSTATUS, &v)), v.iov_len);
    PT(GETREGS, pid, 0, &r2); printf(" same %d cs %lx ss %lx\n", !memcmp(&r, &r2, sizeof r), (long)r.cs, (long)r.ss);
    v.iov_len = 20; printf("part %s of %zu", outcome(PT(GETREGSET, pid, NT_PRSTATUS, &v)), v.iov_len); printf(" set %s\n", outcome(PT(SETREGSET, pid, NT_PRSTATUS, &v)));
    v.iov_base = &f; v.iov_len = sizeof f; printf("fp %s of %zu\n", outcome(PT(GETREGSET, pid, NT_PRFPREG, &v)), v.iov_len);
    printf("mxcsr %x cwd %x, again %s\n", f.mxcsr, f.cwd, outcome(PT(SETREGSET, pid, NT_PRFPREG, &v)));
    v.iov_len = 8; printf("short fp %s\n", outcome(PT(SETREGSET, pid, NT_PRFPREG, &v)));
    static char x[16384]; v.iov_base = x; v.iov_len = sizeof x;
    printf("xstate %s", outcome(PT(GETREGSET, pid, NT_X86_XSTATE, &v))); printf(" more %d mask %d\n", v.iov_len >= 576, x[464] & 7);
    printf("xstate %s\n", outcome(PT(SETREGSET, pid, NT_X86_XSTATE, &v)));
    v.iov_len = 8; printf("unknown %s\n", outcome(PT(GETREGSET, pid, 0x7777, &v)));
    long word = 0;
    printf("peek %s", outcome(PT(1, pid, &shared, &word))); printf(" %d bad %s\n", (int)word, outcome(PT(1, pid, 16, &word)));
    word = (word & ~0xffffffffL) | 40; printf("poke %s bad %s\n", outcome(PT(4, pid, &shared, word)), outcome(PT(4, pid, 16, word)));
    PT(1, pid, registers_of, &word); printf("code %s\n", outcome(PT(4, pid, registers_of, word)));
    size_t rip = offsetof(struct user, regs.rip);
    printf("peekuser %s same %d", outcome(PT(3, pid, rip, &word)), word == (long)r2.rip);
    printf(" odd %s far %s\n", outcome(PT(3, pid, rip + 1, &word)), outcome(PT(3, pid, sizeof(struct user), &word)));
    printf("pokeuser %s base %s\n", outcome(PT(6, pid, rip, r2.rip)), outcome(PT(6, pid, offsetof(struct user, regs.fs_base), -1)));
    for (int i = 0; i < 8; i++) printf("dr%d %s ", i, outcome(PT(3, pid, offsetof(struct user, u_debugreg[i]), &word)));
    printf("\n");
    int steps = 0, status; long last = 0;
    do { PT(STEP, pid, 0, 0); waitpid(pid, &status, 0); PT(GETREGS, pid, 0, &r); steps += r.rip != last; last = r.rip; }
    while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP && steps < 20);
    show("steps", status); info(pid, me); printf("%d steps, trap flag %d\n", steps, (int)(r.eflags >> 8 & 1));
    PT(CONT, pid, 0, 0); await("usr2", pid); PT(CONT, pid, 0, 0); await("end", pid);
}

static void grandchild_stops(void) {
    pid_t pid = fork();
    if (pid == 0) sleeper();
    int status;
    kill(pid, SIGKILL); waitpid(pid, &status, 0); show("real parent", status); fflush(stdout); _exit(0);
}
static void exit_kills(void) {
    // The tracee of a dead tracer dies with it, or goes on.
    for (int kill_it = 0; kill_it < 2; kill_it++) {
        pid_t pid = child(sleeper); settled(pid); fflush(stdout);
        pid_t tracer = fork();
        if (tracer == 0) { long r = PT(SEIZE, pid, 0, kill_it ? 1 << 20 : 0); _exit(r < 0); }
        int status; waitpid(tracer, &status, 0); show("tracer", status);
        if (!kill_it) kill(pid, SIGTERM);
        await("tracee", pid);
    }
}

int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IOFBF, 1 << 16);
    if (argc > 1 && !strcmp(argv[1], "leaf")) return 5;
    // Ignored in what nohup or a shell's `&` has started.
    signal(SIGHUP, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    syscalls(); changes(); events(0); signals(); queues(); attaching(); attached_while_stopped(); registers(); exit_kills();
    pid_t pid = child(grandchild_stops); await("end", pid);
    return 0;
}
