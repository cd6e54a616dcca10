/* Readiness, and events as files. */
#include "guest.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/timerfd.h>

static void op_poll(char **a) {
    struct pollfd p[2] = {{slot(a, 0), (short)num(a, 1), 0}, {slot(a, 2), (short)num(a, 3), 0}};
    if (result(poll(p, 2, 0)) >= 0) say(" %x %x", (unsigned short)p[0].revents, (unsigned short)p[1].revents);
}

static void op_select(char **a) {
    int fd = slot(a, 0);
    if (fd < 0 || fd >= FD_SETSIZE) return;
    fd_set r, w, e;
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&e);
    FD_SET(fd, &r);
    FD_SET(fd, &w);
    FD_SET(fd, &e);
    struct timeval none = {0, 0};
    if (result(select(fd + 1, &r, &w, &e, &none)) >= 0)
        say(" %d %d %d", FD_ISSET(fd, &r), FD_ISSET(fd, &w), FD_ISSET(fd, &e));
}

static void op_epoll_create(char **a) { set_slot(a, 0, result(epoll_create1((int)num(a, 1)))); }

/* Epoll, operation, descriptor, events: the data is the descriptor's slot. */
static void op_epoll_ctl(char **a) {
    struct epoll_event e = {.events = (uint32_t)num(a, 3), .data.u64 = (uint64_t)num(a, 2)};
    result(epoll_ctl(slot(a, 0), (int)num(a, 1), slot(a, 2), &e));
}

static int by_data(const void *x, const void *y) {
    uint64_t a = ((const struct epoll_event *)x)->data.u64, b = ((const struct epoll_event *)y)->data.u64;
    return a < b ? -1 : a > b;
}

static void op_epoll_wait(char **a) {
    struct epoll_event e[8];
    long n = result(epoll_wait(slot(a, 0), e, (int)num(a, 1) > 8 ? 8 : (int)num(a, 1), 0));
    if (n <= 0) return;
    qsort(e, (size_t)n, sizeof *e, by_data);
    for (long i = 0; i < n; i++) say(" %ld:%x", (long)e[i].data.u64, e[i].events);
}

static void op_eventfd(char **a) { set_slot(a, 0, result(eventfd((unsigned)num(a, 1), (int)num(a, 2) | EFD_NONBLOCK))); }

static void op_event_write(char **a) {
    uint64_t v = (uint64_t)num(a, 1);
    result(write(slot(a, 0), &v, sizeof v));
}

static void op_timerfd(char **a) { set_slot(a, 0, result(timerfd_create((int)num(a, 1), (int)num(a, 2) | TFD_NONBLOCK))); }

/* Only times long past or far away give the same on every run. */
static void op_timerfd_set(char **a) {
    struct itimerspec new = {{num(a, 2), 0}, {num(a, 3), num(a, 4)}}, old = {{-1, -1}, {-1, -1}};
    if (result(timerfd_settime(slot(a, 0), (int)num(a, 1), &new, &old)) == 0)
        say(" interval %ld armed %d", (long)old.it_interval.tv_sec, old.it_value.tv_sec || old.it_value.tv_nsec);
}

static void op_timerfd_get(char **a) {
    struct itimerspec t;
    if (result(timerfd_gettime(slot(a, 0), &t)) == 0)
        say(" interval %ld armed %d", (long)t.it_interval.tv_sec, t.it_value.tv_sec || t.it_value.tv_nsec);
}

static void op_inotify(char **a) { set_slot(a, 0, result(inotify_init1((int)num(a, 1) | IN_NONBLOCK))); }
static void op_watch(char **a) { result(inotify_add_watch(slot(a, 0), path(a, 1), (uint32_t)num(a, 2))); }
static void op_unwatch(char **a) { result(inotify_rm_watch(slot(a, 0), (int)num(a, 1))); }

static void op_events(char **a) {
    char buf[4096] __attribute__((aligned(8)));
    long n = read(slot(a, 0), buf, sizeof buf);
    if (n < 0) {
        result(n);
        return;
    }
    for (long at = 0; at < n;) {
        struct inotify_event *e = (struct inotify_event *)(buf + at);
        say(" %d:%x%s%s%s", e->wd, e->mask, e->cookie ? ":moved" : "", e->len ? ":" : "", e->len ? e->name : "");
        at += (long)sizeof *e + e->len;
    }
}

const struct handler event_ops[] = {
    {"poll", op_poll}, {"select", op_select}, {"epoll_create", op_epoll_create}, {"epoll_ctl", op_epoll_ctl},
    {"epoll_wait", op_epoll_wait}, {"eventfd", op_eventfd}, {"event_write", op_event_write}, {"timerfd", op_timerfd},
    {"timerfd_set", op_timerfd_set}, {"timerfd_get", op_timerfd_get}, {"inotify", op_inotify}, {"watch", op_watch},
    {"unwatch", op_unwatch}, {"events", op_events}, {NULL, NULL},
};
