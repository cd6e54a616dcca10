/* What each kind of descriptor says to calls that are about files: which work, and the errors of those that do not. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *kind;
static int regular, pipe_in, pipe_out;
static const struct timespec times[2] = {{1, 2}, {3, 4}};

static void said(const char *call, long r) {
    printf("%s %s ", kind, call);
    if (r < 0) printf("%s\n", strerrorname_np(errno));
    else printf("%ld\n", r);
}

static void attributes(int fd) {
    struct stat st;
    struct statfs fs;
    said("fstat", fstat(fd, &st));
    printf("%s mode %o owner %d\n", kind, st.st_mode, st.st_uid);
    if (!S_ISDIR(st.st_mode)) printf("%s links %ld size %ld\n", kind, (long)st.st_nlink, (long)st.st_size);
    if (fstatfs(fd, &fs) == 0) printf("%s file system %lx %ld\n", kind, (long)fs.f_type, (long)fs.f_namelen);
    said("fchmod", fchmod(fd, 0640));
    said("fchown", fchown(fd, 12, 13));
    said("futimens", futimens(fd, times));
    fstat(fd, &st);
    printf("%s mode %o owner %d:%d\n", kind, st.st_mode, st.st_uid, st.st_gid);
    if (st.st_mtime < 10) printf("%s times %ld %ld\n", kind, (long)st.st_atim.tv_nsec, (long)st.st_mtim.tv_nsec);
    said("fchown back", fchown(fd, 0, 0));
    said("fsetxattr user", fsetxattr(fd, "user.x", "y", 1, 0));
    said("fgetxattr user", fgetxattr(fd, "user.x", NULL, 0));
    said("fremovexattr user", fremovexattr(fd, "user.x"));
    said("fsetxattr trusted", fsetxattr(fd, "trusted.x", "y", 1, 0));
    said("fgetxattr trusted", fgetxattr(fd, "trusted.x", NULL, 0));
    said("fgetxattr other", fgetxattr(fd, "other.x", NULL, 0));
    said("fgetxattr short", fgetxattr(fd, "user.", NULL, 0));
}

static void lengths(int fd) {
    said("ftruncate", ftruncate(fd, 0));
    said("ftruncate -1", ftruncate(fd, -1));
    said("fallocate", fallocate(fd, 0, 0, 10));
    said("fallocate punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10));
    said("fallocate nonsense", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
    said("fallocate zero", fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 10));
    said("fallocate collapse", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 10));
    said("fallocate insert", fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 10));
    said("fallocate unknown", fallocate(fd, 0x4000, 0, 10));
    said("fallocate unshare", fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, 10));
    said("fallocate empty", fallocate(fd, 0, 0, 0));
    said("fallocate endless", fallocate(fd, 0, INT64_MAX, 10));
    said("fsync", fsync(fd));
    said("fdatasync", fdatasync(fd));
    said("syncfs", syncfs(fd));
    said("sync_file_range", sync_file_range(fd, 0, 10, SYNC_FILE_RANGE_WRITE));
    said("fadvise", syscall(SYS_fadvise64, fd, 0L, 10L, 1));
    said("fadvise unknown", syscall(SYS_fadvise64, fd, 0L, 10L, 9));
    said("readahead", readahead(fd, 0, 10));
    for (int whence = 0; whence < 6; whence++) said("lseek 0", lseek(fd, 0, whence));
    said("lseek 5", lseek(fd, 5, SEEK_SET));
    said("lseek", lseek(fd, -9, SEEK_SET));
    said("lseek back", lseek(fd, 0, SEEK_SET));
}

static void transfers(int fd) {
    char buf[8] = {0};
    struct iovec none = {buf, 0};
    off_t at = 0;
    said("read 0", read(fd, buf, 0));
    said("write 0", write(fd, buf, 0));
    said("readv 0", readv(fd, &none, 1));
    said("readv none", readv(fd, &none, 0));
    said("writev 0", writev(fd, &none, 1));
    said("pread 0", pread(fd, buf, 0, 0));
    said("pwrite 0", pwrite(fd, buf, 0, 0));
    said("pread", pread(fd, buf, 1, 0));
    said("pread -1", pread(fd, buf, 1, -1));
    said("pwrite -1", pwrite(fd, buf, 1, -1));
    said("preadv2 nowait", preadv2(fd, &none, 1, -1, RWF_NOWAIT));
    struct iovec one = {buf, 1};
    said("preadv2 of a byte nowait", preadv2(fd, &one, 1, -1, RWF_NOWAIT));
    said("pwritev2 nowait at", pwritev2(fd, &none, 1, 0, RWF_NOWAIT));
    said("preadv2 of a byte append", preadv2(fd, &one, 1, -1, RWF_APPEND));
    said("preadv2 unknown", preadv2(fd, &none, 1, -1, 0x4000));
    said("sendfile from 0", sendfile(regular, fd, NULL, 0));
    said("sendfile from at 0", sendfile(regular, fd, &at, 0));
    said("sendfile to 0", sendfile(fd, regular, NULL, 0));
    at = 0;
    said("sendfile from at", sendfile(regular, fd, &at, 1));
    said("splice from 0", splice(fd, NULL, pipe_in, NULL, 0, SPLICE_F_NONBLOCK));
    said("splice to 0", splice(pipe_out, NULL, fd, NULL, 0, SPLICE_F_NONBLOCK));
    said("splice at", splice(fd, &at, pipe_in, NULL, 1, SPLICE_F_NONBLOCK));
    said("copy from 0", copy_file_range(fd, NULL, regular, NULL, 0, 0));
    said("copy from", copy_file_range(fd, NULL, regular, NULL, 1, 0));
    said("copy to", copy_file_range(regular, NULL, fd, NULL, 1, 0));
    said("tee", tee(fd, pipe_in, 1, SPLICE_F_NONBLOCK));
    said("vmsplice", vmsplice(fd, &none, 1, SPLICE_F_NONBLOCK));
}

static void controls(int fd) {
    int n = 0, other = dup(fd);
    struct flock l = {.l_type = F_WRLCK, .l_len = 10};
    said("flock", flock(fd, LOCK_EX | LOCK_NB));
    said("flock shared", flock(other, LOCK_SH | LOCK_NB));
    said("flock nonsense", flock(fd, 9));
    said("F_SETLK", fcntl(fd, F_SETLK, &l));
    l.l_type = F_RDLCK;
    said("F_SETLK read", fcntl(fd, F_SETLK, &l));
    l.l_type = F_WRLCK;
    said("F_GETLK", fcntl(fd, F_GETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_len = 10};
    said("F_OFD_SETLK", fcntl(fd, F_OFD_SETLK, &l));
    l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END};
    said("F_GETLK end", fcntl(fd, F_GETLK, &l));
    said("F_GETPIPE_SZ", fcntl(fd, F_GETPIPE_SZ) > 0 ? 1 : -1);
    said("F_GET_SEALS", fcntl(fd, F_GET_SEALS));
    said("F_SETFL O_DIRECT", fcntl(fd, F_SETFL, O_DIRECT | O_NONBLOCK));
    said("F_GETFL", fcntl(fd, F_GETFL));
    said("F_SETFL", fcntl(fd, F_SETFL, O_NONBLOCK));
    said("FIONREAD", ioctl(fd, FIONREAD, &n));
    said("FIONREAD at nowhere", ioctl(fd, FIONREAD, 16));
    n = 1;
    said("FIONBIO", ioctl(fd, FIONBIO, &n));
    said("FIOCLEX", ioctl(fd, FIOCLEX));
    said("TCGETS", ioctl(fd, 0x5401, 16));
    said("nonsense", ioctl(fd, 0xabcd, 16));
    said("mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    said("mmap private", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
    close(other);
}

static void names(int fd) {
    char buf[64], link[64];
    struct stat st;
    struct epoll_event e = {.events = EPOLLIN};
    int epoll = epoll_create1(0), watch = inotify_init1(IN_NONBLOCK);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    said("fchdir", fchdir(fd));
    said("getdents", syscall(SYS_getdents64, fd, buf, sizeof buf));
    said("openat", openat(fd, "x", O_RDONLY));
    said("newfstatat", fstatat(fd, "", &st, AT_EMPTY_PATH));
    said("linkat", linkat(fd, "", AT_FDCWD, "/tmp/none/x", AT_EMPTY_PATH));
    said("linkat by link", linkat(AT_FDCWD, link, AT_FDCWD, "/dev/shm/kinds.link", AT_SYMLINK_FOLLOW));
    said("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e));
    said("epoll_wait", epoll_wait(fd, &e, 1, 0));
    said("inotify_add_watch", inotify_add_watch(fd, "/", IN_OPEN));
    said("inotify_rm_watch", inotify_rm_watch(fd, 1));
    said("watched", inotify_add_watch(watch, link, IN_OPEN));
    said("timerfd_gettime", timerfd_gettime(fd, (void *)buf));
    said("accept", accept(fd, NULL, NULL));
    said("getsockname", getsockname(fd, (void *)buf, &(socklen_t){0}));
    if (strcmp(kind, "null") && strcmp(kind, "zero")) said("chmod by link", chmod(link, 0600));
    said("truncate by link", truncate(link, 0));
    said("access by link", access(link, R_OK | W_OK));
    said("setxattr by link", setxattr(link, "user.x", "y", 1, 0));
    said("open by link", open(link, O_RDONLY | O_NONBLOCK) < 0 ? -1 : 0);
    said("open to write", open(link, O_WRONLY | O_NONBLOCK | O_TRUNC) < 0 ? -1 : 0);
    close(epoll);
    close(watch);
    unlink("/dev/shm/kinds.link");
}

static void all(const char *name, int fd) {
    kind = name;
    if (fd < 0) {
        said("made", -1);
        return;
    }
    /* Devices belong to the host: their attributes stay. */
    if (strcmp(name, "null") && strcmp(name, "zero")) attributes(fd);
    lengths(fd);
    transfers(fd);
    controls(fd);
    names(fd);
    close(fd);
    fflush(stdout);
}

int main(void) {
    int two[2];
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    signal(SIGPIPE, SIG_IGN);
    umask(022);
    regular = memfd_create("regular", 0);
    if (pipe2(two, O_NONBLOCK)) return 1;
    pipe_out = two[0], pipe_in = two[1];
    all("epoll", epoll_create1(0));
    all("eventfd", eventfd(3, EFD_NONBLOCK));
    all("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    all("signalfd", signalfd(-1, &set, SFD_NONBLOCK));
    all("inotify", inotify_init1(IN_NONBLOCK));
    all("memfd", memfd_create("m", MFD_ALLOW_SEALING));
    if (pipe2(two, O_NONBLOCK)) return 1;
    all("pipe's reader", two[0]);
    all("pipe's writer", two[1]);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, two)) return 1;
    all("socket", two[0]);
    mkdir("/dev/shm/kinds.dir", 0755);
    all("path", open("/dev/shm/kinds.dir", O_PATH));
    all("directory", open("/dev/shm/kinds.dir", O_RDONLY));
    rmdir("/dev/shm/kinds.dir");
    all("null", open("/dev/null", O_RDWR));
    all("zero", open("/dev/zero", O_RDWR));
    mkfifo("/dev/shm/kinds.fifo", 0600);
    all("fifo", open("/dev/shm/kinds.fifo", O_RDWR | O_NONBLOCK));
    unlink("/dev/shm/kinds.fifo");
    all("file", open("/dev/shm/kinds.file", O_RDWR | O_CREAT | O_TRUNC, 0600));
    all("file to read", open("/dev/shm/kinds.file", O_RDONLY));
    all("file to write", open("/dev/shm/kinds.file", O_WRONLY));
    unlink("/dev/shm/kinds.file");
    all("nameless", open("/dev/shm", O_RDWR | O_TMPFILE, 0600));
    return 0;
}
