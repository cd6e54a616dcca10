// Who is told of files: owners, signals of O_ASYNC, and leases.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long result) {
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

static void owner(const char *when, int fd) {
    struct f_owner_ex ex = {9, 9};
    int plain = fcntl(fd, F_GETOWN);
    fcntl(fd, F_GETOWN_EX, &ex);
    printf("%s: %d %d, kind %d %d, signal %d\n", when, plain == getpid() ? 1 : plain == -getpgrp() ? -1 : plain,
           ex.pid == getpid() || ex.pid == getpgrp(), ex.type, ex.pid == 0, fcntl(fd, F_GETSIG));
}

static sigset_t waited;

static void come(const char *what, int fd) {
    siginfo_t info;
    struct timespec most = {5, 0};
    int sig = sigtimedwait(&waited, &info, &most);
    printf("%s: signal %d code %d band %lx fd %d\n", what, sig, info.si_code, info.si_code > 0 && info.si_code < 10 ? info.si_band : 0,
           info.si_code > 0 && info.si_code < 10 ? info.si_fd == fd : 0);
}

static void nothing(const char *what) {
    struct timespec soon = {0, 20000000};
    printf("%s: %d\n", what, sigtimedwait(&waited, NULL, &soon));
}

static int lease(int fd, int kind) {
    return fcntl(fd, F_SETLEASE, kind);
}

static int child(const char *path, int flags, int answer) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, flags);
        _exit(fd < 0 ? errno == EAGAIN ? 2 : 3 : 1);
    }
    return pid;
}

static void ended(const char *what, int pid) {
    int status;
    waitpid(pid, &status, 0);
    printf("%s: %x\n", what, status);
}

int main(void) {
    int p[2], s[2];
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    signal(SIGIO, SIG_DFL);
    sigemptyset(&waited);
    sigaddset(&waited, SIGIO);
    sigaddset(&waited, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &waited, NULL);
    setpgid(0, 0);
    pipe(p);
    owner("nobody", p[0]);
    say("set", fcntl(p[0], F_SETOWN, getpid()));
    owner("process", p[0]);
    say("set group", fcntl(p[0], F_SETOWN, -getpgrp()));
    owner("group", p[0]);
    say("no such process", fcntl(p[0], F_SETOWN, 999999999));
    say("no number", fcntl(p[0], F_SETOWN, 0x80000000));
    struct f_owner_ex ex = {F_OWNER_TID, getpid()};
    say("thread", fcntl(p[0], F_SETOWN_EX, &ex));
    owner("thread", p[0]);
    ex.type = 7;
    say("no kind", fcntl(p[0], F_SETOWN_EX, &ex));
    ex.type = F_OWNER_PID, ex.pid = 999999999;
    say("no such process", fcntl(p[0], F_SETOWN_EX, &ex));
    say("bad signal", fcntl(p[0], F_SETSIG, 99));
    say("nobody", fcntl(p[0], F_SETOWN, 0));
    owner("nobody", p[0]);
    fcntl(p[0], F_SETOWN, getpid());
    write(p[1], "x", 1);
    nothing("not yet");
    say("async", fcntl(p[0], F_SETFL, O_ASYNC));
    write(p[1], "x", 1);
    come("plain", p[0]);
    say("signal", fcntl(p[0], F_SETSIG, SIGRTMIN + 3));
    owner("signal", p[0]);
    write(p[1], "x", 1);
    come("chosen", p[0]);
    int off = 0, on = 1;
    say("off", ioctl(p[0], FIOASYNC, &off));
    write(p[1], "x", 1);
    nothing("off");
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    fcntl(s[0], F_SETOWN, getpid());
    say("socket", ioctl(s[0], FIOASYNC, &on));
    printf("flags %x\n", fcntl(s[0], F_GETFL) & O_ASYNC);
    write(s[1], "x", 1);
    come("socket", s[0]);
    close(s[0]);

    char path[] = "/tmp/owners.XXXXXX";
    mkdir("/tmp", 01777);
    int fd = mkstemp(path);
    write(fd, "hello", 5);
    printf("no lease %d\n", fcntl(fd, F_GETLEASE));
    say("none to give up", lease(fd, F_UNLCK));
    say("read lease of a writer", lease(fd, F_RDLCK));
    say("write lease", lease(fd, F_WRLCK));
    printf("lease %d\n", fcntl(fd, F_GETLEASE));
    owner("of the lease", fd);
    int pid = child(path, O_RDONLY, 0);
    come("somebody reads", fd);
    printf("to become %d\n", fcntl(fd, F_GETLEASE));
    say("not the other way", lease(fd, F_WRLCK));
    say("give up", lease(fd, F_UNLCK));
    ended("opened", pid);
    fcntl(fd, F_SETSIG, SIGRTMIN + 3);
    say("again", lease(fd, F_WRLCK));
    pid = child(path, O_RDWR, 0);
    come("somebody writes", fd);
    printf("to become %d\n", fcntl(fd, F_GETLEASE));
    say("not enough", lease(fd, F_RDLCK));
    lease(fd, F_UNLCK);
    close(fd);
    ended("opened at last", pid);
    int one = open(path, O_RDONLY), two = open(path, O_RDONLY);
    say("read lease", lease(one, F_RDLCK));
    say("another", lease(two, F_RDLCK));
    say("not a write lease", lease(two, F_WRLCK));
    ended("reading is free", child(path, O_RDONLY, 0));
    ended("writing is not", child(path, O_RDWR | O_NONBLOCK, 0));
    come("told", one);
    lease(one, F_UNLCK), lease(two, F_UNLCK);
    nothing("both were told");
    nothing("no more");
    say("read lease", lease(one, F_RDLCK));
    fflush(stdout);
    pid = fork();
    if (pid == 0) _exit(truncate(path, 3) == 0 ? 5 : 6);
    come("truncated", one);
    lease(one, F_UNLCK);
    ended("truncated", pid);
    say("of a pipe", lease(p[0], F_RDLCK));
    say("bad kind", lease(one, 77));
    if (geteuid() == 0) {
        seteuid(12345);
        say("somebody else's", lease(one, F_RDLCK));
        seteuid(0);
    } else {
        printf("somebody else's: Permission denied\n");
    }
    unlink(path);
    return 0;
}
