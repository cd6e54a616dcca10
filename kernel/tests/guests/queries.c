// What there is: mounts by number, attributes by name from a directory, types of file systems, advice for other processes.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, long result) {
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

static void count(const char *what, long result) {
    printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

struct request {
    uint32_t size, spare;
    uint64_t id, param, ns;
};

// The first half of `struct statmount`.
struct mount {
    uint32_t size, opts;
    uint64_t mask;
    uint32_t dev_major, dev_minor;
    uint64_t magic;
    uint32_t sb_flags, fs_type;
    uint64_t id, parent;
    uint32_t id_old, parent_old;
    uint64_t attr, propagation, peer_group, master, from;
    uint32_t root, point;
    char more[512 - 112];
};

enum { SB_BASIC = 1, MNT_BASIC = 2, MNT_POINT = 16 };

struct args {
    uint64_t value;
    uint32_t size, flags;
    uint64_t more;
};

static void attributes(void) {
    char buf[64] = "";
    mkdir("/tmp/queries.dir", 0700);
    int dir = open("/tmp/queries.dir", O_RDONLY | O_DIRECTORY);
    close(openat(dir, "file", O_CREAT | O_WRONLY, 0600));
    struct args a = {(uintptr_t)"value", 5, 0, 0}, b = {(uintptr_t)buf, sizeof buf, 0, 0};
    say("set", syscall(463, dir, "file", 0, "user.a", &a, 16));
    a.flags = 1;
    say("there already", syscall(463, dir, "file", 0, "user.a", &a, 16));
    say("short", syscall(463, dir, "file", 0, "user.a", &a, 15));
    say("long", syscall(463, dir, "file", 0, "user.a", &a, 24));
    a.more = 1;
    say("more", syscall(463, dir, "file", 0, "user.a", &a, 24));
    say("bad flags", syscall(463, dir, "file", 1, "user.a", &a, 16));
    count("get", syscall(464, dir, "file", 0, "user.a", &b, 16));
    printf("%s\n", buf);
    b.flags = 1;
    count("flags", syscall(464, dir, "file", 0, "user.a", &b, 16));
    count("list", syscall(465, dir, "file", 0, NULL, 0));
    int fd = openat(dir, "file", O_RDONLY);
    count("list an open one", syscall(465, fd, "", AT_EMPTY_PATH, NULL, 0));
    say("no path", syscall(465, fd, "", 0, NULL, 0));
    say("remove", syscall(466, dir, "file", 0, "user.a"));
    say("remove again", syscall(466, dir, "file", 0, "user.a"));
    unlink("/tmp/queries.dir/file");
    rmdir("/tmp/queries.dir");
}

// `struct pidfd_info` and its request.
struct info {
    uint64_t mask, cgroup;
    uint32_t pid, tgid, ppid, ids[8], status;
};
#define GET_INFO _IOWR(0xff, 11, struct info)

static void processes(void) {
    struct info i = {0};
    int me = syscall(SYS_pidfd_open, getpid(), 0);
    say("info", ioctl(me, GET_INFO, &i));
    printf("%d, %d %d %d, %d %d\n", (int)(i.mask & 3), i.pid == getpid(), i.tgid == getpid(), i.ppid == getppid(), i.ids[0] == getuid(),
           i.ids[3] == getegid());
    say("no structure", ioctl(me, GET_INFO, NULL));
    say("bad structure", ioctl(me, GET_INFO, 8));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(7);
    int fd = syscall(SYS_pidfd_open, child, 0);
    siginfo_t ended;
    waitid(P_PID, child, &ended, WEXITED | WNOWAIT);
    i.mask = 8;
    say("a zombie", ioctl(fd, GET_INFO, &i));
    printf("its end is told %d\n", (int)(i.mask & 8));
    wait(NULL);
    i.mask = 0;
    say("gone", ioctl(fd, GET_INFO, &i));
    i.mask = 8;
    say("how it ended", ioctl(fd, GET_INFO, &i));
    printf("%d %x\n", (int)(i.mask & 11), i.status);
}

static void advice(void) {
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec v[] = {{p, 4096}, {p + 4096, 4096}};
    int me = syscall(SYS_pidfd_open, getpid(), 0);
    count("own", syscall(SYS_process_madvise, me, v, 2, MADV_COLD, 0));
    count("flags", syscall(SYS_process_madvise, me, v, 2, MADV_COLD, 1));
    count("unsuitable", syscall(SYS_process_madvise, me, v, 2, MADV_DONTFORK, 0));
    count("no process", syscall(SYS_process_madvise, 0, v, 2, MADV_COLD, 0));
    v[1].iov_base = p + 1;
    count("second is unaligned", syscall(SYS_process_madvise, me, v, 2, MADV_COLD, 0));
    v[0].iov_base = p + 1;
    count("both are", syscall(SYS_process_madvise, me, v, 2, MADV_COLD, 0));
}

int main(void) {
    char name[64];
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    mkdir("/tmp", 01777);
    printf("types %d\n", syscall(SYS_sysfs, 3) > 3);
    int tmpfs = syscall(SYS_sysfs, 1, "tmpfs");
    printf("tmpfs %d\n", tmpfs >= 0);
    say("its name", syscall(SYS_sysfs, 2, tmpfs, name));
    printf("%s\n", name);
    say("unknown", syscall(SYS_sysfs, 1, "nosuchfs"));
    say("too large", syscall(SYS_sysfs, 2, 1000, name));
    say("bad name", syscall(SYS_sysfs, 1, (void *)8));
    say("bad buffer", syscall(SYS_sysfs, 2, tmpfs, (void *)8));
    say("option", syscall(SYS_sysfs, 9));
    attributes();
    advice();
    processes();
    struct stat root;
    struct { uint32_t free; uint64_t inodes; char names[16]; } u;
    stat("/", &root);
    say("ustat", syscall(SYS_ustat, root.st_dev, &u));
    say("no device", syscall(SYS_ustat, -1, &u));
    say("bad buffer", syscall(SYS_ustat, root.st_dev, 8));

    static union {
        struct mount head;
        char bytes[4096];
    } s;
    struct statx sx;
    statx(AT_FDCWD, "/", 0, 0x4000, &sx);
    struct request r = {24, 0, sx.stx_mnt_id, MNT_BASIC | SB_BASIC, 0};
    uint64_t ids[512];
    say("the root", syscall(457, &r, &s, sizeof s, 0));
    printf("mask %llx, itself %d, device %d, attributes are few %d\n", s.head.mask, s.head.id == r.id,
           s.head.dev_major == sx.stx_dev_major && s.head.dev_minor == sx.stx_dev_minor, s.head.attr < 0x1000000);
    r.param = MNT_POINT;
    say("mount point", syscall(457, &r, &s, sizeof s, 0));
    printf("%llx %s size %d\n", s.head.mask, (char *)(&s.head + 1) + s.head.point, s.head.size);
    say("too small", syscall(457, &r, &s, sizeof s.head, 0));
    say("flags", syscall(457, &r, &s, sizeof s, 1));
    r.size = 8;
    say("short", syscall(457, &r, &s, sizeof s, 0));
    r.size = 5000;
    say("long", syscall(457, &r, &s, sizeof s, 0));
    r.size = 24;
    r.id = 0x7fffffffffffff;
    say("none", syscall(457, &r, &s, sizeof s, 0));
    r.id = 5;
    say("no mount has this number", syscall(457, &r, &s, sizeof s, 0));
    say("nor is one below it", syscall(458, &r, ids, 512, 0));
    r.id = -1, r.param = 0;
    long n = syscall(458, &r, ids, 512, 0);
    printf("mounts %d\n", n >= 0);
    for (long i = 1; i < n; i++)
        if (ids[i] <= ids[i - 1]) printf("not in order\n");
    r.param = 5;
    count("no mount has this number", syscall(458, &r, ids, 512, 0));
    r.param = 0;
    count("flags", syscall(458, &r, ids, 512, 8));
    count("too many", syscall(458, &r, ids, 2000000, 0));
    count("bad request", syscall(458, (void *)8, ids, 512, 0));
    return 0;
}
