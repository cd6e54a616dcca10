/* What personality(2) changes. The host prints the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/select.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* The protection of the mapping at `at`, as /proc shows it. */
static const char *shown(void *at) {
    static char prot[8];
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    strcpy(prot, "none");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long start, end;
        char p[8];
        if (sscanf(line, "%lx-%lx %7s", &start, &end, p) == 3 && (unsigned long)at >= start && (unsigned long)at < end)
            strcpy(prot, p);
    }
    if (maps) fclose(maps);
    return prot;
}

static void what_is_readable_is_executable(void) {
    personality(READ_IMPLIES_EXEC);
    char *a = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("mapped to read and write: %s\n", shown(a));
    mprotect(a, 4096, PROT_WRITE);
    printf("protected to write: %s\n", shown(a));
    mprotect(a, 4096, PROT_READ);
    printf("protected to read: %s\n", shown(a));
    ((unsigned char *)a)[4096] = 0xc3; /* ret */
    ((void (*)(void))(a + 4096))();
    printf("executed\n");
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    void *s = shmat(id, 0, 0);
    printf("attached: %s\n", shown(s));
    shmctl(id, IPC_RMID, 0);
    int fds[2];
    if (pipe(fds) == 0) printf("readable nothing: %d\n", mmap(0, 4096, PROT_READ, MAP_PRIVATE, fds[0], 0) == MAP_FAILED);
    char text[16] = "";
    FILE *f = fopen("/proc/self/personality", "r");
    if (!f || !fgets(text, sizeof text, f)) exit(1);
    fclose(f);
    printf("shown: %s", text);
    personality(PER_LINUX);
    printf("later: %s\n", shown(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}

static void on_alarm(int s) { (void)s; }

static void times(void) {
    for (int sticky = 0; sticky < 2; sticky++) {
        personality(sticky ? STICKY_TIMEOUTS : PER_LINUX);
        struct timeval t = {0, 20000};
        struct timespec ts = {0, 20000000};
        int n = select(0, 0, 0, 0, &t);
        printf("select %d: %ld\n", n, t.tv_usec);
        n = ppoll(0, 0, &ts, 0);
        /* What the library is given stays. */
        printf("ppoll %d: %ld\n", n, ts.tv_nsec);
        ts.tv_nsec = 20000000;
        n = syscall(SYS_ppoll, 0, 0, &ts, 0, 8);
        printf("the system call %d: %ld\n", n, ts.tv_nsec);
        struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
        sigaction(SIGALRM, &act, 0);
        /* Again and again, as the first one may come before the call. */
        struct itimerval soon = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
        setitimer(ITIMER_REAL, &soon, 0);
        t = (struct timeval){100, 0};
        n = select(0, 0, 0, 0, &t);
        int error = errno;
        setitimer(ITIMER_REAL, &never, 0);
        printf("interrupted %d: %s, all %d\n", n, strerror(error), t.tv_sec == 100);
    }
    personality(PER_LINUX);
}

static void names(void) {
    struct utsname name;
    personality(PER_LINUX32);
    uname(&name);
    printf("32 bits: %s\n", name.machine);
    personality(UNAME26);
    uname(&name);
    printf("old: %.4s %s\n", name.release, name.machine);
    personality(PER_LINUX);
}

static int variable;

/* Executes itself, twice, and compares the addresses of code, data, heap and stack. */
static void addresses(const char *self, unsigned long flags, const char *what) {
    char first[256] = "", second[256] = "", *out[] = {first, second};
    for (int i = 0; i < 2; i++) {
        int fds[2];
        if (pipe(fds) != 0) exit(1);
        if (fork() == 0) {
            dup2(fds[1], 1);
            personality(flags);
            execl(self, self, "show", (char *)0);
            _exit(1);
        }
        close(fds[1]);
        if (read(fds[0], out[i], 255) <= 0) exit(1);
        wait(0);
    }
    printf("%s: %s\n", what, strcmp(first, second) == 0 ? "the same" : "different");
    if (flags & ADDR_NO_RANDOMIZE) printf("%.*s\n", (int)strcspn(first, " "), first);
}

/* Here there is a /proc; elsewhere it has to be mounted first. */
static void need_proc(void) {
    if (access("/proc/self", F_OK) != 0 && (mkdir("/proc", 0755) != 0 || mount("proc", "/proc", "proc", 0, 0) != 0)) exit(1);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        /* Where the program is, which is the same everywhere; then what depends on what else is in memory. */
        printf("%p,%x %p %p\n", (void *)((unsigned long)&variable & ~0xffffffUL), personality(0xffffffff), sbrk(0), (void *)&argc);
        return 0;
    }
    need_proc();
    what_is_readable_is_executable();
    times();
    names();
    addresses(argv[0], 0, "random");
    addresses(argv[0], ADDR_NO_RANDOMIZE | READ_IMPLIES_EXEC, "not random");
    printf("asked: %x\n", personality(0xffffffff));
    fflush(stdout);
    return 0;
}
