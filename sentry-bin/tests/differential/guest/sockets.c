/* Operations on unix sockets. */
#include "guest.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static void op_socketpair(char **a) {
    int two[2] = {-1, -1};
    if (result(socketpair(AF_UNIX, (int)num(a, 2) | SOCK_NONBLOCK, 0, two)) == 0) {
        set_slot(a, 0, two[0]);
        set_slot(a, 1, two[1]);
        say(" %d %d", two[0], two[1]);
    }
}

static void op_socket(char **a) { set_slot(a, 0, result(socket(AF_UNIX, (int)num(a, 1) | SOCK_NONBLOCK, 0))); }

/* A path as an address, with its length. */
static socklen_t address(const char *path, struct sockaddr_un *to) {
    memset(to, 0, sizeof *to);
    to->sun_family = AF_UNIX;
    size_t n = strlen(path) < sizeof to->sun_path ? strlen(path) : sizeof to->sun_path;
    memcpy(to->sun_path, path, n);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (n < sizeof to->sun_path));
}

static void op_bind(char **a) {
    struct sockaddr_un to;
    socklen_t n = address(path(a, 1), &to);
    result(bind(slot(a, 0), (void *)&to, n));
}

static void op_connect(char **a) {
    struct sockaddr_un to;
    socklen_t n = address(path(a, 1), &to);
    result(connect(slot(a, 0), (void *)&to, n));
}

static void op_listen(char **a) { result(listen(slot(a, 0), (int)num(a, 1))); }
static void op_accept(char **a) { set_slot(a, 1, result(accept4(slot(a, 0), NULL, NULL, (int)num(a, 2) | SOCK_NONBLOCK))); }
static void op_shutdown(char **a) { result(shutdown(slot(a, 0), (int)num(a, 1))); }

static void say_address(long r, const struct sockaddr_un *at, socklen_t n) {
    if (result(r)) return;
    say(" family %d length %d", n >= 2 ? at->sun_family : -1, (int)n);
    if (n > 2) say(" %.*s", (int)(n - 2), at->sun_path);
}

static void op_sockname(char **a) {
    struct sockaddr_un at;
    socklen_t n = sizeof at;
    long r = getsockname(slot(a, 0), (void *)&at, &n);
    say_address(r, &at, n);
}

static void op_peername(char **a) {
    struct sockaddr_un at;
    socklen_t n = sizeof at;
    long r = getpeername(slot(a, 0), (void *)&at, &n);
    say_address(r, &at, n);
}

static void op_send(char **a) {
    unsigned char *buf = pattern((size_t)num(a, 1), (unsigned)num(a, 2));
    result(send(slot(a, 0), buf, (size_t)num(a, 1), (int)num(a, 3) | MSG_NOSIGNAL));
    free(buf);
}

static void op_send_to(char **a) {
    struct sockaddr_un to;
    socklen_t n = address(path(a, 1), &to);
    unsigned char *buf = pattern((size_t)num(a, 2), 5);
    result(sendto(slot(a, 0), buf, (size_t)num(a, 2), MSG_NOSIGNAL, (void *)&to, n));
    free(buf);
}

static void op_recv(char **a) {
    unsigned char *buf = calloc(1, (size_t)num(a, 1) + 1);
    long n = result(recv(slot(a, 0), buf, (size_t)num(a, 1), (int)num(a, 2)));
    if (n > 0) say_bytes(buf, (size_t)n < (size_t)num(a, 1) ? (size_t)n : (size_t)num(a, 1));
    free(buf);
}

/* Socket, descriptor to send along, bytes. */
static void op_send_fd(char **a) {
    unsigned char *buf = pattern((size_t)num(a, 2), 7);
    struct iovec v = {buf, (size_t)num(a, 2)};
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
    int fd = slot(a, 1);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    result(sendmsg(slot(a, 0), &m, MSG_NOSIGNAL));
    free(buf);
}

/* Socket, slot for a descriptor that comes, bytes, flags, room for control messages. */
static void op_recv_msg(char **a) {
    unsigned char *buf = calloc(1, (size_t)num(a, 2) + 1);
    struct iovec v = {buf, (size_t)num(a, 2)};
    char control[256] __attribute__((aligned(8))) = {0};
    struct sockaddr_un from;
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = (size_t)num(a, 4),
                       .msg_name = &from, .msg_namelen = sizeof from};
    long n = result(recvmsg(slot(a, 0), &m, (int)num(a, 3)));
    if (n >= 0) {
        say(" flags %x control %ld name %d", (unsigned)m.msg_flags, (long)m.msg_controllen, (int)m.msg_namelen);
        say_bytes(buf, (size_t)n < v.iov_len ? (size_t)n : v.iov_len);
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            say(" <%d %d %ld>", c->cmsg_level, c->cmsg_type, (long)c->cmsg_len);
            if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(sizeof(int))) {
                int fd;
                memcpy(&fd, CMSG_DATA(c), sizeof fd);
                say(" fd %d", fd);
                set_slot(a, 1, fd);
            }
            if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
                struct ucred who_sent;
                memcpy(&who_sent, CMSG_DATA(c), sizeof who_sent);
                say(" %s %d %d", who(who_sent.pid), who_sent.uid, who_sent.gid);
            }
        }
    }
    free(buf);
}

static void op_getsockopt(char **a) {
    int value[4] = {-1, -1, -1, -1};
    socklen_t n = (socklen_t)num(a, 2);
    if (result(getsockopt(slot(a, 0), SOL_SOCKET, (int)num(a, 1), value, &n)) == 0) {
        if (num(a, 1) == SO_PEERCRED) say(" %s %d %d", who(value[0]), value[1], value[2]);
        else say(" %d (%d bytes)", value[0], (int)n);
    }
}

static void op_setsockopt(char **a) {
    int value[4] = {(int)num(a, 2), 0, 0, 0};
    result(setsockopt(slot(a, 0), SOL_SOCKET, (int)num(a, 1), value, (socklen_t)num(a, 3)));
}

const struct handler socket_ops[] = {
    {"socketpair", op_socketpair}, {"socket", op_socket}, {"bind", op_bind}, {"connect", op_connect}, {"listen", op_listen},
    {"accept", op_accept}, {"shutdown", op_shutdown}, {"sockname", op_sockname}, {"peername", op_peername}, {"send", op_send},
    {"send_to", op_send_to}, {"recv", op_recv}, {"send_fd", op_send_fd}, {"recv_msg", op_recv_msg},
    {"getsockopt", op_getsockopt}, {"setsockopt", op_setsockopt}, {NULL, NULL},
};
