/* Takes as much as there is of each thing, and gives it back. */
#include "stub.h"
#include <sys/resource.h>
#include <sys/eventfd.h>

enum { MOST = 1000 };

static void *sleeper(void *arg) {
    pause();
    return arg;
}

static int threads(void) {
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16 << 10);
    int n = 0;
    pthread_t t;
    while (n < 600 && pthread_create(&t, &a, sleeper, 0) == 0) n++;
    return n;
}

static int processes(void) {
    static pid_t all[150];
    int n = 0;
    while (n < 150) {
        pid_t pid = fork();
        if (pid == 0) pause();
        if (pid < 0) break;
        all[n++] = pid;
    }
    for (int i = 0; i < n; i++) kill(all[i], SIGKILL), waitpid(all[i], 0, 0);
    return n;
}

static int descriptors(void) {
    int n = 0;
    while (n < 20000 && eventfd(0, 0) >= 0) n++;
    return n;
}

static int timers(void) {
    int n = 0;
    timer_t t;
    struct sigevent e = { .sigev_notify = SIGEV_NONE };
    struct itimerspec s = { { 0, 1000000 }, { 0, 1000000 } };
    while (n < MOST && timer_create(CLOCK_MONOTONIC, &e, &t) == 0 && timer_settime(t, 0, &s, 0) == 0) n++;
    return n;
}

static int mappings(void) {
    int n = 0;
    while (n < 1000 && mmap(0, PAGE, n % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) n++;
    return n;
}

static int memory(void) {
    int n = 0;
    while (n < MOST && mmap(0, 1ul << 36, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED) n++;
    return n;
}

int main(int argc, char **argv) {
    struct { const char *name; int (*take)(void); } all[] = {
        { "threads", threads }, { "processes", processes }, { "descriptors", descriptors },
        { "timers", timers }, { "mappings", mappings }, { "memory", memory },
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        if (argc > 1 && strcmp(argv[1], all[i].name)) continue;
        pid_t pid = fork();
        if (pid == 0) {
            int n = all[i].take();
            fprintf(stderr, "%s: %d\n", all[i].name, n);
            _exit(n > 100 ? 0 : 1);
        }
        int status = reap(pid, 30);
        if (status) return printf("%s: status %x\n", all[i].name, status), 1;
        /* All is there again. */
        pid = fork();
        if (pid == 0) _exit(5);
        if (pid < 0 || reap(pid, 10) != 5 << 8) return printf("no process after %s\n", all[i].name), 1;
    }
    puts("survived all");
    return 0;
}
