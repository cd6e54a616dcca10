// Prints what calls on credentials, limits, priorities and prctl answer; the same natively as root.
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define T(call) do { errno = 0; long r_ = (long)(call); printf("%d %s = %ld %s\n", __LINE__, #call, r_, r_ == -1 ? strerrorname_np(errno) : ""); } while (0)

static void ids(void) {
    unsigned r, e, s, g, h, i;
    getresuid(&r, &e, &s);
    getresgid(&g, &h, &i);
    printf("uid %u %u %u gid %u %u %u fs %d %d\n", r, e, s, g, h, i, (int)syscall(SYS_setfsuid, -1), (int)syscall(SYS_setfsgid, -1));
}

static void caps(void) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    T(syscall(SYS_capget, &h, d));
    printf("caps root-like %d effective-empty %d chown %d\n", (d[0].permitted & 0xff) == 0xff, d[0].effective == 0, d[0].effective & 1);
}

static void child(void (*f)(void)) {
    fflush(stdout);
    if (fork() == 0) { f(); fflush(stdout); _exit(0); }
    int st;
    wait(&st);
    printf("child %x\n", st);
}

static void ladder(void) {
    T(syscall(SYS_setuid, -1));
    T(syscall(SYS_setresuid, 10, 0, 20));
    ids();
    T(syscall(SYS_setresuid, -1, 10, -1));
    ids();
    caps();
    T(syscall(SYS_setresuid, -1, 20, -1));
    T(syscall(SYS_setuid, 30));
    T(syscall(SYS_setuid, 20));
    T(syscall(SYS_setreuid, 20, 10));
    ids();
    T(syscall(SYS_setgid, 5));
    T(syscall(SYS_setgroups, 0, NULL));
}
static void drop(void) {
    unsigned groups[3] = {30, 10, 20}, got[4];
    T(syscall(SYS_setgroups, 3, groups));
    T(syscall(SYS_getgroups, 0, NULL));
    T(syscall(SYS_getgroups, 2, got));
    T(syscall(SYS_getgroups, 4, got));
    printf("%u %u %u\n", got[0], got[1], got[2]);
    T(syscall(SYS_getgroups, -1, got));
    T(syscall(SYS_setgroups, 65537, groups));
    T(syscall(SYS_setgroups, 3, (void *)8));
    T(prctl(PR_SET_KEEPCAPS, 1));
    T(prctl(PR_SET_KEEPCAPS, 2));
    T(syscall(SYS_setregid, 7, 8));
    T(syscall(SYS_setuid, 1000));
    ids();
    caps();
    T(prctl(PR_GET_DUMPABLE));
    T(prctl(PR_CAPBSET_DROP, 3));
    T(syscall(SYS_setgroups, 0, NULL));
}
static void fsids(void) {
    T(syscall(SYS_setfsuid, 77));
    caps();
    T(syscall(SYS_setfsuid, 0));
    caps();
    T(syscall(SYS_setfsgid, 78));
    ids();
}
static void capcalls(void) {
    struct __user_cap_header_struct h = {123, 0};
    struct __user_cap_data_struct d[2];
    T(syscall(SYS_capget, &h, d));
    printf("%x\n", h.version);
    h.version = 123;
    T(syscall(SYS_capget, &h, NULL));
    h.pid = -1;
    T(syscall(SYS_capget, &h, d));
    h.pid = 999999;
    T(syscall(SYS_capget, &h, d));
    h.pid = 0;
    T(syscall(SYS_capget, &h, d));
    d[0].effective = 1;
    d[1].effective = 0;
    T(syscall(SYS_capset, &h, d));
    caps();
    d[0].permitted = 1;
    d[1].permitted = 0;
    T(syscall(SYS_capset, &h, d));
    d[0].permitted = 3;
    T(syscall(SYS_capset, &h, d));
    h.pid = 1;
    T(syscall(SYS_capset, &h, d));
    T(prctl(PR_CAPBSET_READ, 5));
    T(prctl(PR_CAPBSET_READ, 63));
    T(prctl(PR_CAPBSET_DROP, 5));
}
static void bounding(void) {
    T(prctl(PR_CAPBSET_DROP, 5));
    T(prctl(PR_CAPBSET_READ, 5));
    T(prctl(PR_CAPBSET_DROP, 64));
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 1, 0, 0));
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 1, 0, 0));
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 100, 0, 0));
    T(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    T(prctl(PR_CAP_AMBIENT, 9, 1, 0, 0));
    T(prctl(PR_SET_SECUREBITS, 0x30));
    T(prctl(PR_GET_SECUREBITS));
    T(prctl(PR_SET_KEEPCAPS, 0));
    T(prctl(PR_SET_SECUREBITS, 0x0));
}
static void limits(void) {
    struct rlimit l = {100, 200}, o;
    T(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &l, NULL));
    T(syscall(SYS_getrlimit, RLIMIT_NOFILE, &o));
    printf("%lu %lu\n", o.rlim_cur, o.rlim_max);
    l.rlim_cur = 300;
    T(syscall(SYS_setrlimit, RLIMIT_NOFILE, &l));
    l.rlim_max = 1ul << 40;
    T(syscall(SYS_setrlimit, RLIMIT_NOFILE, &l));
    T(syscall(SYS_getrlimit, 16, &o));
    T(syscall(SYS_prlimit64, 999999, RLIMIT_NOFILE, NULL, &o));
    T(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &l, (void *)8));
    T(setuid(1000));
    l = (struct rlimit){50, 150};
    T(syscall(SYS_setrlimit, RLIMIT_NOFILE, &l));
    l.rlim_max = 151;
    T(syscall(SYS_setrlimit, RLIMIT_NOFILE, &l));
    T(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, &o));
}
static void nice_values(void) {
    T(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    T(syscall(SYS_setpriority, PRIO_PROCESS, 0, 100));
    T(syscall(SYS_getpriority, PRIO_PROCESS, getpid()));
    T(syscall(SYS_setpriority, PRIO_PROCESS, 0, -5));
    T(syscall(SYS_getpriority, PRIO_PROCESS, 999999));
    T(syscall(SYS_getpriority, 3, 0));
    T(syscall(SYS_setpriority, PRIO_USER, 54321, 0));
    T(syscall(SYS_ioprio_get, 1, 0));
    T(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3));
    T(syscall(SYS_ioprio_get, 1, 0));
    T(syscall(SYS_ioprio_set, 1, 0, 4 << 13));
    T(syscall(SYS_ioprio_set, 1, 0, 1));
    T(syscall(SYS_ioprio_set, 9, 0, 2 << 13));
    T(setuid(1000));
    T(syscall(SYS_setpriority, PRIO_PROCESS, 0, -6));
    T(syscall(SYS_setpriority, PRIO_PROCESS, 0, 0));
    T(syscall(SYS_setpriority, PRIO_PROCESS, getppid(), 0));
    T(syscall(SYS_ioprio_set, 1, 0, 1 << 13));
}
static void scheduler(void) {
    struct sched_param p = {0};
    T(syscall(SYS_sched_getscheduler, 0));
    T(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &p));
    T(syscall(SYS_sched_getscheduler, 0));
    T(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &p));
    p.sched_priority = 10;
    T(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &p));
    T(syscall(SYS_sched_setscheduler, 0, 77, &p));
    T(syscall(SYS_sched_setscheduler, -1, SCHED_FIFO, &p));
    T(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, NULL));
    T(syscall(SYS_sched_setscheduler, 999999, SCHED_FIFO, &p));
    T(syscall(SYS_sched_getparam, 0, &p));
    printf("%d\n", p.sched_priority);
    T(syscall(SYS_sched_getparam, 0, NULL));
    for (int i = -1; i < 7; i++) {
        T(syscall(SYS_sched_get_priority_max, i));
        T(syscall(SYS_sched_get_priority_min, i));
    }
    unsigned a[20] = {0};
    T(syscall(SYS_sched_getattr, 0, a, 40, 0));
    T(syscall(SYS_sched_getattr, 0, a, 48, 1));
    T(syscall(SYS_sched_getattr, 0, a, 80, 0));
    printf("%u %u\n", a[0], a[1]);
    memset(a, 0, sizeof a);
    a[0] = 80;
    a[4] = 7;
    T(syscall(SYS_sched_setattr, 0, a, 0));
    T(syscall(SYS_getpriority, PRIO_PROCESS, 0));
    a[15] = 1;
    T(syscall(SYS_sched_setattr, 0, a, 0));
    printf("%u\n", a[0]);
    a[0] = 20;
    T(syscall(SYS_sched_setattr, 0, a, 0));
    unsigned long mask[128] = {0};
    T(syscall(SYS_sched_setaffinity, 0, 8, mask));
    mask[0] = 1;
    T(syscall(SYS_sched_setaffinity, 0, 8, mask));
    mask[0] = 0;
    T(syscall(SYS_sched_getaffinity, 0, sizeof mask, mask) > 0);
    printf("%lx\n", mask[0]);
    T(syscall(SYS_sched_getaffinity, 0, 9, mask));
    T(syscall(SYS_sched_getaffinity, 0, 0, mask));
    T(syscall(SYS_sched_getaffinity, 999999, sizeof mask, mask));
    T(syscall(SYS_sched_setaffinity, 0, 8, 8));
    T(syscall(SYS_sched_yield));
    T(setuid(1000));
    T(syscall(SYS_sched_setaffinity, getppid(), 8, mask));
    memset(a, 0, sizeof a);
    a[0] = 48;
    a[1] = SCHED_RR;
    a[5] = 5;
    T(syscall(SYS_sched_setattr, 0, a, 0));
}
static void settings(void) {
    char name[17] = {0};
    int n = -1;
    T(prctl(PR_SET_NAME, "a name that is far too long"));
    T(prctl(PR_GET_NAME, name));
    puts(name);
    T(prctl(PR_SET_NAME, 8));
    T(prctl(PR_SET_PDEATHSIG, 65));
    T(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    T(prctl(PR_GET_PDEATHSIG, &n));
    printf("%d\n", n);
    T(prctl(PR_SET_DUMPABLE, 2));
    T(prctl(PR_SET_DUMPABLE, 0));
    T(prctl(PR_GET_DUMPABLE));
    T(prctl(PR_SET_TIMERSLACK, 1234));
    T(prctl(PR_GET_TIMERSLACK));
    T(prctl(PR_SET_TIMERSLACK, 0));
    T(prctl(PR_GET_TIMERSLACK));
    T(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
    T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    T(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    T(prctl(PR_SET_CHILD_SUBREAPER, 1));
    T(prctl(PR_GET_CHILD_SUBREAPER, &n));
    printf("%d\n", n);
    T(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
    T(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    T(prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0));
    T(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
    T(prctl(PR_MCE_KILL_GET, 1, 0, 0, 0));
    T(prctl(PR_SET_TIMING, 1));
    T(prctl(PR_GET_TIMING));
    T(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
    T(prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
    T(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
    T(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    T(prctl(12345));
    T(syscall(SYS_personality, 0xffffffff));
    T(syscall(SYS_personality, 0x0040000));
    T(syscall(SYS_personality, 0xffffffff));
}

// Not every host gives root CAP_SYS_RESOURCE (24).
static void give_up_resource(void) {
    struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct d[2];
    syscall(SYS_capget, &h, d);
    d[0].effective &= ~(1u << 24);
    d[0].permitted &= ~(1u << 24);
    syscall(SYS_capset, &h, d);
}

int main(void) {
    give_up_resource();
    ids();
    child(ladder);
    child(drop);
    child(fsids);
    child(capcalls);
    child(bounding);
    child(limits);
    child(nice_values);
    child(scheduler);
    child(settings);
    return 0;
}
