// Namespaces: making, leaving and entering them, and what their files answer. Everything happens in a user namespace of its own,
// so that it needs no privileges.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/nsfs.h>

static void say(const char *what, long result) {
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
}

static int namespace(const char *kind) {
    char path[64];
    sprintf(path, "/proc/self/ns/%s", kind);
    return open(path, O_RDONLY);
}

static long number(int fd) {
    struct stat st;
    return fstat(fd, &st) < 0 ? -1 : (long)st.st_ino;
}

static int wrote(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    int r = write(fd, text, strlen(text));
    int e = errno;
    close(fd);
    errno = e;
    return r;
}

static void show(const char *path) {
    char text[200];
    int fd = open(path, O_RDONLY);
    int n = read(fd, text, sizeof text);
    close(fd);
    printf("%s: %.*s", path, n, text);
}

// Runs `f` in a child and shows how it ended.
static void apart(const char *what, int (*f)(void)) {
    int status;
    fflush(stdout);
    if (fork() == 0) {
        int r = f();
        fflush(stdout);
        _exit(r);
    }
    wait(&status);
    printf("%s: %x\n", what, status);
}

static void name(const char *when) {
    char host[65];
    gethostname(host, sizeof host);
    printf("%s: %s\n", when, host);
}

static int host_names(void) {
    int old = namespace("uts");
    sethostname("outer", 5);
    say("unshare", unshare(CLONE_NEWUTS));
    int new = namespace("uts");
    printf("another: %d\n", number(old) != number(new));
    sethostname("inner", 5);
    name("new");
    say("enter as another kind", setns(old, CLONE_NEWNS));
    say("enter", setns(old, CLONE_NEWUTS));
    name("old");
    say("enter", setns(new, 0));
    name("new");
    say("enter nothing", setns(0, 0));
    say("enter what is not open", setns(99, 0));
    printf("kind %x\n", ioctl(new, NS_GET_NSTYPE));
    int owner = ioctl(new, NS_GET_USERNS), user = namespace("user");
    printf("owner %d\n", number(owner) == number(user));
    say("parent", ioctl(new, NS_GET_PARENT));
    say("owner's parent", ioctl(user, NS_GET_PARENT));
    say("unknown", ioctl(new, 0x12345678));
    return 0;
}

static int queues(void) {
    int id = msgget(0x1234, IPC_CREAT | 0600);
    say("made", id);
    say("unshare", unshare(CLONE_NEWIPC));
    say("gone", msgget(0x1234, 0));
    return 0;
}

static int mounts(void) {
    struct stat st;
    say("unshare", unshare(CLONE_NEWNS));
    mkdir("/tmp/place", 0700);
    say("private", mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    say("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
    close(open("/tmp/file", O_CREAT | O_WRONLY, 0600));
    say("there", stat("/tmp/file", &st));
    return 0;
}

static int init(void *arg) {
    printf("number %d, parent %d\n", getpid(), getppid());
    fflush(stdout);
    if (fork() == 0) {
        printf("child %d of %d\n", getpid(), getppid());
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    if (fork() == 0) pause();
    return 5;
}

static int processes(void) {
    static char stack[65536];
    int status;
    say("unshare", unshare(CLONE_NEWPID));
    printf("the same number: %d\n", getpid() > 1);
    say("again", unshare(CLONE_NEWPID));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(init(NULL));
    waitpid(child, &status, 0);
    printf("ended %x\n", status);
    say("no more", fork());
    return 0;
}

static int clones(void) {
    static char stack[65536];
    int status;
    fflush(stdout);
    pid_t child = clone(init, stack + sizeof stack, CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS | SIGCHLD, NULL);
    waitpid(child, &status, 0);
    printf("ended %x\n", status);
    say("contradiction", clone(init, stack + sizeof stack, CLONE_NEWNS | CLONE_FS | SIGCHLD, NULL));
    say("threads", syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
    return 0;
}

static void changes(const char *what, int fd, int epoll) {
    struct pollfd p = {fd, POLLPRI | POLLIN, 0};
    struct epoll_event e = {0};
    int n = epoll_wait(epoll, &e, 1, 0);
    printf("%s: epoll %d %x", what, n, e.events);
    n = poll(&p, 1, 0);
    printf(", poll %d %x", n, p.revents);
    n = poll(&p, 1, 0);
    printf(", again %d %x\n", n, p.revents);
}

static int tables(void) {
    say("unshare", unshare(CLONE_NEWNS));
    int fd = open("/proc/self/mounts", O_RDONLY), other = open("/proc/self/mountinfo", O_RDONLY);
    int epoll = epoll_create1(0);
    struct epoll_event want = {.events = EPOLLPRI};
    say("watch", epoll_ctl(epoll, EPOLL_CTL_ADD, other, &want));
    changes("at first", fd, epoll);
    mkdir("/tmp/place", 0755);
    say("mount", mount("none", "/tmp/place", "tmpfs", 0, NULL));
    changes("mounted", fd, epoll);
    say("remount", mount(NULL, "/tmp/place", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL));
    changes("changed", fd, epoll);
    say("bind", mount("/tmp/place", "/tmp/place", NULL, MS_BIND, NULL));
    changes("bound", fd, epoll);
    fflush(stdout);
    if (fork() == 0) {
        unshare(CLONE_NEWNS);
        umount("/tmp/place");
        _exit(0);
    }
    wait(NULL);
    changes("elsewhere", fd, epoll);
    say("umount", umount("/tmp/place"));
    say("umount", umount("/tmp/place"));
    changes("unmounted", fd, epoll);
    return 0;
}

static int flags(void) {
    say("unknown", unshare(1));
    say("thread", unshare(CLONE_THREAD));
    say("memory", unshare(CLONE_VM));
    say("files", unshare(CLONE_FILES | CLONE_FS | CLONE_SYSVSEM));
    return 0;
}

static int users(void) {
    unsigned uid = geteuid(), gid = getegid();
    char map[64];
    int outside = namespace("user");
    say("unshare", unshare(CLONE_NEWUSER));
    printf("unmapped %d %d\n", getuid(), getgid());
    show("/proc/self/setgroups");
    sprintf(map, "7 %u 2", uid);
    printf("too many %d\n", wrote("/proc/self/uid_map", "7 0 2 9\n"));
    sprintf(map, "7 %u 1", uid);
    printf("uids %d\n", wrote("/proc/self/uid_map", map) > 0);
    printf("again %d %s\n", wrote("/proc/self/uid_map", map), strerror(errno));
    printf("setgroups %d\n", wrote("/proc/self/setgroups", "deny"));
    sprintf(map, "8 %u 1", gid);
    printf("gids %d\n", wrote("/proc/self/gid_map", map) > 0);
    printf("mapped %d %d\n", getuid(), getgid());
    show("/proc/self/setgroups");
    printf("allow %d %s\n", wrote("/proc/self/setgroups", "allow"), strerror(errno));
    struct stat st;
    close(open("/tmp/mine", O_CREAT | O_WRONLY, 0600));
    stat("/tmp/mine", &st);
    printf("mine %d %d\n", st.st_uid, st.st_gid);
    say("chown to nobody here", chown("/tmp/mine", 9, -1));
    say("back", setns(outside, 0));
    say("host name", sethostname("x", 1));
    int me = namespace("user");
    say("the same", setns(me, 0));
    unsigned owner = -1;
    say("owner", ioctl(me, NS_GET_OWNER_UID, &owner));
    printf("owner %d\n", owner);
    say("a device", mknod("/tmp/device", S_IFCHR | 0600, makedev(1, 3)));
    return 0;
}

int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    mkdir("/tmp", 01777);
    mkdir("/proc", 0555);
    struct stat st;
    if (stat("/proc/self", &st) < 0) mount("proc", "/proc", "proc", 0, NULL);
    // As if the caller had been the superuser of a namespace of its own all along.
    char map[64];
    unsigned uid = geteuid(), gid = getegid();
    unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS);
    sprintf(map, "0 %u 1", uid);
    wrote("/proc/self/uid_map", map);
    wrote("/proc/self/setgroups", "deny");
    sprintf(map, "0 %u 1", gid);
    wrote("/proc/self/gid_map", map);
    printf("I am %d %d\n", getuid(), getgid());
    apart("host names", host_names);
    name("unchanged");
    apart("queues", queues);
    apart("mounts", mounts);
    printf("nothing mounted here: %d\n", stat("/tmp/file", &st));
    apart("tables", tables);
    apart("processes", processes);
    apart("clones", clones);
    apart("flags", flags);
    apart("users", users);
    unlink("/tmp/mine");
    rmdir("/tmp/place");
    return 0;
}
