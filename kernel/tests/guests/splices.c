// splice, tee, vmsplice, sendfile and copy_file_range: prints what each call returns and what then is where.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t pipe_signals;

static void on_pipe(int sig) {
    pipe_signals++;
}

static void say(const char *what, long result) {
    if (result < 0)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %ld\n", what, result);
}
#define SAY(call) say(#call, call)

static int file_with(const char *text) {
    char name[] = "/tmp/splices.XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0 || unlink(name) < 0 || write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        exit(1);
    return fd;
}

static void show(const char *what, int fd) {
    char buf[64];
    long n = read(fd, buf, sizeof buf);
    printf("%s holds %ld: %.*s\n", what, n, n > 0 ? (int)n : 0, buf);
}

static void show_file(const char *what, int fd) {
    char buf[64];
    long n = pread(fd, buf, sizeof buf, 0);
    printf("%s at %ld: %.*s\n", what, (long)lseek(fd, 0, SEEK_CUR), n > 0 ? (int)n : 0, buf);
}

static void splices(void) {
    int p[2], q[2];
    if (pipe(p) || pipe(q))
        exit(1);
    int f = file_with("0123456789"), g = file_with("");
    loff_t at = 4, far = 100, negative = -1;
    SAY(splice(f, &at, p[1], NULL, 3, 0));
    printf("offset %ld\n", (long)at);
    show_file("source", f);
    SAY(splice(f, NULL, p[1], NULL, 2, 0));
    show_file("source", f);
    SAY(splice(f, &far, p[1], NULL, 2, 0));
    SAY(splice(f, &negative, p[1], NULL, 2, 0));
    SAY(tee(p[0], q[1], 4, 0));
    show("copy", q[0]);
    SAY(splice(p[0], NULL, q[1], NULL, 1, SPLICE_F_MOVE));
    at = 2;
    SAY(splice(p[0], NULL, g, &at, 99, 0));
    printf("offset %ld\n", (long)at);
    show("pipe", q[0]);
    printf("target size %ld\n", (long)lseek(g, 0, SEEK_END));
    SAY(splice(p[0], NULL, g, NULL, 1, SPLICE_F_NONBLOCK));
    SAY(splice(p[0], &at, g, NULL, 1, 0));
    SAY(splice(f, NULL, p[1], &at, 1, 0));
    SAY(splice(f, NULL, g, NULL, 1, 0));
    SAY(splice(f, NULL, p[0], NULL, 1, 0));
    SAY(splice(p[1], NULL, g, NULL, 1, 0));
    SAY(splice(f, NULL, p[1], NULL, 1, 0x100));
    SAY(splice(f, NULL, p[1], NULL, 0, 0x100));
    SAY(splice(99, NULL, p[1], NULL, 1, 0));
    SAY(splice(f, (loff_t *)8, p[1], NULL, 1, 0));
    SAY(splice(p[0], NULL, p[1], NULL, 1, 0));
    SAY(tee(p[0], p[1], 1, 0));
    SAY(tee(f, p[1], 1, 0));
    SAY(tee(p[1], q[1], 1, 0));
    SAY(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK));
    int dir = open("/tmp", O_RDONLY | O_DIRECTORY);
    SAY(splice(dir, NULL, p[1], NULL, 1, 0));
    fcntl(g, F_SETFL, O_APPEND);
    SAY(splice(p[0], NULL, g, NULL, 1, SPLICE_F_NONBLOCK));

    // One that waits for a child's bytes, then one that meets the end.
    pid_t child = fork();
    if (child == 0) {
        close(p[0]);
        usleep(20000);
        _exit(write(p[1], "late", 4) != 4);
    }
    SAY(splice(p[0], NULL, q[1], NULL, 99, 0));
    waitpid(child, NULL, 0);
    show("pipe", q[0]);
    close(p[1]);
    SAY(splice(p[0], NULL, q[1], NULL, 99, 0));
    close(q[0]);
    lseek(f, 0, SEEK_SET);
    SAY(splice(f, NULL, q[1], NULL, 1, 0));
    printf("signals %d\n", pipe_signals);
}

static void memory(void) {
    int p[2];
    if (pipe(p))
        exit(1);
    struct iovec in[2] = {{"ab", 2}, {"cdef", 4}};
    char x[3], y[9];
    struct iovec out[2] = {{x, 2}, {y, 3}};
    SAY(vmsplice(p[1], in, 2, 0));
    SAY(vmsplice(p[0], out, 2, 0));
    printf("%.2s %.3s\n", x, y);
    show("pipe", p[0]);
    SAY(vmsplice(p[0], out, 2, SPLICE_F_NONBLOCK));
    SAY(vmsplice(p[0], out, 0, 0));
    SAY(vmsplice(p[0], out, 2, 0x100));
    SAY(vmsplice(file_with(""), in, 1, 0));
    SAY(vmsplice(99, in, 1, 0));
    close(p[0]);
    SAY(vmsplice(p[1], in, 2, 0));
    printf("signals %d\n", pipe_signals);
}

static void sends(void) {
    int p[2], s[2];
    if (pipe(p) || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
        exit(1);
    int f = file_with("0123456789"), g = file_with("abcdef");
    off_t at = 6, negative = -1;
    SAY(sendfile(g, f, &at, 100));
    printf("offset %ld\n", (long)at);
    show_file("source", f);
    show_file("target", g);
    SAY(sendfile(g, f, NULL, 3));
    show_file("source", f);
    show_file("target", g);
    SAY(sendfile(p[1], f, NULL, 3));
    show("pipe", p[0]);
    SAY(sendfile(s[0], f, NULL, 99));
    show("socket", s[1]);
    SAY(sendfile(g, f, NULL, 99));
    SAY(sendfile(g, f, &negative, 1));
    SAY(sendfile(g, p[0], NULL, 1));
    SAY(sendfile(g, p[0], &at, 1));
    SAY(sendfile(g, p[1], NULL, 1));
    SAY(sendfile(p[0], f, NULL, 1));
    SAY(sendfile(g, 99, NULL, 1));
    SAY(sendfile(g, f, (off_t *)8, 1));
    SAY(sendfile(g, open("/tmp", O_RDONLY), NULL, 1));
    fcntl(g, F_SETFL, O_APPEND);
    SAY(sendfile(g, f, NULL, 1));
    close(p[0]);
    at = 0;
    SAY(sendfile(p[1], f, &at, 1));
    close(s[1]);
    SAY(sendfile(s[0], f, &at, 1));
    printf("signals %d\n", pipe_signals);
}

static void copies(void) {
    int f = file_with("0123456789"), g = file_with("abcdefghijklm"), p[2];
    if (pipe(p))
        exit(1);
    loff_t in = 7, out = 1, zero = 0, two = 2, eight = 8, negative = -1;
    SAY(copy_file_range(f, &in, g, &out, 99, 0));
    printf("offsets %ld %ld\n", (long)in, (long)out);
    show_file("target", g);
    SAY(copy_file_range(f, NULL, g, NULL, 2, 0));
    show_file("source", f);
    show_file("target", g);
    SAY(copy_file_range(f, &zero, f, &two, 3, 0));
    SAY(copy_file_range(f, &zero, f, &eight, 2, 0));
    show_file("source", f);
    SAY(copy_file_range(f, &in, g, &out, 0, 0));
    SAY(copy_file_range(f, NULL, g, NULL, 1, 1));
    SAY(copy_file_range(f, &negative, g, NULL, 1, 0));
    SAY(copy_file_range(p[0], NULL, g, NULL, 1, 0));
    SAY(copy_file_range(f, NULL, open("/tmp", O_RDONLY), NULL, 1, 0));
    SAY(copy_file_range(99, NULL, g, NULL, 1, 0));
    in = 0x7fffffffffffffff;
    SAY(copy_file_range(f, &in, g, NULL, 2, 0));
    fcntl(g, F_SETFL, O_APPEND);
    SAY(copy_file_range(f, NULL, g, NULL, 1, 0));
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    mkdir("/tmp", 01777);
    signal(SIGPIPE, on_pipe);
    splices();
    memory();
    sends();
    copies();
    return 0;
}
