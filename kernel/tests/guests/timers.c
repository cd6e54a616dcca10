// Timers and clocks. Prints what each call gives, so that the host and the sandbox can be compared.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void show(const char *what, long r) {
    if (r == -1)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %ld\n", what, r);
}
#define SHOW(x) show(#x, (long)(x))
typedef struct { int id; } ktimer;
static int create(int clock, int notify, int sig, int tid, int *id) {
    struct sigevent e = {.sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = 77};
    e._sigev_un._tid = tid;
    return syscall(SYS_timer_create, clock, notify < 0 ? NULL : &e, id);
}
static int set(int id, int flags, long ms, long interval_ms) {
    struct itimerspec s = {{interval_ms / 1000, interval_ms % 1000 * 1000000}, {ms / 1000, ms % 1000 * 1000000}};
    return syscall(SYS_timer_settime, id, flags, &s, NULL);
}
static volatile int count, code, value, tid, overrun;
static void on_signal(int s, siginfo_t *i, void *c) {
    (void)s, (void)c;
    count++, code = i->si_code, value = i->si_value.sival_int, tid = gettid();
    // The timer goes on, so that a later signal may say 0 again.
    if (i->si_overrun > overrun)
        overrun = i->si_overrun;
}
static void spin(void) {
    for (volatile long i = 0; i < 100000; i++)
        ;
}
static void *other(void *arg) {
    *(int *)arg = gettid();
    while (count == 0)
        usleep(1000);
    return NULL;
}

static void posix(void) {
    int id, id2;
    struct itimerspec cur;
    SHOW(create(99, SIGEV_SIGNAL, SIGUSR1, 0, &id));
    SHOW(create(CLOCK_MONOTONIC_RAW, SIGEV_SIGNAL, SIGUSR1, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, 9, SIGUSR1, 0, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, 1 << 20, &id));
    SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)8, &id));
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, &id));
    SHOW(create(CLOCK_REALTIME, -1, 0, 0, &id2));
    SHOW(set(99, 0, 1, 0));
    SHOW(syscall(SYS_timer_settime, id, 0, NULL, NULL));
    struct itimerspec bad = {{0, 0}, {0, 1000000000}};
    SHOW(syscall(SYS_timer_settime, id, 0, &bad, NULL));
    SHOW(syscall(SYS_timer_gettime, id, &cur));
    SHOW(cur.it_value.tv_sec + cur.it_value.tv_nsec);
    SHOW(set(id, 0, 20, 0));
    while (count == 0)
        pause();
    SHOW(code);
    SHOW(value);
    SHOW(syscall(SYS_timer_getoverrun, id));
    SHOW(syscall(SYS_timer_gettime, id, &cur));
    SHOW(cur.it_value.tv_sec + cur.it_value.tv_nsec);
    // Blocked while it expires several times: one signal, and a count of the others.
    sigset_t block, none;
    sigemptyset(&block), sigemptyset(&none), sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    count = 0;
    SHOW(set(id, 0, 10, 10));
    usleep(100000);
    SHOW(syscall(SYS_timer_gettime, id, &cur));
    SHOW(cur.it_value.tv_nsec > 0 && cur.it_value.tv_nsec <= 10000000);
    set(id, 0, 1000, 10);
    usleep(5000);
    SHOW(count);
    set(id, 0, 10, 10);
    overrun = 0;
    usleep(100000);
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    SHOW(count > 0);
    SHOW(overrun >= 5);
    SHOW(syscall(SYS_timer_getoverrun, id) >= 0);
    SHOW(syscall(SYS_timer_delete, id));
    SHOW(syscall(SYS_timer_delete, id));
    // A timer that fires at once and for ever must not stop the program.
    SHOW(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0, &id));
    signal(SIGRTMIN, SIG_IGN);
    struct itimerspec fast = {{0, 1}, {0, 1}};
    SHOW(syscall(SYS_timer_settime, id, 0, &fast, NULL));
    usleep(20000);
    SHOW(syscall(SYS_timer_delete, id));
    // To one thread.
    pthread_t t;
    static int other_tid;
    count = 0;
    pthread_create(&t, NULL, other, &other_tid);
    while (*(volatile int *)&other_tid == 0)
        usleep(1000);
    SHOW(create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, other_tid, &id));
    SHOW(set(id, 0, 10, 0));
    pthread_join(t, NULL);
    SHOW(tid == other_tid);
    // Absolute, in the past.
    count = 0;
    SHOW(create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 0, &id));
    SHOW(set(id, TIMER_ABSTIME, 5, 0));
    while (count == 0)
        usleep(1000);
    SHOW(count);
    SHOW(create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, &id));
    SHOW(set(id, 0, 5, 0));
    usleep(10000);
    SHOW(syscall(SYS_timer_gettime, id, &cur));
    SHOW(cur.it_value.tv_sec + cur.it_value.tv_nsec);
    // Processor time.
    count = 0;
    SHOW(create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 0, &id));
    SHOW(set(id, 0, 20, 0));
    while (count == 0)
        spin();
    SHOW(count);
    count = 0;
    SHOW(create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 0, &id));
    SHOW(set(id, 0, 10, 10));
    while (count < 3)
        spin();
    SHOW(set(id, 0, 0, 0));
    fflush(stdout);
    if (fork() == 0) {
        SHOW(syscall(SYS_timer_gettime, id, &cur));
        fflush(stdout);
        _exit(0);
    }
    while (wait(NULL) < 0)
        ;
}

static void intervals(void) {
    struct itimerval v = {{0, 10000}, {0, 10000}}, zero = {{0, 0}, {0, 0}}, old, bad = {{0, 0}, {0, 1000000}};
    int which[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    for (int i = 0; i < 3; i++) {
        count = 0;
        SHOW(setitimer(which[i], &v, NULL));
        while (count < 3)
            spin();
        SHOW(getitimer(which[i], &old));
        SHOW(old.it_interval.tv_usec);
        SHOW(old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 14000);
        SHOW(setitimer(which[i], &zero, &old));
        SHOW(old.it_interval.tv_usec);
        SHOW(getitimer(which[i], &old));
        SHOW(old.it_interval.tv_usec + old.it_value.tv_usec);
    }
    SHOW(code);
    SHOW(setitimer(3, &v, NULL));
    SHOW(setitimer(ITIMER_REAL, &bad, NULL));
    SHOW(getitimer(ITIMER_REAL, (void *)8));
    SHOW(alarm(100));
    SHOW(alarm(1));
    fflush(stdout);
    if (fork() == 0) {
        SHOW(alarm(0));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    SHOW(alarm(0));
    SHOW(alarm(0));
}

static void sleeps(void) {
    struct timespec t = {0, 1000000}, rem = {9, 9}, bad = {-1, 0};
    SHOW(nanosleep(&t, NULL));
    SHOW(nanosleep(&bad, NULL));
    SHOW(syscall(SYS_nanosleep, (void *)8, NULL));
    int clocks[] = {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 99};
    for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++)
        if (clocks[i] != CLOCK_PROCESS_CPUTIME_ID)
            SHOW(syscall(SYS_clock_nanosleep, clocks[i], 0, &t, NULL));
    SHOW(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
    // A handler ends a sleep even with SA_RESTART.
    struct itimerval once = {{0, 0}, {0, 20000}};
    t.tv_sec = 5;
    setitimer(ITIMER_REAL, &once, NULL);
    SHOW(nanosleep(&t, &rem));
    SHOW(rem.tv_sec);
    setitimer(ITIMER_REAL, &once, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 5;
    SHOW(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    // An ignored signal does not.
    signal(SIGALRM, SIG_IGN);
    setitimer(ITIMER_REAL, &once, NULL);
    t.tv_sec = 0, t.tv_nsec = 60000000;
    SHOW(nanosleep(&t, &rem));
}

static void clocks(void) {
    struct timespec a, b;
    for (int c = -1; c < 13; c++)
        SHOW(syscall(SYS_clock_gettime, c, &a));
    for (int c = 0; c < 12; c++)
        if (c != CLOCK_REALTIME_ALARM && c != CLOCK_BOOTTIME_ALARM) {
            show("resolution", syscall(SYS_clock_getres, c, &a));
            SHOW(a.tv_nsec);
        }
    SHOW(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
    SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, (void *)8));
    int backward = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 1000; i++) {
        if (i % 2)
            syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b);
        else
            clock_gettime(CLOCK_MONOTONIC, &b);
        if (b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec))
            backward++;
        a = b;
    }
    SHOW(backward);
    SHOW(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &a));
    SHOW(syscall(SYS_clock_settime, 99, &a));
    a.tv_nsec = -1;
    SHOW(syscall(SYS_clock_settime, CLOCK_REALTIME, &a));
    struct timex x = {0};
    SHOW(syscall(SYS_clock_adjtime, CLOCK_MONOTONIC, &x));
    SHOW(syscall(SYS_adjtimex, &x) >= 0);
    SHOW(x.tick);
    SHOW(syscall(SYS_adjtimex, (void *)8));
}

static void cpu_limit(void) {
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit l = {1, 2};
        signal(SIGXCPU, SIG_DFL);
        if (setrlimit(RLIMIT_CPU, &l) != 0)
            _exit(1);
        for (;;)
            spin();
    }
    while (waitpid(pid, &status, 0) < 0)
        ;
    SHOW(WIFSIGNALED(status) ? WTERMSIG(status) : -status);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 1 << 12);
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGUSR1, &sa, NULL), sigaction(SIGALRM, &sa, NULL);
    sigaction(SIGVTALRM, &sa, NULL), sigaction(SIGPROF, &sa, NULL);
    posix();
    intervals();
    sleeps();
    clocks();
    cpu_limit();
    return 0;
}
