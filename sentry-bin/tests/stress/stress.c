/* Threads that lock, wake each other, send each other signals, fork, and are interrupted by timers, all at once.
   Prints the sums, which do not depend on the order of things. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6, ROUNDS = 150 };

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "%d: %s: %s\n", __LINE__, #what, strerror(errno)); abort(); } } while (0)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose;
static long total, turns;
static pthread_t threads[THREADS];
static pthread_barrier_t all;
static atomic_long got, sent, timed, alarms, children;
static _Thread_local volatile unsigned long canary;

static void on_signal(int sig) {
    (void)sig;
    int e = errno;
    atomic_fetch_add(&got, 1);
    getppid();
    errno = e;
}

static void on_timer(int sig) {
    int e = errno;
    atomic_fetch_add(sig == SIGALRM ? &alarms : &timed, 1);
    errno = e;
}

static void *work(void *arg) {
    int me = (int)(intptr_t)arg;
    canary = 0x1234567890 + me;
    pthread_barrier_wait(&all);
    for (int i = 0; i < ROUNDS; i++) {
        /* Signals to the next thread. */
        errno = pthread_kill(threads[(me + 1) % THREADS], SIGUSR1);
        CHECK(errno == 0);
        atomic_fetch_add(&sent, 1);
        /* Contention. */
        for (int k = 0; k < 20; k++) {
            pthread_mutex_lock(&lock);
            total++;
            pthread_mutex_unlock(&lock);
        }
        /* Turns. */
        if (i % 5 == 0) {
            pthread_mutex_lock(&lock);
            while (whose != me) pthread_cond_wait(&turn, &lock);
            whose = (whose + 1) % THREADS;
            turns++;
            pthread_cond_broadcast(&turn);
            pthread_mutex_unlock(&lock);
        }
        /* Processes. */
        if (i % 25 == me) {
            pid_t pid = fork();
            CHECK(pid >= 0);
            if (pid == 0) {
                raise(SIGUSR1);
                _exit(getppid() > 0 ? 3 : 4);
            }
            int status;
            while (waitpid(pid, &status, 0) < 0) CHECK(errno == EINTR);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
            atomic_fetch_add(&children, 1);
        }
        /* Sleeps that signals interrupt. */
        if (i % 7 == 0) {
            struct timespec t = { 0, 200000 };
            while (nanosleep(&t, &t) != 0) CHECK(errno == EINTR);
        }
        /* Memory. */
        if (i % 10 == 0) {
            char *p = mmap(0, 64 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            CHECK(p != MAP_FAILED);
            for (int k = 0; k < 16; k++) p[k * 4096] = (char)k;
            CHECK(mprotect(p, 4096, PROT_READ) == 0 && p[4096] == 1);
            CHECK(munmap(p, 64 << 10) == 0);
        }
        CHECK(canary == 0x1234567890ul + (unsigned long)me);
    }
    pthread_barrier_wait(&all);
    return arg;
}

static void *short_lived(void *arg) { return (char *)arg + 1; }

int main(void) {
    struct sigaction a = { .sa_handler = on_signal };
    CHECK(sigaction(SIGUSR1, &a, 0) == 0);
    a.sa_handler = on_timer;
    a.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &a, 0) == 0 && sigaction(SIGRTMIN, &a, 0) == 0);
    struct itimerval every = { { 0, 700 }, { 0, 700 } };
    CHECK(setitimer(ITIMER_REAL, &every, 0) == 0);
    timer_t timer;
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec spec = { { 0, 900000 }, { 0, 900000 } };
    CHECK(timer_settime(timer, 0, &spec, 0) == 0);
    pthread_barrier_init(&all, 0, THREADS);
    /* The first thread of all sends none before the last exists. */
    pthread_mutex_lock(&lock);
    for (intptr_t i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], 0, work, (void *)i) == 0);
    pthread_mutex_unlock(&lock);
    for (long i = 0; i < 60; i++) {
        pthread_t t;
        void *r;
        CHECK(pthread_create(&t, 0, short_lived, (void *)i) == 0 && pthread_join(t, &r) == 0 && (long)r == i + 1);
    }
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], 0) == 0);
    CHECK(timer_delete(timer) == 0);
    memset(&every, 0, sizeof every);
    CHECK(setitimer(ITIMER_REAL, &every, 0) == 0);
    CHECK(atomic_load(&timed) > 0 && atomic_load(&alarms) > 0 && atomic_load(&got) > 0 && atomic_load(&got) <= atomic_load(&sent));
    printf("%ld increments, %ld turns, %ld signals, %ld children\n", total, turns, atomic_load(&sent), atomic_load(&children));
    return 0;
}
