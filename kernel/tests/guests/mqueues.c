// POSIX message queues: limits, order, waiting, notification, and what the file says.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char name[32], other[32];

static void say(const char *what, long result) {
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

static void take(const char *what, mqd_t q) {
    char buf[64] = "";
    unsigned priority = 99;
    long n = mq_receive(q, buf, sizeof buf - 1, &priority);
    printf("%s: %ld %u %.*s %s\n", what, n, priority, n > 0 ? (int)n : 0, buf, n < 0 ? strerror(errno) : "");
}

static mqd_t make(long messages, long size, int flags) {
    struct mq_attr a = {.mq_maxmsg = messages, .mq_msgsize = size};
    return mq_open(name, O_CREAT | O_RDWR | flags, 0640, &a);
}

static void attributes(const char *when, mqd_t q) {
    struct mq_attr a;
    mq_getattr(q, &a);
    printf("%s: flags %lo, at most %ld of %ld, now %ld\n", when, a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static void file(const char *when, mqd_t q) {
    char text[200] = "";
    struct stat st;
    lseek(q, 0, SEEK_SET);
    printf("%s: %zd bytes", when, read(q, text, sizeof text - 1));
    char *pid = strstr(text, "NOTIFY_PID:");
    if (pid) *pid = 0;
    fstat(q, &st);
    printf(", %s, mode %o, size %ld, links %ld\n", text, st.st_mode, (long)st.st_size, (long)st.st_nlink);
}

static volatile int got, value, code, from;

static void handler(int sig, siginfo_t *info, void *context) {
    got = sig, value = info->si_value.sival_int, code = info->si_code, from = info->si_pid;
}

int main(void) {
    struct mq_attr a = {.mq_maxmsg = 0, .mq_msgsize = 10};
    sprintf(name, "/picket-%d", getpid());
    sprintf(other, "%s-other", name);
    umask(022);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    say("none", mq_open(name, O_RDWR));
    say("no messages", make(0, 10, 0));
    say("no size", make(10, 0, 0));
    say("too many", make(100000, 10, 0));
    say("too large", make(1, 100000000, 0));
    say("a directory", mq_open("/a/b", O_CREAT | O_RDWR, 0600, NULL));
    say("the root", mq_open("/", O_CREAT | O_RDWR, 0600, NULL));
    say("dot", mq_open("/.", O_CREAT | O_RDWR, 0600, NULL));
    char longer[300] = "/";
    memset(longer + 1, 'x', 256);
    say("long name", mq_open(longer, O_CREAT | O_RDWR, 0600, NULL));
    mqd_t q = make(3, 32, 0);
    say("made", q);
    printf("closed at exec: %d\n", fcntl(q, F_GETFD));
    say("exclusive", make(3, 32, O_EXCL));
    attributes("new", q);
    file("new", q);
    say("one", mq_send(q, "one", 3, 1));
    say("two", mq_send(q, "two", 3, 2));
    say("another two", mq_send(q, "deux", 4, 2));
    attributes("three", q);
    file("three", q);
    say("priority", mq_send(q, "x", 1, 32768));
    say("too long", mq_send(q, name, 33, 0));
    struct timespec past = {1, 0}, bad = {1, -1}, soon;
    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 5000000;
    if (soon.tv_nsec >= 1000000000) soon.tv_sec++, soon.tv_nsec -= 1000000000;
    say("full for long", mq_timedsend(q, "x", 1, 0, &past));
    say("full for some time", mq_timedsend(q, "x", 1, 0, &soon));
    say("bad time", mq_timedsend(q, "x", 1, 0, &bad));
    struct pollfd p = {q, POLLIN | POLLOUT, 0};
    printf("poll %d %x\n", poll(&p, 1, 0), p.revents);
    take("first", q);
    printf("poll %d %x\n", poll(&p, 1, 0), p.revents);
    take("second", q);
    char small[8];
    say("small buffer", mq_receive(q, small, 8, NULL));
    take("third", q);
    printf("poll %d %x\n", poll(&p, 1, 0), p.revents);
    say("empty for long", mq_timedreceive(q, longer, 100, NULL, &past));
    a.mq_flags = O_NONBLOCK;
    say("non-blocking", mq_setattr(q, &a, NULL));
    take("empty", q);
    attributes("non-blocking", q);
    a.mq_flags = O_APPEND;
    say("other flags", mq_setattr(q, &a, NULL));
    a.mq_flags = 0;
    mq_setattr(q, &a, NULL);
    mqd_t reader = mq_open(name, O_RDONLY), writer = mq_open(name, O_WRONLY);
    say("send to a reader", mq_send(reader, "x", 1, 0));
    take("from a writer", writer);
    say("both", mq_open(name, O_RDWR | O_WRONLY));
    say("no queue", mq_send(1, "x", 1, 0));
    fflush(stdout);
    if (fork() == 0) {
        take("in the child", q);
        fflush(stdout);
        _exit(0);
    }
    mq_send(q, "hello", 5, 7);
    wait(NULL);
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &sa, NULL);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
    say("notify", mq_notify(q, &event));
    say("again", mq_notify(q, &event));
    file("notify", q);
    mq_send(q, "a", 1, 0);
    printf("signal %d value %d code %d mine %d\n", got, value, code, from == getpid());
    got = 0;
    mq_send(q, "b", 1, 0);
    printf("signal %d\n", got);
    say("notify", mq_notify(q, &event));
    mq_send(q, "c", 1, 0);
    printf("not empty before: signal %d\n", got);
    take("a", q), take("b", q), take("c", q);
    say("unregister", mq_notify(q, NULL));
    mq_send(q, "d", 1, 0);
    printf("unregistered: signal %d\n", got);
    event.sigev_signo = 99;
    say("bad signal", mq_notify(q, &event));
    event.sigev_notify = 77;
    say("bad kind", mq_notify(q, &event));
    event.sigev_notify = SIGEV_NONE;
    say("nothing", mq_notify(q, &event));
    mq_close(reader);
    say("after close", mq_notify(q, &event));
    say("unlink", mq_unlink(name));
    say("unlink again", mq_unlink(name));
    file("unlinked", q);
    take("d", q);
    say("gone", mq_open(name, O_RDWR));
    return 0;
}
