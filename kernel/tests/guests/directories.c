// Signals about what happens in directories, F_NOTIFY. Prints them, so that the host and the sandbox can be compared.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL (DN_ACCESS | DN_MODIFY | DN_CREATE | DN_DELETE | DN_RENAME | DN_ATTRIB)

static sigset_t set;
static int first;

static void drain(const char *what) {
    siginfo_t i;
    struct timespec now = {0, 0};
    printf("%s:\n", what);
    while (sigtimedwait(&set, &i, &now) > 0) {
        if (i.si_signo == SIGIO)
            printf("  SIGIO\n");
        else
            printf("  signal %d code %d band %lx fd %d\n", i.si_signo - SIGRTMIN, i.si_code, i.si_band, i.si_fd - first);
    }
}
static int watch(const char *path, int signal, long mask) {
    int fd = open(path, O_RDONLY);
    if (signal)
        fcntl(fd, F_SETSIG, signal);
    int r = fcntl(fd, F_NOTIFY, mask);
    printf("%s %lx: %s, mine %d\n", path, mask, r < 0 ? strerrorname_np(errno) : "yes", fcntl(fd, F_GETOWN) == getpid());
    return fd;
}
static void file(const char *path) { close(open(path, O_RDWR | O_CREAT, 0600)); }

int main(void) {
    char dir[] = "/tmp/directoriesXXXXXX";
    mkdir("/tmp", 0777);
    if (!mkdtemp(dir) || chdir(dir) < 0)
        return 1;
    sigemptyset(&set);
    sigaddset(&set, SIGIO), sigaddset(&set, SIGRTMIN), sigaddset(&set, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    mkdir("d", 0755);
    file("f");
    first = open("/", O_PATH);
    watch("f", SIGRTMIN, ALL);
    int here = watch(".", SIGRTMIN, ALL | DN_MULTISHOT), d = watch("d", SIGRTMIN + 1, DN_RENAME | DN_ATTRIB | DN_MULTISHOT);
    drain("watched");
    file("new");
    drain("made");
    int fd = open("new", O_RDWR);
    write(fd, "x", 1);
    drain("written");
    pread(fd, &fd, 1, 0);
    drain("read");
    chmod("new", 0644);
    drain("mode");
    link("new", "other");
    drain("linked");
    rename("new", "newer");
    drain("renamed");
    rename("newer", "d/new");
    drain("moved below");
    rename("d/new", "d/newer");
    drain("renamed below");
    rename("d/newer", "f");
    drain("moved over");
    chmod("d", 0700);
    drain("mode of the directory");
    closedir(opendir("d"));
    DIR *list = opendir(".");
    readdir(list);
    drain("listed");
    closedir(list);
    unlink("other");
    drain("removed");
    int once = watch(".", 0, DN_CREATE);
    fcntl(here, F_NOTIFY, 0L);
    file("a"), file("b");
    drain("once");
    fcntl(once, F_NOTIFY, (long)DN_CREATE), fcntl(once, F_NOTIFY, (long)(DN_DELETE | DN_MULTISHOT));
    file("c"), drain("both");
    unlink("a"), drain("removed");
    unlink("b"), drain("removed");
    int copy = dup(once);
    close(copy);
    unlink("c");
    drain("closed");
    fcntl(once, F_SETSIG, SIGRTMIN);
    fcntl(once, F_NOTIFY, (long)(DN_CREATE | DN_MULTISHOT));
    fflush(stdout);
    if (fork() == 0) {
        close(once);
        file("e");
        _exit(0);
    }
    wait(NULL);
    drain("made by a child");
    unlink("e"), unlink("f"), rmdir("d");
    chdir("/"), rmdir(dir);
    return 0;
}
