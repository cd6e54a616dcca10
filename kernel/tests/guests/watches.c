// What inotify(7) tells of each thing that can happen to files, and in which order. Prints the events, so that the host and the
// sandbox can be compared.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

static int in;
static unsigned cookie;

static const char *const names[] = {
    "ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN",     "MOVED_FROM", "MOVED_TO",
    "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", 0,             "UNMOUNT", "OVERFLOW", "IGNORED"};

// Cookies are shown by whether they are that of the event before.
static void drain(const char *what) {
    char buf[65536] __attribute__((aligned(8)));
    printf("%s:\n", what);
    ssize_t n;
    while ((n = read(in, buf, sizeof buf)) > 0)
        for (char *p = buf; p < buf + n;) {
            struct inotify_event *e = (void *)p;
            printf("  %d", e->wd);
            for (int i = 0; i < 16; i++)
                if (e->mask & 1u << i)
                    printf(" %s", names[i]);
            if (e->mask & ~0xffffu)
                printf(" +%x", e->mask & ~0xffffu);
            if (e->cookie)
                printf(" cookie %s", e->cookie == cookie ? "again" : "new");
            cookie = e->cookie;
            if (e->len)
                printf(" \"%s\" %u", e->name, e->len);
            printf("\n");
            p += sizeof *e + e->len;
        }
}
static int watch(const char *path, unsigned mask) {
    int wd = inotify_add_watch(in, path, mask);
    printf("watch %s %x: %d\n", path, mask, wd < 0 ? -errno : wd);
    return wd;
}
static int file(const char *path, int flags) {
    int fd = open(path, flags | O_CREAT, 0644);
    if (fd < 0)
        perror(path), exit(1);
    return fd;
}
static void start(void) {
    if (in > 0)
        close(in);
    in = inotify_init1(IN_NONBLOCK);
}

static void contents(void) {
    start();
    watch(".", IN_ALL_EVENTS);
    int fd = file("a", O_RDWR);
    drain("created");
    watch("a", IN_ALL_EVENTS);
    write(fd, "hello", 5);
    drain("written");
    pwrite(fd, "x", 1, 9);
    pwrite(fd, "", 0, 9);
    char b[8];
    pread(fd, b, 8, 0);
    drain("read");
    pread(fd, b, 8, 100);
    drain("read beyond the end");
    ftruncate(fd, 3);
    drain("truncated by descriptor");
    truncate("a", 2);
    drain("truncated by name");
    fallocate(fd, 0, 0, 100);
    drain("allocated");
    fchmod(fd, 0600);
    chmod("a", 0640);
    drain("modes");
    fchown(fd, -1, -1);
    drain("owner, no change");
    chown("a", 0, 0);
    drain("owner");
    futimens(fd, NULL);
    drain("times");
    struct timespec only_m[2] = {{0, UTIME_OMIT}, {5, 0}}, only_a[2] = {{5, 0}, {0, UTIME_OMIT}};
    utimensat(AT_FDCWD, "a", only_m, 0);
    drain("time of change");
    utimensat(AT_FDCWD, "a", only_a, 0);
    drain("time of access");
    int other = file("b", O_RDWR);
    drain("another");
    sendfile(other, fd, NULL, 10);
    drain("sent");
    off_t at = 0;
    syscall(SYS_copy_file_range, fd, &at, other, NULL, 10, 0);
    drain("copied");
    close(other);
    close(fd);
    drain("closed");
    close(open("a", O_RDONLY));
    drain("opened to read");
    close(open("a", O_WRONLY | O_TRUNC));
    drain("opened to truncate");
    close(open("new", O_RDWR | O_CREAT | O_TRUNC, 0600));
    drain("new and truncated");
    unlink("new");
    close(open("a", O_PATH));
    drain("opened for its path");
    truncate("a", 0);
    unlink("b");
    drain("gone");
}

static void names_of_files(void) {
    start();
    mkdir("d", 0755), mkdir("e", 0755);
    close(file("a", O_RDWR)), close(file("b", O_RDWR)), close(file("c", O_RDWR));
    watch(".", IN_ALL_EVENTS);
    watch("d", IN_ALL_EVENTS);
    watch("e", IN_ALL_EVENTS);
    watch("a", IN_ALL_EVENTS);
    watch("b", IN_ALL_EVENTS);
    link("a", "d/hard");
    drain("linked");
    symlink("a", "soft");
    drain("symbolic link");
    mkfifo("fifo", 0600);
    drain("fifo");
    rename("a", "d/a");
    drain("moved");
    rename("d/a", "d/again");
    drain("moved within");
    rename("d/again", "b");
    drain("moved over");
    syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "d/hard", 2);
    drain("exchanged with another name of it");
    syscall(SYS_renameat2, AT_FDCWD, "c", AT_FDCWD, "d", 2);
    drain("exchanged");
    rename("d", "c2");
    drain("the file");
    rename("c", "d");
    drain("the directory");
    mkdir("d/x", 0755);
    drain("made");
    rename("d/x", "e/x");
    drain("directory moved");
    mkdir("e/y", 0755);
    rename("e/x", "e/y");
    drain("directory over another");
    rmdir("e/y");
    drain("removed");
    unlink("d/hard");
    drain("one name less");
    unlink("b");
    drain("no name");
    unlink("soft"), unlink("fifo"), unlink("c2"), rmdir("d");
    drain("others");
    rmdir("e");
    drain("watched directory");
}

static void open_files(void) {
    start();
    int fd = file("open", O_RDWR), excl;
    watch(".", IN_ALL_EVENTS);
    watch("open", IN_ALL_EVENTS);
    unlink("open");
    drain("removed while open");
    write(fd, "x", 1);
    drain("written without a name");
    fchmod(fd, 0600);
    drain("changed without a name");
    close(fd);
    drain("closed");
    fd = file("open", O_RDWR);
    excl = file("other", O_RDWR);
    drain("two files");
    watch("other", IN_ALL_EVENTS | IN_EXCL_UNLINK);
    watch("open", IN_ALL_EVENTS);
    watch(".", IN_ALL_EVENTS | IN_EXCL_UNLINK);
    rename("open", "other");
    drain("moved over one that is open");
    write(excl, "x", 1);
    drain("the old one");
    fchmod(excl, 0600);
    drain("its mode");
    write(fd, "x", 1);
    drain("the new one");
    close(excl);
    drain("the old one closed");
    unlink("other");
    close(fd);
    drain("the new one removed and closed");
}

static void directories(void) {
    start();
    mkdir("d", 0755);
    watch(".", IN_ALL_EVENTS);
    watch("d", IN_ALL_EVENTS);
    DIR *d = opendir("d");
    drain("opened");
    while (readdir(d))
        ;
    drain("listed");
    closedir(d);
    drain("closed");
    chmod("d", 0700);
    drain("mode");
    setxattr("d", "user.x", "y", 1, 0);
    drain("attribute");
    removexattr("d", "user.x");
    drain("no attribute");
    int held = open("d", O_RDONLY | O_DIRECTORY);
    rmdir("d");
    drain("removed while open");
    close(held);
    drain("closed");
}

static void masks(void) {
    start();
    close(file("a", O_RDWR));
    watch("a", IN_MODIFY | IN_ONESHOT);
    int fd = open("a", O_RDWR);
    write(fd, "x", 1);
    write(fd, "x", 1);
    drain("once");
    watch("a", IN_MODIFY);
    watch("a", IN_ATTRIB | IN_MASK_ADD);
    watch("a", IN_ATTRIB | IN_MASK_CREATE);
    watch("a", IN_ATTRIB | IN_ONLYDIR);
    watch("a", IN_ATTRIB | IN_MASK_ADD | IN_MASK_CREATE);
    watch("a", 0);
    watch("missing", IN_MODIFY);
    write(fd, "x", 1);
    fchmod(fd, 0600);
    write(fd, "x", 1);
    write(fd, "x", 1);
    int bytes = -1;
    ioctl(in, FIONREAD, &bytes);
    printf("%d bytes\n", bytes);
    drain("both");
    close(fd);
    unlink("a");
    drain("not asked for");
    printf("%d\n", inotify_rm_watch(in, 99) < 0 ? -errno : 0);
}

int main(void) {
    char dir[] = "/tmp/watchesXXXXXX";
    if (!mkdtemp(dir)) {
        mkdir("/tmp", 0777);
        strcpy(dir, "/tmp/watchesXXXXXX");
        if (!mkdtemp(dir))
            return 1;
    }
    chdir(dir);
    contents();
    names_of_files();
    open_files();
    directories();
    masks();
    chdir("/");
    rmdir(dir);
    return 0;
}
