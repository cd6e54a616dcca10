// Prints what calls that make and wait for children answer; the same natively.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/mount.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define T(call) do { errno = 0; long r_ = (long)(call); printf("%d %s = %ld %s\n", __LINE__, #call, r_, r_ == -1 ? strerrorname_np(errno) : ""); } while (0)
#define OK(call) do { errno = 0; long r_ = (long)(call); printf("%d %s %s\n", __LINE__, #call, r_ == -1 ? strerrorname_np(errno) : "ok"); } while (0)

static pid_t child(int how) {
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        if (how == -1) for (;;) pause();
        if (how < 0) raise(-how);
        _exit(how);
    }
    return p;
}
static void info(siginfo_t *i, pid_t p) {
    printf("signo %d code %d status %d uid %d pid %s\n", i->si_signo, i->si_code, i->si_status, i->si_uid, i->si_pid == p ? "right" : i->si_pid == 0 ? "zero" : "wrong");
    memset(i, 0x5a, sizeof *i);
}

static void waits(void) {
    siginfo_t i;
    int st = 0;
    struct rusage ru;
    T(wait4(-1, &st, 0, NULL));
    T(wait4(0x80000000, &st, 0, NULL));
    T(wait4(-1, &st, 0x100, NULL));
    T(syscall(SYS_waitid, P_ALL, 0, &i, WEXITED, NULL));
    T(syscall(SYS_waitid, P_ALL, 0, &i, WNOHANG, NULL));
    T(syscall(SYS_waitid, P_PID, 0, &i, WEXITED, NULL));
    T(syscall(SYS_waitid, P_PGID, -1, &i, WEXITED, NULL));
    T(syscall(SYS_waitid, 9, 1, &i, WEXITED, NULL));
    T(syscall(SYS_waitid, P_PIDFD, 77, &i, WEXITED, NULL));
    pid_t p = child(7);
    T(waitid(P_PID, p, &i, WEXITED | WNOWAIT));
    info(&i, p);
    T(waitid(P_ALL, 0, &i, WEXITED | WNOHANG | WNOWAIT));
    info(&i, p);
    T(waitid(P_PGID, 0, &i, WSTOPPED | WNOHANG));
    info(&i, p);
    T(wait4(p, &st, __WCLONE, NULL));
    memset(&ru, 0x5a, sizeof ru);
    T(wait4(p, &st, __WALL, &ru) == p);
    printf("%x %d\n", st, ru.ru_maxrss > 0 && ru.ru_utime.tv_sec == 0);
    p = child(-1);
    T(waitid(P_PID, p, &i, WEXITED | WSTOPPED | WCONTINUED | WNOHANG));
    info(&i, p);
    kill(p, SIGSTOP);
    T(waitid(P_PID, p, &i, WSTOPPED));
    info(&i, p);
    T(wait4(p, &st, WUNTRACED | WNOHANG, NULL));
    kill(p, SIGCONT);
    T(waitid(P_PID, p, &i, WCONTINUED | WNOWAIT));
    info(&i, p);
    T(wait4(p, &st, WCONTINUED, NULL) == p);
    printf("%x\n", st);
    kill(p, SIGTERM);
    T(waitid(P_PID, p, &i, WEXITED));
    info(&i, p);
}
static void autoreap(void) {
    int st;
    signal(SIGCHLD, SIG_IGN);
    child(1);
    T(wait(&st));
    signal(SIGCHLD, SIG_DFL);
    struct sigaction a = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    sigaction(SIGCHLD, &a, NULL);
    child(1);
    T(wait(&st));
    a.sa_flags = 0;
    sigaction(SIGCHLD, &a, NULL);
}
static void reparenting(void) {
    int fds[2], st;
    pipe(fds);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(stdout);
    pid_t me = getpid(), p = fork();
    if (p == 0) {
        if (fork() == 0) {
            char c;
            read(fds[0], &c, 1);
            _exit(getppid() == me ? 3 : 4);
        }
        _exit(0);
    }
    T(waitpid(p, &st, 0) == p);
    write(fds[1], "x", 1);
    T(wait(&st) > 0);
    printf("%x\n", st);
    close(fds[0]);
    close(fds[1]);
}
static void death_signal(void) {
    int st, fds[2];
    pipe(fds);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        pid_t q = fork();
        if (q == 0) {
            prctl(PR_SET_PDEATHSIG, SIGUSR1);
            write(fds[1], "x", 1);
            for (;;) pause();
        }
        char c;
        read(fds[0], &c, 1);
        _exit(0);
    }
    T(waitpid(p, &st, 0) == p);
    T(wait(&st) > 0);
    printf("%x\n", st);
}

static int thread_body(void *arg) { (void)arg; return 0; }
static void *sleeper(void *arg) { *(int *)arg = gettid(); for (;;) pause(); return NULL; }

static void pidfds(void) {
    siginfo_t i;
    pid_t p = child(-1);
    int fd = syscall(SYS_pidfd_open, p, 0);
    T(fd >= 0);
    T(fcntl(fd, F_GETFD));
    T(syscall(SYS_pidfd_open, p, 4));
    T(syscall(SYS_pidfd_open, 0, 0));
    T(syscall(SYS_pidfd_open, 999999, 0));
    char c;
    T(read(fd, &c, 1));
    T(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    T(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 3));
    T(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0));
    T(syscall(SYS_pidfd_send_signal, fd, 65, NULL, 0));
    memset(&i, 0, sizeof i);
    i.si_signo = SIGUSR1;
    T(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &i, 0));
    i.si_signo = SIGTERM;
    i.si_code = SI_USER;
    T(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &i, 0));
    char dir[64];
    if (access("/proc/self", F_OK) < 0)
        mkdir("/proc", 0555), mount("proc", "/proc", "proc", 0, NULL);
    sprintf(dir, "/proc/%d", p);
    int in_proc = open(dir, O_RDONLY | O_DIRECTORY), only_path = open(dir, O_PATH);
    T(syscall(SYS_pidfd_send_signal, in_proc, 0, NULL, 0));
    T(syscall(SYS_pidfd_send_signal, only_path, 0, NULL, 0));
    T(syscall(SYS_pidfd_getfd, in_proc, 0, 0));
    sprintf(dir, "/proc/%d/task/%d", p, p);
    T(syscall(SYS_pidfd_send_signal, open(dir, O_RDONLY), 0, NULL, 0));
    sprintf(dir, "/proc/%d/fd", p);
    T(syscall(SYS_pidfd_send_signal, open(dir, O_RDONLY), 0, NULL, 0));
    int nb = syscall(SYS_pidfd_open, p, O_NONBLOCK);
    T(waitid(P_PIDFD, nb, &i, WEXITED));
    int got = syscall(SYS_pidfd_getfd, fd, fd, 0);
    OK(got);
    T(syscall(SYS_pidfd_getfd, fd, 200, 0));
    T(syscall(SYS_pidfd_getfd, fd, 0, 1));
    i.si_signo = SIGTERM;
    i.si_code = SI_QUEUE;
    T(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &i, 0));
    T(waitid(P_PIDFD, fd, &i, WEXITED));
    info(&i, p);
    T(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    T(syscall(SYS_pidfd_send_signal, in_proc, SIGTERM, NULL, 0));
    T(waitid(P_PIDFD, fd, &i, WEXITED));
    pthread_t t;
    volatile int tid = 0;
    pthread_create(&t, NULL, sleeper, (void *)&tid);
    while (!tid) sched_yield();
    T(syscall(SYS_pidfd_open, tid, 0));
    OK(syscall(SYS_pidfd_open, tid, O_EXCL));
}
static long clone3(struct clone_args *a, size_t n) { fflush(stdout); return syscall(SYS_clone3, a, n); }
static void clones(void) {
    struct { struct clone_args a; uint64_t more[2]; } x;
    memset(&x, 0, sizeof x);
    int pidfd = -1, ptid = 0, st;
    T(clone3(&x.a, 63));
    T(clone3(&x.a, 5000));
    T(clone3((void *)8, 64));
    x.more[0] = 1;
    T(clone3(&x.a, sizeof x));
    x.more[0] = 0;
    x.a.exit_signal = 65;
    T(clone3(&x.a, 64));
    x.a.exit_signal = 0x111;
    T(clone3(&x.a, 64));
    x.a.exit_signal = SIGCHLD;
    x.a.flags = 17;
    T(clone3(&x.a, 64));
    x.a.flags = CLONE_THREAD;
    T(clone3(&x.a, 64));
    x.a.flags = CLONE_SIGHAND;
    T(clone3(&x.a, 64));
    x.a.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND;
    T(clone3(&x.a, 64));
    x.a.flags = 0;
    x.a.stack = 4096;
    T(clone3(&x.a, 64));
    x.a.stack = 0;
    x.a.stack_size = 4096;
    T(clone3(&x.a, 64));
    x.a.stack_size = 0;
    x.a.set_tid_size = 1;
    T(clone3(&x.a, 88));
    x.a.set_tid_size = 33;
    x.a.set_tid = 4096;
    T(clone3(&x.a, 88));
    x.a.set_tid = x.a.set_tid_size = 0;
    x.a.flags = 1ull << 40;
    T(clone3(&x.a, 88));
    x.a.flags = CLONE_PIDFD;
    x.a.pidfd = 8;
    T(clone3(&x.a, 88));
    signal(SIGUSR1, sleeper == NULL ? SIG_IGN : (void (*)(int))thread_body);
    x.a.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND;
    x.a.pidfd = (uintptr_t)&pidfd;
    x.a.parent_tid = (uintptr_t)&ptid;
    long p = clone3(&x.a, 88);
    if (p == 0) {
        struct sigaction a;
        sigaction(SIGUSR1, NULL, &a);
        _exit(a.sa_handler == SIG_DFL ? 9 : 1);
    }
    printf("%d %d\n", p == ptid, pidfd >= 0);
    siginfo_t i;
    T(waitid(P_PIDFD, pidfd, &i, WEXITED));
    info(&i, p);
    fflush(stdout);
    p = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
    if (p == 0) _exit(2);
    T(waitid(P_PIDFD, pidfd, &i, WEXITED));
    info(&i, p);
    T(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &pidfd, 0, 0));
    fflush(stdout);
    p = syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (p == 0) _exit(5);
    T(waitpid(p, &st, 0));
    T(waitpid(p, &st, __WCLONE) == p);
    printf("%x\n", st);
    static char stack[16384];
    signal(SIGUSR2, SIG_IGN);
    fflush(stdout);
    p = clone(thread_body, stack + sizeof stack, CLONE_VM | SIGUSR2, NULL);
    T(waitpid(p, &st, __WALL) == p);
    fflush(stdout);
    p = fork();
    if (p == 0) {
        pid_t q = syscall(SYS_clone, CLONE_PARENT | SIGUSR1, 0, 0, 0, 0);
        if (q == 0) _exit(6);
        _exit(7);
    }
    int sum = 0;
    for (int k = 0; k < 2; k++) { wait(&st); sum += st; }
    printf("%x\n", sum);
    fflush(stdout);
    volatile int order = 0;
    p = vfork();
    if (p == 0) { order = 1; _exit(0); }
    printf("%d\n", order);
    waitpid(p, &st, 0);
}
static void limited(void) {
    struct rlimit l = {1, 1};
    setrlimit(RLIMIT_NPROC, &l);
    setuid(54321);
    T(fork() > 0 ? 1 : -1);
    T(syscall(SYS_kill, 999999, 0));
    T(getpgid(999999));
    T(getsid(-5));
    T(setpgid(-1, 0));
    T(setpgid(0, -1));
    T(setpgid(999999, 0));
}
static void other_memory(void) {
    int fds[2];
    pipe(fds);
    volatile char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy((char *)shared, "before");
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
        strcpy((char *)shared, "child's");
        write(fds[1], "x", 1);
        while (shared[4096] != 'w') usleep(1000);
        _exit(shared[4097]);
    }
    char c, buf[32] = "";
    read(fds[0], &c, 1);
    struct iovec l[2] = {{buf, 3}, {buf + 3, 5}}, r = {(void *)shared, 8};
    T(process_vm_readv(p, l, 2, &r, 1, 0));
    puts(buf);
    r.iov_len = 100000;
    l[1].iov_len = 29;
    T(process_vm_readv(p, l, 2, &r, 1, 0));
    r.iov_base = (void *)8;
    T(process_vm_readv(p, l, 2, &r, 1, 0));
    T(process_vm_readv(p, l, 2, &r, 1, 1));
    T(process_vm_readv(999999, l, 2, &r, 1, 0));
    T(process_vm_readv(p, l, 0, &r, 1, 0));
    l[0] = (struct iovec){"w!", 2};
    r = (struct iovec){(void *)(shared + 4096), 2};
    T(process_vm_writev(p, l, 1, &r, 1, 0));
    int st;
    T(waitpid(p, &st, 0) == p);
    printf("%x\n", st);
    T(syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0));
    T(syscall(SYS_kcmp, getpid(), getpid(), 0, 1, 1));
    T(syscall(SYS_kcmp, getpid(), getpid(), 0, 1, 300));
    T(syscall(SYS_kcmp, getpid(), getpid(), 99, 1, 1));
    T(syscall(SYS_kcmp, getpid(), 999999, 1, 0, 0));
    if ((p = fork()) == 0)
        for (;;)
            pause();
    struct sembuf up = {0, 1, SEM_UNDO};
    int sems = semget(IPC_PRIVATE, 1, 0600);
    T(syscall(SYS_kcmp, getpid(), p, 5, 0, 0));
    T(syscall(SYS_kcmp, getpid(), p, 6, 0, 0));
    T(semop(sems, &up, 1));
    T(syscall(SYS_kcmp, getpid(), getpid(), 6, 0, 0));
    T(syscall(SYS_kcmp, getpid(), p, 6, 0, 0) > 0);
    semctl(sems, 0, IPC_RMID);
    kill(p, SIGKILL), waitpid(p, &st, 0);
}

static void run(void (*f)(void)) {
    int st;
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) { f(); fflush(stdout); _exit(0); }
    waitpid(p, &st, 0);
    printf("section %x\n", st);
}
int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    run(waits);
    run(autoreap);
    run(reparenting);
    run(death_signal);
    run(pidfds);
    run(clones);
    run(limited);
    run(other_memory);
    return 0;
}
