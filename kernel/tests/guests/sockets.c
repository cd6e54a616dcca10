/* Unix sockets; the output is compared with the host's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *what, long r) { printf("%s: %ld %s\n", what, r, r < 0 ? strerrorname_np(errno) : ""); }
static void on_pipe(int s) { (void)s; printf("SIGPIPE\n"); }

static socklen_t name(struct sockaddr_un *a, const char *path) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    strcpy(a->sun_path, path);
    return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

static long send_fd(int s, int fd) {
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec iov = {"f", 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(s, &m, 0);
}

static int recv_fd(int s, int room) {
    char control[64] = {0}, byte;
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    show("recvmsg", recvmsg(s, &m, MSG_CMSG_CLOEXEC));
    printf("flags %x control %zu\n", m.msg_flags & ~MSG_CMSG_CLOEXEC, m.msg_controllen);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int fd = -1;
    if (c && c->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    struct sockaddr_un a, b;
    socklen_t len, blen = sizeof b;
    char buf[64] = {0};
    int p[2], n, one = 1;
    char dir[] = "/tmp/socketsXXXXXX";
    mkdir("/tmp", 0777);
    if (!mkdtemp(dir) || chdir(dir)) return 1;
    signal(SIGPIPE, on_pipe);

    /* A server and a client that connect through a path, each in its process. */
    int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    len = name(&a, "door");
    show("bind", bind(l, (void *)&a, len));
    show("again", bind(l, (void *)&a, len));
    struct stat st;
    show("stat", stat("door", &st));
    printf("mode %o\n", st.st_mode);
    show("open", open("door", O_RDWR));
    show("listen", listen(l, 1));
    if (fork() == 0) {
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(c, (void *)&a, len)) _exit(9);
        write(c, "request", 7);
        int r = read(c, buf, sizeof buf);
        _exit(r == 6 && !memcmp(buf, "answer", 6) && read(c, buf, 1) == 0 ? 0 : 8);
    }
    int s = accept(l, (void *)&b, &blen);
    printf("peer's address is %u bytes\n", blen);
    struct ucred cred;
    blen = sizeof cred;
    show("peercred", getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &blen));
    printf("pid %s uid %s\n", cred.pid > 0 && cred.pid != getpid() ? "ok" : "bad", cred.uid == getuid() ? "ok" : "bad");
    show("request", recv(s, buf, 7, MSG_WAITALL));
    show("answer", write(s, "answer", 6));
    close(s);
    int status;
    wait(&status);
    printf("client %x\n", status);
    int c = socket(AF_UNIX, SOCK_DGRAM, 0);
    show("other type", connect(c, (void *)&a, len));
    close(l);
    l = socket(AF_UNIX, SOCK_STREAM, 0);
    show("nobody", connect(l, (void *)&a, len));
    show("in use", bind(l, (void *)&a, len));
    len = name(&a, "missing/x");
    show("no directory", bind(l, (void *)&a, len));
    show("no name", connect(l, (void *)&a, len));

    /* Files in messages. */
    socketpair(AF_UNIX, SOCK_STREAM, 0, p);
    int q[2];
    pipe(q);
    show("send fd", send_fd(p[0], q[1]));
    int fd = recv_fd(p[1], CMSG_SPACE(sizeof(int)));
    printf("cloexec %d\n", fcntl(fd, F_GETFD));
    show("through it", write(fd, "x", 1));
    show("arrives", read(q[0], buf, 8));
    show("send fd", send_fd(p[0], q[1]));
    printf("without room: %d\n", recv_fd(p[1], 0));
    show("bad fd", send_fd(p[0], 77));

    /* Ends. */
    show("dontwait", recv(p[1], buf, 1, MSG_DONTWAIT));
    struct timeval t = {0, 1000};
    setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    show("timeout", read(p[1], buf, 1));
    write(p[0], "abc", 3);
    ioctl(p[1], FIONREAD, &n);
    printf("FIONREAD %d\n", n);
    show("shutdown", shutdown(p[0], SHUT_WR));
    struct pollfd f = {p[1], POLLIN | POLLOUT | POLLRDHUP, 0};
    poll(&f, 1, 0);
    printf("events %x\n", f.revents);
    show("rest", read(p[1], buf, 9));
    show("end", read(p[1], buf, 9));
    show("write", write(p[0], "x", 1));
    show("quietly", send(p[0], "x", 1, MSG_NOSIGNAL));

    /* Datagrams by an abstract name that the kernel picks. */
    int d = socket(AF_UNIX, SOCK_DGRAM, 0);
    a.sun_family = AF_UNIX;
    show("autobind", bind(d, (void *)&a, sizeof(sa_family_t)));
    blen = sizeof b;
    getsockname(d, (void *)&b, &blen);
    printf("%u bytes, first %d\n", blen, b.sun_path[0]);
    show("sendto", sendto(c, "hello", 5, 0, (void *)&b, blen));
    show("truncated", recv(d, buf, 2, MSG_TRUNC));
    struct mmsghdr mm[3] = {0};
    struct iovec iov[3] = {{"1", 1}, {"22", 2}, {"333", 3}};
    for (int i = 0; i < 3; i++) mm[i].msg_hdr.msg_iov = &iov[i], mm[i].msg_hdr.msg_iovlen = 1;
    connect(c, (void *)&b, blen);
    show("sendmmsg", sendmmsg(c, mm, 3, 0));
    char in[3][8];
    for (int i = 0; i < 3; i++) iov[i] = (struct iovec){in[i], 8};
    show("recvmmsg", recvmmsg(d, mm, 3, MSG_WAITFORONE, 0));
    printf("%u %u %u\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
    setsockopt(d, SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
    show("not a socket", listen(q[0], 1));
    show("family", socket(77, SOCK_STREAM, 0));
    show("protocol", socket(AF_UNIX, SOCK_STREAM, 5));
    show("level", getsockopt(d, 6, 1, &n, &blen));
    show("unlink", unlink("door"));
    chdir("/");
    show("rmdir", rmdir(dir));
    return 0;
}
