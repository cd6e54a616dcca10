// Extended attributes: sizes, flags, name spaces and files without any.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void say(const char *what, long result) {
    printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

int main(void) {
    int pipes[2];
    char buf[64];
    char path[] = "/tmp/attributes.XXXXXX";
    mkdir("/tmp", 01777);
    int fd = mkstemp(path);
    unlink(path);
    char name[300] = "user.";
    memset(name + 5, 'x', 251);
    say("pipe", pipe(pipes));
    say("set", fsetxattr(fd, "user.a", "1234", 4, 0));
    say("create", fsetxattr(fd, "user.a", "1234", 4, XATTR_CREATE));
    say("replace", fsetxattr(fd, "user.b", "1234", 4, XATTR_REPLACE));
    say("bad flags", fsetxattr(fd, "user.a", "1234", 4, 8));
    say("length", fgetxattr(fd, "user.a", NULL, 0));
    say("small buffer", fgetxattr(fd, "user.a", buf, 3));
    say("get", fgetxattr(fd, "user.a", buf, sizeof buf));
    say("bad buffer", fgetxattr(fd, "user.a", (void *)8, 4));
    say("no name", fgetxattr(fd, "", buf, sizeof buf));
    say("long name", fsetxattr(fd, name, "1", 1, 0));
    say("large value", fsetxattr(fd, "user.c", buf, 65537, 0));
    say("unknown kind", fsetxattr(fd, "other.a", "1", 1, 0));
    say("remove", fremovexattr(fd, "user.a"));
    say("remove again", fremovexattr(fd, "user.a"));
    say("get of a pipe", fgetxattr(pipes[0], "user.a", buf, sizeof buf));
    say("set of a pipe", fsetxattr(pipes[0], "user.a", "1", 1, 0));
    say("list of a pipe", flistxattr(pipes[0], buf, sizeof buf));
    say("closed", flistxattr(99, buf, sizeof buf));
    return 0;
}
