/* Operations with signals. */
#include "guest.h"

#include <sys/signalfd.h>

static sigset_t set_of(unsigned long bits) {
    sigset_t set;
    sigemptyset(&set);
    for (int s = 1; s < 64; s++)
        if (bits >> (s - 1) & 1) sigaddset(&set, s);
    return set;
}

static void say_set(const sigset_t *set) {
    say(" {");
    for (int s = 1, first = 1; s <= 64; s++)
        if (sigismember(set, s) == 1) say("%s%d", first ? "" : " ", s), first = 0;
    say("}");
}

static void say_info(const siginfo_t *info) {
    say(" <%d code %d", info->si_signo, info->si_code);
    if (info->si_code == SI_QUEUE) say(" value %d", info->si_value.sival_int);
    if (info->si_signo == SIGCHLD && info->si_code > 0) say(" status %d", info->si_status);
    else if (info->si_code <= 0) say(" from %s", who(info->si_pid));
    say(">");
}

static void handler(int sig, siginfo_t *info, void *context) {
    sigset_t mask;
    int saved = errno;
    (void)sig, (void)context;
    say_info(info);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    say_set(&mask);
    stack_t stack;
    if (sigaltstack(NULL, &stack) == 0 && stack.ss_flags & SS_ONSTACK) say(" on its stack");
    errno = saved;
}

/* Signal, kind (0 default, 1 ignore, 2 handler), flags, mask. */
static void op_action(char **a) {
    struct sigaction act = {.sa_flags = (int)num(a, 2) | SA_SIGINFO, .sa_mask = set_of((unsigned long)num(a, 3))}, old;
    long kind = num(a, 1);
    if (kind == 2) act.sa_sigaction = handler;
    else act.sa_handler = kind ? SIG_IGN : SIG_DFL;
    if (result(sigaction((int)num(a, 0), &act, &old)) == 0) {
        say(" was %s flags %x", old.sa_handler == SIG_DFL ? "default" : old.sa_handler == SIG_IGN ? "ignored" : "handled",
            (unsigned)old.sa_flags & ~0x04000000u);
        say_set(&old.sa_mask);
    }
}

static void op_mask(char **a) {
    sigset_t set = set_of((unsigned long)num(a, 1)), old;
    if (result(sigprocmask((int)num(a, 0), &set, &old)) == 0) say_set(&old);
}

static void op_pending(char **a) {
    sigset_t set;
    (void)a;
    if (result(sigpending(&set)) == 0) say_set(&set);
}

static void op_kill(char **a) { result(kill(getpid(), (int)num(a, 0))); }
static void op_kill_group(char **a) { result(kill(0, (int)num(a, 0))); }
static void op_tgkill(char **a) { result(syscall(SYS_tgkill, getpid(), gettid(), num(a, 0))); }

static void op_queue(char **a) {
    result(sigqueue(getpid(), (int)num(a, 0), (union sigval){.sival_int = (int)num(a, 1)}));
}

static void op_take(char **a) {
    sigset_t set = set_of((unsigned long)num(a, 0));
    siginfo_t info;
    struct timespec none = {0, 0};
    if (result(sigtimedwait(&set, &info, &none)) > 0) say_info(&info);
}

/* Waits with a mask; something must be pending that it lets through, or this would never end. */
static void op_suspend(char **a) {
    sigset_t mask = set_of((unsigned long)num(a, 0)), pending;
    sigpending(&pending);
    for (int s = 1; s <= 64; s++) {
        struct sigaction act;
        if (sigismember(&pending, s) != 1 || sigismember(&mask, s) == 1 || sigaction(s, NULL, &act)) continue;
        if (act.sa_handler == SIG_IGN || act.sa_handler == SIG_DFL) continue;
        result(sigsuspend(&mask));
        return;
    }
}

static void op_altstack(char **a) {
    static char room[1 << 16];
    stack_t new = {.ss_sp = room, .ss_size = (size_t)num(a, 0), .ss_flags = (int)num(a, 1)}, old;
    if (result(sigaltstack(&new, &old)) == 0) say(" flags %x size %ld", (unsigned)old.ss_flags, (long)old.ss_size);
}

static void op_signalfd(char **a) {
    sigset_t set = set_of((unsigned long)num(a, 1));
    set_slot(a, 0, result(signalfd(-1, &set, SFD_NONBLOCK)));
}

static void op_signalfd_read(char **a) {
    struct signalfd_siginfo info[4];
    long n = result(read(slot(a, 0), info, sizeof info));
    for (long i = 0; n > 0 && i < n / (long)sizeof *info; i++) say(" <%d code %d>", info[i].ssi_signo, info[i].ssi_code);
}

const struct handler signal_ops[] = {
    {"action", op_action}, {"mask", op_mask}, {"pending", op_pending}, {"kill", op_kill}, {"kill_group", op_kill_group},
    {"tgkill", op_tgkill}, {"queue", op_queue}, {"take", op_take}, {"suspend", op_suspend}, {"altstack", op_altstack},
    {"signalfd", op_signalfd}, {"signalfd_read", op_signalfd_read}, {NULL, NULL},
};
