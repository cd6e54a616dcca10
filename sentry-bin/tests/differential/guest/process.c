/* Operations on processes, credentials and limits. */
#include "guest.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void say_status(int status) {
    if (WIFEXITED(status)) say(" exited %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) say(" killed %d", WTERMSIG(status));
    else say(" status %x", status);
}

/* The next operations happen in a child, which then exits, or kills itself if the status is 256 and a signal. The parent waits.
 * Flags of clone, number of operations, status. */
static void fork_and_wait(char **a, int look_first) {
    int next = position + 1, count = (int)num(a, 1), end = (int)num(a, 2);
    long pid = syscall(SYS_clone, (num(a, 0) & (CLONE_FILES | CLONE_FS)) | SIGCHLD, 0L, 0L, 0L, 0L);
    if (pid < 0) {
        result(pid);
        return;
    }
    if (pid == 0) {
        /* The parent reports nothing before the child has ended. */
        say(" here\n");
        run_ops(next, next + count);
        if (end >= 256) kill(getpid(), end - 256);
        _exit(end & 255);
    }
    int status;
    if (look_first) {
        siginfo_t info = {0};
        long r = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
        say("%d looked", position);
        if (result(r) == 0)
            say(" info %d code %d status %d", info.si_signo, info.si_code, info.si_status);
    }
    long r = waitpid((pid_t)pid, &status, 0);
    say("%s%d waited", look_first ? "\n" : "", position);
    if (r < 0) result(r);
    else say_status(status);
    position += count;
}

static void op_fork(char **a) { fork_and_wait(a, 0); }
/* The same, with a waitid that leaves the child as it is. */
static void op_fork_info(char **a) { fork_and_wait(a, 1); }

/* `waitpid`, whatever handlers run meanwhile. */
static long wait_through(pid_t pid, int *status, int options) {
    long r;
    while ((r = waitpid(pid, status, options)) < 0 && errno == EINTR) {}
    return r;
}

/* A child that runs the next operations, stops itself with a signal, and exits when it has gone on. Signal, number of operations,
 * status. Its parent hears of all that when it is over: whether SIGCHLD comes before a wait ends is a matter of luck. */
static void op_fork_stopped(char **a) {
    int next = position + 1, count = (int)num(a, 1), end = (int)num(a, 2), go[2], status = 0;
    sigset_t chld, before;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    if (pipe(go)) {
        result(-1);
        return;
    }
    sigprocmask(SIG_BLOCK, &chld, &before);
    pid_t pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        say(" here\n");
        close(go[1]);
        run_ops(next, next + count);
        kill(getpid(), (int)num(a, 0));
        char byte;
        if (read(go[0], &byte, 1) < 0) _exit(99);
        if (end >= 256) kill(getpid(), end - 256);
        _exit(end & 255);
    }
    close(go[0]);
    long r = wait_through(pid, &status, WUNTRACED);
    say("%d stopped", position);
    if (r < 0) result(r);
    else if (WIFSTOPPED(status)) say(" by %d", WSTOPSIG(status));
    else say_status(status);
    if (r > 0 && WIFSTOPPED(status)) {
        siginfo_t info = {0};
        kill(pid, SIGCONT);
        while ((r = waitid(P_PID, (id_t)pid, &info, WCONTINUED | WEXITED)) < 0 && errno == EINTR) {}
        result(r);
        say(" info %d code %d status %d", info.si_signo, info.si_code, info.si_status);
    }
    close(go[1]);
    if (r == 0 && WIFSTOPPED(status)) {
        r = wait_through(pid, &status, 0);
        if (r < 0) result(r);
        else say_status(status);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    position += count;
}

/* A child whose process group the parent changes and signals. What to do, number of operations, status. */
static void op_fork_group(char **a) {
    int next = position + 1, count = (int)num(a, 1), end = (int)num(a, 2), go[2], status = 0;
    if (pipe(go)) {
        result(-1);
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        close(go[1]);
        if (read(go[0], &byte, 1) < 0) _exit(99);
        say(" here\n");
        run_ops(next, next + count);
        if (end >= 256) kill(getpid(), end - 256);
        _exit(end & 255);
    }
    close(go[0]);
    result(setpgid(pid, num(a, 0) & 1 ? pid : 0));
    say(" group %s", getpgid(pid) == pid ? "own" : getpgid(pid) == getpgrp() ? "ours" : "other");
    say(" session %s", getsid(pid) == getsid(0) ? "ours" : "other");
    if (num(a, 0) & 2) result(kill(-pid, 0));
    /* Before it runs on, as it may change its group. */
    result(waitpid(-getpgid(pid), &status, WNOHANG | __WALL));
    say("\n");
    close(go[1]);
    long r = wait_through(pid, &status, 0);
    say("%d waited", position);
    if (r < 0) result(r);
    else say_status(status);
    position += count;
}

/* Waits for what there is not: kind of the number, which number, options. */
static void op_wait_bad(char **a) {
    siginfo_t info = {0};
    id_t ids[] = {0, (id_t)getpid(), 1 << 22};
    result(waitid((idtype_t)num(a, 0), ids[num(a, 1) % 3], &info, (int)num(a, 2) | WNOHANG));
}

static void op_capabilities(char **a) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0}};
    (void)a;
    if (result(syscall(SYS_capget, &head, data)) == 0) say(" %x %x %x", data[0].effective, data[0].permitted, data[0].inheritable);
}

static void op_capset(char **a) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{(unsigned)num(a, 0), (unsigned)num(a, 1), (unsigned)num(a, 2)}};
    result(syscall(SYS_capset, &head, data));
}

static void op_setfsgid(char **a) { result(syscall(SYS_setfsgid, num(a, 0))); }
static void op_setregid(char **a) { result(syscall(SYS_setregid, num(a, 0), num(a, 1))); }
static void op_setgid(char **a) { result(syscall(SYS_setgid, num(a, 0))); }

static void op_wait_any(char **a) {
    int status;
    long r = waitpid(-1, &status, (int)num(a, 0) | WNOHANG);
    if (r <= 0) result(r);
    else say_status(status);
}

static void op_ids(char **a) {
    uid_t r, e, s;
    gid_t gr, ge, gs;
    (void)a;
    if (getresuid(&r, &e, &s) || getresgid(&gr, &ge, &gs)) return;
    say(" uid %d %d %d gid %d %d %d group %s", r, e, s, gr, ge, gs, who(getpgrp()));
}

static void op_setresuid(char **a) { result(syscall(SYS_setresuid, num(a, 0), num(a, 1), num(a, 2))); }
static void op_setresgid(char **a) { result(syscall(SYS_setresgid, num(a, 0), num(a, 1), num(a, 2))); }
static void op_setuid(char **a) { result(syscall(SYS_setuid, num(a, 0))); }
static void op_setreuid(char **a) { result(syscall(SYS_setreuid, num(a, 0), num(a, 1))); }
static void op_setfsuid(char **a) { result(syscall(SYS_setfsuid, num(a, 0))); }

static void op_setgroups(char **a) {
    gid_t groups[2] = {(gid_t)num(a, 1), (gid_t)num(a, 2)};
    result(syscall(SYS_setgroups, num(a, 0), groups));
}

static void op_getgroups(char **a) {
    gid_t groups[64];
    long n = result(syscall(SYS_getgroups, num(a, 0), groups));
    for (long i = 0; i < n && num(a, 0) && i < 64; i++) say(" %d", groups[i]);
}

/* Into the parent's group or an own one. The group of the runner is out of reach: a signal to it would end all cases. */
static void op_setpgid(char **a) { result(setpgid(0, num(a, 0) && strcmp(who(getppid()), "runner") ? getppid() : 0)); }

static void op_setsid(char **a) {
    (void)a;
    success(setsid());
    say(" session %s", who(getsid(0)));
}

static void op_setrlimit(char **a) {
    struct rlimit new = {(rlim_t)num(a, 1), (rlim_t)num(a, 2)};
    result(setrlimit((int)num(a, 0), &new));
}

static void op_getrlimit(char **a) {
    struct rlimit now;
    if (result(getrlimit((int)num(a, 0), &now)) == 0) say(" %ld %ld", (long)now.rlim_cur, (long)now.rlim_max);
}

static void op_prctl(char **a) { result(prctl((int)num(a, 0), num(a, 1), num(a, 2), 0, 0)); }

static void op_name(char **a) {
    char name[17] = {0};
    if (result(prctl(PR_SET_NAME, path(a, 0), 0, 0, 0)) == 0 && prctl(PR_GET_NAME, name, 0, 0, 0) == 0) say(" %s", name);
}

static void op_nice(char **a) {
    result(setpriority(PRIO_PROCESS, 0, (int)num(a, 0)));
    say(" %ld", syscall(SYS_getpriority, PRIO_PROCESS, 0L));
}

/* Nothing that a case makes can be executed, so that the process stays. */
static void op_exec(char **a) {
    char *argv[] = {(char *)"x", NULL}, *envp[] = {NULL};
    result(execve(path(a, 0), argv, envp));
}

static void op_unshare(char **a) { result(unshare((int)num(a, 0) & (CLONE_FILES | CLONE_FS))); }

const struct handler process_ops[] = {
    {"fork", op_fork}, {"fork_info", op_fork_info}, {"wait_any", op_wait_any}, {"ids", op_ids}, {"setresuid", op_setresuid}, {"setresgid", op_setresgid},
    {"setuid", op_setuid}, {"setreuid", op_setreuid}, {"setfsuid", op_setfsuid}, {"setgroups", op_setgroups},
    {"getgroups", op_getgroups}, {"setpgid", op_setpgid}, {"setsid", op_setsid}, {"setrlimit", op_setrlimit},
    {"getrlimit", op_getrlimit}, {"prctl", op_prctl}, {"name", op_name}, {"nice", op_nice}, {"exec", op_exec},
    {"unshare", op_unshare}, {"fork_stopped", op_fork_stopped}, {"fork_group", op_fork_group}, {"wait_bad", op_wait_bad},
    {"capabilities", op_capabilities}, {"capset", op_capset}, {"setfsgid", op_setfsgid}, {"setregid", op_setregid}, {"setgid", op_setgid}, {NULL, NULL},
};
