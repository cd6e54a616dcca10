// Futexes in all their forms. Prints what each call gives, so that the host and the sandbox can be compared.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(x) do { if (!(x)) { printf("line %d: %s: %s\n", __LINE__, #x, strerror(errno)); exit(1); } } while (0)

static long futex(void *a, int op, unsigned v, const void *t, void *b, unsigned v3) {
    long r = syscall(SYS_futex, a, op, v, t, b, v3);
    return r < 0 ? -errno : r;
}
static void show(const char *what, long r) {
    if (r < 0)
        printf("%s: %s\n", what, strerrorname_np(-r));
    else
        printf("%s: %ld\n", what, r);
}
static const struct timespec *ms(long n) {
    static struct timespec t;
    t.tv_sec = n / 1000, t.tv_nsec = n % 1000 * 1000000;
    return &t;
}

static unsigned word, other;
static int ready;
static void *wait_on(void *op) {
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    return (void *)futex(&word, (int)(intptr_t)op, 0, NULL, NULL, 0xff);
}
// Starts threads that wait on the word, and gives them the time to get there.
static void start(pthread_t *t, int n, int op) {
    ready = 0;
    for (int i = 0; i < n; i++)
        CHECK(pthread_create(&t[i], NULL, wait_on, (void *)(intptr_t)op) == 0);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < n)
        usleep(1000);
    usleep(50000);
}
static void join(pthread_t *t, int n) {
    void *r;
    for (int i = 0; i < n; i++) {
        CHECK(pthread_join(t[i], &r) == 0);
        CHECK(r == NULL);
    }
}

static void plain(void) {
    struct timespec bad = {0, 1000000000};
    show("wait other value", futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
    show("wait timeout", futex(&word, FUTEX_WAIT_PRIVATE, 0, ms(1), NULL, 0));
    show("wait bad timeout", futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0));
    show("wait no timeout memory", futex(&word, FUTEX_WAIT, 0, (void *)8, NULL, 0));
    show("wait misaligned", futex((char *)&word + 1, FUTEX_WAIT, 0, NULL, NULL, 0));
    show("wait unmapped", futex((void *)4096, FUTEX_WAIT, 0, NULL, NULL, 0));
    show("wait unmapped private", futex((void *)4096, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
    show("wake unmapped", futex((void *)4096, FUTEX_WAKE, 1, NULL, NULL, 0));
    show("wake unmapped private", futex((void *)4096, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    show("wait bitset 0", futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
    show("wake bitset 0", futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
    show("wait realtime", futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, ms(1), NULL, 0));
    show("wait past", futex(&word, FUTEX_WAIT_BITSET, 0, ms(1), NULL, ~0u));
    show("wait past realtime", futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, ms(1), NULL, ~0u));
    show("bad op", futex(&word, 99, 0, NULL, NULL, 0));
    show("wake nobody", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));

    pthread_t t[5];
    start(t, 3, FUTEX_WAIT_PRIVATE);
    show("wake shared for private", futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0));
    show("wake 0", futex(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0));
    show("wake rest", futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
    join(t, 3);
    start(t, 2, FUTEX_WAIT_BITSET);
    show("wake other bits", futex(&word, FUTEX_WAKE_BITSET, 9, NULL, NULL, 0x100));
    show("wake some bits", futex(&word, FUTEX_WAKE_BITSET, -1, NULL, NULL, 0x180));
    show("wake any", futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0));
    join(t, 2);
    start(t, 5, FUTEX_WAIT);
    show("cmp_requeue other value", futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)9, &other, 1));
    show("requeue negative", futex(&word, FUTEX_REQUEUE, -1, (void *)1, &other, 0));
    show("cmp_requeue", futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)2, &other, 0));
    show("requeue", futex(&word, FUTEX_REQUEUE, 0, (void *)1, &other, 0));
    show("wake there", futex(&other, FUTEX_WAKE, 2, NULL, NULL, 0));
    other = 5;
    show("wake_op add, lt", futex(&word, FUTEX_WAKE_OP, 1, (void *)9, &other, FUTEX_OP(FUTEX_OP_ADD, -2, FUTEX_OP_CMP_LT, 5)));
    show("value", other);
    show("wake_op shift, ne", futex(&word, FUTEX_WAKE_OP, 1, (void *)9, &other, FUTEX_OP(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_NE, 9)));
    show("value", other);
    show("wake_op bad op", futex(&word, FUTEX_WAKE_OP, 1, (void *)9, &other, FUTEX_OP(7, 1, 0, 0)));
    show("wake_op bad cmp", futex(&word, FUTEX_WAKE_OP, 1, (void *)9, &other, FUTEX_OP(0, 1, 7, 0)));
    show("value", other);
    join(t, 5);
    other = 0;
}

static void shared(void) {
    unsigned *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        p[1] = 1;
        _exit(futex(p, FUTEX_WAIT, 0, ms(20000), NULL, 0) == 0 ? 3 : 4);
    }
    while (__atomic_load_n(&p[1], __ATOMIC_SEQ_CST) == 0)
        usleep(1000);
    while (futex(p, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
        usleep(1000);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    show("woken across processes", WEXITSTATUS(status));
}

static int alarms;
static void on_alarm(int s) { (void)s, alarms++; }
static void interrupted(void) {
    struct itimerval once = {{0, 0}, {0, 20000}};
    struct sigaction sa = {.sa_handler = on_alarm};
    sigaction(SIGUSR1, &sa, NULL);
    pid_t parent = getpid(), pid;
    (void)once;
    for (int restart = 0; restart < 2; restart++) {
        sa.sa_flags = restart ? SA_RESTART : 0;
        sigaction(SIGUSR1, &sa, NULL);
        if ((pid = fork()) == 0) {
            usleep(60000);
            kill(parent, SIGUSR1);
            _exit(0);
        }
        show(restart ? "restart, relative timeout" : "no restart, relative timeout",
             futex(&word, FUTEX_WAIT, 0, ms(30000), NULL, 0));
        while (waitpid(pid, NULL, 0) < 0)
            ;
    }
    // A stop and a continuation: the wait goes on and ends at its time.
    if ((pid = fork()) == 0) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        long r = futex(&word, FUTEX_WAIT, 0, ms(300), NULL, 0);
        clock_gettime(CLOCK_MONOTONIC, &b);
        long took = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
        _exit(r == -ETIMEDOUT && took >= 299 ? 7 : 8);
    }
    int status;
    usleep(100000);
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    kill(pid, SIGCONT);
    CHECK(waitpid(pid, &status, 0) == pid);
    show("timed out after a stop", WEXITSTATUS(status));
    show("handlers", alarms);
}

static void *lock_pi(void *arg) {
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    long r = futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    if (r == 0 && (word & FUTEX_TID_MASK) != (unsigned)gettid())
        r = 1000;
    if (arg == NULL && r == 0)
        r = futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return (void *)r;
}
static void *wait_requeue(void *arg) {
    (void)arg;
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    long r = futex(&other, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word, 0);
    if (r == 0 && (word & FUTEX_TID_MASK) != (unsigned)gettid())
        r = 1000;
    return (void *)(r == 0 ? futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) : r);
}
static void pi(void) {
    pthread_t t[3];
    void *r;
    word = 0;
    show("unlock_pi of others", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    show("lock_pi", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    CHECK(word == (unsigned)gettid());
    show("lock_pi again", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    show("trylock_pi again", futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
    ready = 0;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&t[i], NULL, lock_pi, NULL) == 0);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 2)
        usleep(1000);
    usleep(50000);
    show("waiters bit", (word & FUTEX_WAITERS) != 0);
    show("wake of pi waiters", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
    show("unlock_pi", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    for (int i = 0; i < 2; i++)
        pthread_join(t[i], &r), show("thread", (long)r);
    show("free", word);
    // The owner dies.
    CHECK(pthread_create(&t[0], NULL, lock_pi, (void *)1) == 0);
    pthread_join(t[0], &r);
    show("dead owner", futex(&word, FUTEX_LOCK_PI, 0, ms(1), NULL, 0));
    word = 0;
    show("lock_pi", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
    show("wait_requeue_pi same", futex(&word, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &word, 0));
    show("cmp_requeue_pi 2", futex(&other, FUTEX_CMP_REQUEUE_PI, 2, (void *)9, &word, 0));
    ready = 0;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&t[i], NULL, wait_requeue, NULL) == 0);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 3)
        usleep(1000);
    usleep(50000);
    show("wake of requeue_pi waiters", futex(&other, FUTEX_WAKE, 1, NULL, NULL, 0));
    show("cmp_requeue_pi", futex(&other, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &word, 0));
    show("unlock_pi", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], &r), show("thread", (long)r);
    show("free", word);
    show("lock_pi past", futex(&word, FUTEX_LOCK_PI2, 0, ms(1), NULL, 0));
    word = 1;
    show("init has no such lock", futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) != 0);
    word = 0;
}

static void *take(void *m) {
    pthread_mutex_lock(m);
    return NULL;
}
static void robust(int protocol) {
    pthread_mutexattr_t a;
    pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&a, protocol);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(m, &a) == 0);
    pthread_t t;
    pthread_create(&t, NULL, take, m);
    pthread_join(t, NULL);
    show("owner thread died", pthread_mutex_lock(m) == EOWNERDEAD);
    show("consistent", pthread_mutex_consistent(m));
    pthread_mutex_unlock(m);
    int *flag = (int *)((char *)m + 2048);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(m);
        *flag = 1;
        usleep(50000);
        kill(getpid(), SIGKILL);
    }
    while (__atomic_load_n(flag, __ATOMIC_SEQ_CST) == 0)
        usleep(1000);
    show("owner process died", pthread_mutex_lock(m) == EOWNERDEAD);
    pthread_mutex_unlock(m);
    show("not recoverable", pthread_mutex_lock(m) == ENOTRECOVERABLE);
    waitpid(pid, NULL, 0);
}

static void *wait_v(void *arg) {
    (void)arg;
    struct futex_waitv w[3] = {{0, (uintptr_t)&word, 2 | 128, 0}, {0, (uintptr_t)&other, 2 | 128, 0}, {7, (uintptr_t)&alarms, 2, 0}};
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    long r = syscall(449, w, 3, 0, NULL, 0);
    return (void *)(r < 0 ? -errno : r);
}
static void vectors(void) {
    struct futex_waitv w[2] = {{0, (uintptr_t)&word, 2 | 128, 0}, {1, (uintptr_t)&other, 2 | 128, 0}};
    void *r;
    show("waitv none", syscall(449, w, 0, 0, NULL, 0) < 0 ? -errno : 0);
    show("waitv flags", syscall(449, w, 2, 1, NULL, 0) < 0 ? -errno : 0);
    show("waitv value", syscall(449, w, 2, 0, NULL, 0) < 0 ? -errno : 0);
    w[1].val = 0;
    show("waitv past", syscall(449, w, 2, 0, ms(1), CLOCK_MONOTONIC) < 0 ? -errno : 0);
    show("waitv clock", syscall(449, w, 2, 0, ms(1), CLOCK_BOOTTIME) < 0 ? -errno : 0);
    w[1].flags = 1;
    show("waitv size", syscall(449, w, 2, 0, NULL, 0) < 0 ? -errno : 0);
    w[1].flags = 2, w[1].__reserved = 1;
    show("waitv reserved", syscall(449, w, 2, 0, NULL, 0) < 0 ? -errno : 0);
    alarms = 7, ready = 0;
    pthread_t t;
    pthread_create(&t, NULL, wait_v, NULL);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < 1)
        usleep(1000);
    usleep(50000);
    show("wake2 0", syscall(454, &other, ~0u, 0, 2 | 128));
    show("wake2", syscall(454, &other, (unsigned long)~0u, 1, 2 | 128));
    pthread_join(t, &r);
    show("waitv index", (long)r);
    show("wait2 value", syscall(455, &word, 1ul, (unsigned long)~0u, 2 | 128, NULL, CLOCK_MONOTONIC) < 0 ? -errno : 0);
    show("wait2 mask", syscall(455, &word, 0ul, 0ul, 2 | 128, NULL, CLOCK_MONOTONIC) < 0 ? -errno : 0);
    show("wait2 past", syscall(455, &word, 0ul, (unsigned long)~0u, 2 | 128, ms(1), CLOCK_MONOTONIC) < 0 ? -errno : 0);
    w[1].flags = 2 | 128, w[1].__reserved = 0, w[1].val = 99;
    show("requeue2", syscall(456, w, 0, 1, 1));
}

// What is not there, for who says that others may use it too.
static void inaccessible(void) {
    size_t page = 4096;
    unsigned *none = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned *rw = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned *ro = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned *gone = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = syscall(SYS_memfd_create, "futex", 0);
    ftruncate(fd, page);
    unsigned *cut = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned *file_ro = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    unsigned *all[] = {none, rw, ro, cut, file_ro};
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
            printf("%u: ", i), show("wake", futex(all[i], FUTEX_WAKE, 1, NULL, NULL, 0));
            printf("%u: ", i), show("private", futex(all[i], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
            printf("%u: ", i), show("wait", futex(all[i], FUTEX_WAIT, 1, NULL, NULL, 0));
            printf("%u: ", i), show("requeue", futex(rw, FUTEX_CMP_REQUEUE, 1, (void *)1, all[i], 0));
            printf("%u: ", i), show("requeue from", futex(all[i], FUTEX_CMP_REQUEUE, 1, (void *)1, rw, 0));
        }
        ftruncate(fd, 0);
    }
    munmap(gone, page);
    show("gone", futex(gone, FUTEX_WAKE, 1, NULL, NULL, 0));
    show("gone, private", futex(gone, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

int main(void) {
    struct timespec t = {0, 0};
    (void)t;
    plain();
    shared();
    interrupted();
    pi();
    robust(PTHREAD_PRIO_NONE);
    robust(PTHREAD_PRIO_INHERIT);
    vectors();
    inaccessible();
    long head, len;
    show("get_robust_list", syscall(SYS_get_robust_list, 0, &head, &len));
    show("length", len);
    show("get_robust_list of nobody", syscall(SYS_get_robust_list, 1 << 22, &head, &len) < 0 ? -errno : 0);
    show("set_robust_list", syscall(SYS_set_robust_list, head, 23) < 0 ? -errno : 0);
    return 0;
}
