// Reading symbolic links by descriptor. Prints what each call gives, so that the host and the sandbox can be compared.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void show(const char *what, int fd, const char *path, size_t size) {
    char buf[64] = "";
    ssize_t n = readlinkat(fd, path, buf, size);
    printf("%s: %zd %s %s\n", what, n, n < 0 ? strerrorname_np(errno) : "", buf);
}

int main(void) {
    char dir[] = "/tmp/linksXXXXXX";
    int pipes[2];
    mkdir("/tmp", 0777);
    if (!mkdtemp(dir) || chdir(dir) < 0 || symlink("the target", "soft") < 0 || pipe(pipes) < 0)
        return 1;
    int link = open("soft", O_PATH | O_NOFOLLOW), file = open("file", O_RDWR | O_CREAT, 0600);
    int here = open(".", O_RDONLY | O_DIRECTORY);
    show("by name", AT_FDCWD, "soft", 63);
    show("short", AT_FDCWD, "soft", 3);
    show("no room", AT_FDCWD, "soft", 0);
    show("below", here, "soft", 63);
    show("itself", link, "", 63);
    show("itself, short", link, "", 3);
    show("below a link", link, "x", 63);
    show("a file", file, "", 63);
    show("by name, a file", AT_FDCWD, "file", 63);
    show("a directory", here, "", 63);
    show("the working directory", AT_FDCWD, "", 63);
    show("a pipe", pipes[0], "", 63);
    show("nothing", 99, "", 63);
    unlink("soft");
    show("removed", link, "", 63);
    unlink("file"), chdir("/"), rmdir(dir);
    return 0;
}
