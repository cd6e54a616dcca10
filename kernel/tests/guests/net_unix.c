/* /proc/net/unix: what it says of this process's own sockets. The host prints the same. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void show(const char *what, int fd) {
    struct stat st;
    fstat(fd, &st);
    FILE *f = fopen("/proc/net/unix", "r");
    char line[512];
    int found = 0;
    while (f && fgets(line, sizeof line, f)) {
        unsigned refs, protocol, flags, type, state;
        unsigned long ino;
        int rest = 0;
        if (sscanf(line, "%*x: %x %x %x %x %x %lu%n", &refs, &protocol, &flags, &type, &state, &ino, &rest) != 6 || ino != st.st_ino) continue;
        printf("%s: protocol %x, flags %x, type %x, state %x,%s", what, protocol, flags, type, state, line + rest);
        found++;
    }
    if (f) fclose(f);
    if (found != 1) printf("%s: %d lines\n", what, found);
}

static int bound(int type, const char *name, size_t len) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, name, len);
    int fd = socket(AF_UNIX, type, 0);
    if (bind(fd, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + len) != 0) perror("bind");
    return fd;
}

int main(void) {
    if (access("/proc/self", F_OK) != 0 && (mkdir("/proc", 0755) != 0 || mount("proc", "/proc", "proc", 0, 0) != 0)) return 1;
    mkdir("/tmp", 01777);
    const char *path = "/tmp/picket-net-unix-socket";
    unlink(path);
    FILE *f = fopen("/proc/net/unix", "r");
    char header[128];
    if (!f || !fgets(header, sizeof header, f)) return 2;
    printf("%s", header);
    fclose(f);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    show("a pair's", pair[0]);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    show("a pair's for messages", pair[0]);
    show("a new one", socket(AF_UNIX, SOCK_SEQPACKET, 0));
    static const char name[] = "\0picket test\0name";
    int listener = bound(SOCK_STREAM, name, sizeof name - 1);
    show("a bound one", listener);
    listen(listener, 5);
    show("a listening one", listener);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, name, sizeof name - 1);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(client, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + sizeof name - 1);
    show("a connected one", client);
    show("an accepted one", accept(listener, 0, 0));
    show("one with a path", bound(SOCK_DGRAM, path, strlen(path) + 1));
    unlink(path);
    return 0;
}
