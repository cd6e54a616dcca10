// What processes used, CPU clocks, and names of the machine. The names are set only if an argument says so: outside of a
// sandbox that would rename the machine.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(x) do { if (!(x)) { printf("line %d: %s: %s\n", __LINE__, #x, strerror(errno)); exit(1); } } while (0)

static double clock_at(clockid_t c) {
    struct timespec t;
    CHECK(clock_gettime(c, &t) == 0);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

// Uses a processor until this thread has used so much of one.
static void burn(double s) {
    double end = clock_at(CLOCK_THREAD_CPUTIME_ID) + s;
    volatile unsigned long n = 0;
    while (clock_at(CLOCK_THREAD_CPUTIME_ID) < end)
        for (int i = 0; i < 20000; i++) n += i;
}

static pid_t other_tid;
static pthread_barrier_t begin, end;

static void *thread(void *arg) {
    (void)arg;
    other_tid = gettid();
    burn(0.02);
    pthread_barrier_wait(&begin);
    pthread_barrier_wait(&end);
    return NULL;
}

static void clocks(void) {
    double cpu = clock_at(CLOCK_PROCESS_CPUTIME_ID), mono = clock_at(CLOCK_MONOTONIC);
    usleep(50000);
    double slept = clock_at(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    CHECK(slept < clock_at(CLOCK_MONOTONIC) - mono - 0.04);
    burn(0.03);
    CHECK(clock_at(CLOCK_PROCESS_CPUTIME_ID) - cpu >= 0.03);

    clockid_t c;
    CHECK(clock_getcpuclockid(0, &c) == 0 && clock_at(c) >= cpu);
    CHECK(clock_getcpuclockid(getpid(), &c) == 0 && clock_at(c) >= cpu);
    struct timespec t;
    CHECK(clock_getres(c, &t) == 0 && t.tv_sec == 0 && t.tv_nsec == 1);
    CHECK(clock_gettime((~100000 << 3) | 2, &t) == -1 && errno == EINVAL);
    CHECK(clock_gettime(12345, &t) == -1 && errno == EINVAL);

    pthread_t p;
    pthread_barrier_init(&begin, NULL, 2);
    pthread_barrier_init(&end, NULL, 2);
    CHECK(pthread_create(&p, NULL, thread, NULL) == 0);
    pthread_barrier_wait(&begin);
    CHECK(pthread_getcpuclockid(p, &c) == 0 && clock_at(c) >= 0.02);
    CHECK(clock_at((~other_tid << 3) | 6) == clock_at(c) || clock_at(c) >= 0.02);
    pthread_barrier_wait(&end);
    CHECK(pthread_join(p, NULL) == 0);
    CHECK(clock_gettime(c, &t) == -1 && errno == EINVAL);
}

static void usage(void) {
    struct rusage before, after;
    CHECK(getrusage(RUSAGE_SELF, &before) == 0);
    size_t len = 8 << 20;
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    memset(p, 1, len);
    usleep(1000);
    burn(0.01);
    CHECK(getrusage(RUSAGE_SELF, &after) == 0);
    CHECK(munmap(p, len) == 0);
    CHECK(after.ru_maxrss >= (long)(len >> 10) && after.ru_maxrss >= before.ru_maxrss);
    CHECK(after.ru_nvcsw > before.ru_nvcsw && after.ru_minflt > before.ru_minflt);
    CHECK(seconds(after.ru_utime) + seconds(after.ru_stime) >= seconds(before.ru_utime) + seconds(before.ru_stime) + 0.009);
    CHECK(getrusage(RUSAGE_THREAD, &after) == 0 && seconds(after.ru_utime) > 0);
    CHECK(getrusage(7, &after) == -1 && errno == EINVAL);
    CHECK(getrusage(RUSAGE_SELF, (void *)8) == -1 && errno == EFAULT);
}

static void children(void) {
    struct rusage own;
    CHECK(getrusage(RUSAGE_CHILDREN, &own) == 0 && seconds(own.ru_utime) == 0 && own.ru_maxrss == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        // A grandchild that is waited for counts for its grandparent too.
        if (fork() == 0) { burn(0.02); _exit(0); }
        wait(NULL);
        burn(0.02);
        _exit(3);
    }
    int status;
    struct rusage r;
    CHECK(wait4(child, &status, 0, &r) == child && WEXITSTATUS(status) == 3);
    CHECK(seconds(r.ru_utime) + seconds(r.ru_stime) >= 0.038);
    CHECK(r.ru_maxrss > 0 && r.ru_maxrss < 1 << 20);
    CHECK(getrusage(RUSAGE_CHILDREN, &own) == 0);
    CHECK(seconds(own.ru_utime) == seconds(r.ru_utime) && own.ru_nvcsw == r.ru_nvcsw);
    struct tms t;
    clock_t now = times(&t);
    CHECK(now != (clock_t)-1 && t.tms_cutime + t.tms_cstime >= 2);
    CHECK(times(NULL) >= now);
}

static void machine(void) {
    struct sysinfo s;
    CHECK(sysinfo(&s) == 0);
    CHECK(s.mem_unit == 1 && s.totalram > 1 << 24 && s.freeram <= s.totalram && s.procs >= 1);
    double up = clock_at(CLOCK_BOOTTIME);
    CHECK(s.uptime <= up + 1 && s.uptime >= up - 2);
    CHECK(get_nprocs() >= 1);
    int cpu = sched_getcpu();
    CHECK(cpu >= 0 && cpu < get_nprocs_conf());
    CHECK(klogctl(10, NULL, 0) > 0);
    CHECK(klogctl(99, NULL, 0) == -1 && errno == EINVAL);
}

static void names(void) {
    struct utsname u;
    CHECK(uname(&u) == 0 && !strcmp(u.sysname, "Linux"));
    CHECK(sethostname("elsewhere", 9) == 0 && setdomainname("example", 7) == 0);
    CHECK(uname(&u) == 0 && !strcmp(u.nodename, "elsewhere") && !strcmp(u.domainname, "example"));
    char name[65];
    CHECK(gethostname(name, sizeof name) == 0 && !strcmp(name, "elsewhere"));
    CHECK(sethostname(name, 65) == -1 && errno == EINVAL);
    CHECK(sethostname(name, -1) == -1 && errno == EINVAL);
    CHECK(sethostname((void *)8, 3) == -1 && errno == EFAULT);
    CHECK(sethostname(name, 0) == 0 && gethostname(name, sizeof name) == 0 && name[0] == 0);
}

int main(int argc, char **argv) {
    children();
    clocks();
    usage();
    machine();
    if (argc > 1 && !strcmp(argv[1], "rename")) names();
    puts("all is well");
}
