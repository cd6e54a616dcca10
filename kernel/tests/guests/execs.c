// Prints what execve and execveat answer and what programs find; the same natively as root. The first argument is this program.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define T(call) do { errno = 0; long r_ = (long)(call); printf("%d %s = %ld %s\n", __LINE__, #call, r_, r_ == -1 ? strerrorname_np(errno) : ""); } while (0)
extern char **environ;

static int report(int argc, char **argv) {
    char name[16];
    prctl(PR_GET_NAME, name);
    printf("comm %s args", name);
    for (int i = 0; i < argc; i++) printf(" <%s>", argv[i]);
    const char *fn = (const char *)getauxval(AT_EXECFN);
    printf(" env %s fn %s\n", environ[0] ? environ[0] : "none", fn);
    unsigned r, e, s, g, h, i;
    getresuid(&r, &e, &s);
    getresgid(&g, &h, &i);
    unsigned caps[2] = {0x20080522, 0}, d[6];
    syscall(SYS_capget, caps, d);
    printf("ids %u %u %u %u %u %u secure %lu aux %lu %lu caps %d %d dumpable %d\n", r, e, s, g, h, i, getauxval(AT_SECURE), getauxval(AT_UID), getauxval(AT_EUID), d[0] != 0, !!(d[0] & 1 << 13), prctl(PR_GET_DUMPABLE));
    struct sigaction a;
    sigaction(SIGUSR1, NULL, &a);
    int usr1 = a.sa_handler == SIG_DFL;
    sigaction(SIGUSR2, NULL, &a);
    stack_t ss;
    sigaltstack(NULL, &ss);
    int pd = -1;
    prctl(PR_GET_PDEATHSIG, &pd);
    printf("usr1 default %d usr2 ignored %d altstack %d pdeath %d leader %d nofd %d\n", usr1, a.sa_handler == SIG_IGN, ss.ss_flags, pd, getpid() == gettid(), fcntl(9, F_GETFD) == -1);
    fflush(stdout);
    return 33;
}
static const char *self;
static void try(const char *what, int dir, const char *path, char **argv, int flags) {
    fflush(stdout);
    pid_t p = fork();
    int st;
    if (p == 0) {
        char *env[] = {"A=b", NULL};
        syscall(SYS_execveat, dir, path, argv, env, flags);
        printf("%s: %s\n", what, strerrorname_np(errno));
        fflush(stdout);
        _exit(1);
    }
    waitpid(p, &st, 0);
    printf("%s: status %x\n", what, st);
}
static void put(const char *name, const char *text, int mode) {
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, mode);
    write(fd, text, strlen(text));
    close(fd);
    chmod(name, mode);
}
static void copy_self(const char *name, int mode) {
    char buf[65536];
    int in = open(self, O_RDONLY), out = open(name, O_CREAT | O_TRUNC | O_WRONLY, mode);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;) write(out, buf, n);
    close(in);
    close(out);
    chmod(name, mode);
}
static void *other_thread(void *arg) {
    char *argv[] = {"from-thread", "-r", NULL}, *env[] = {"T=1", NULL};
    execve(arg, argv, env);
    return NULL;
}
static void *spin(void *arg) { for (;;) pause(); return arg; }
static void become(unsigned uid, unsigned gid) {
    syscall(SYS_setgroups, 0, NULL);
    setresgid(gid, gid, gid);
    setresuid(uid, uid, uid);
}
static void errors(void) {
    char *argv[] = {"x", NULL};
    put("text", "echo hello\n", 0755);
    put("empty", "", 0755);
    put("noexec", "#!/bin/sh\n", 0644);
    put("badinterp", "#!/no/such/file\n", 0755);
    put("loop", "#!loop\n", 0755);
    put("dirinterp", "#!.\n", 0755);
    put("nointerp", "#!\n", 0755);
    symlink("text", "link");
    try("text", AT_FDCWD, "text", argv, 0);
    try("empty", AT_FDCWD, "empty", argv, 0);
    try("noexec", AT_FDCWD, "noexec", argv, 0);
    try("badinterp", AT_FDCWD, "badinterp", argv, 0);
    try("loop", AT_FDCWD, "loop", argv, 0);
    try("dirinterp", AT_FDCWD, "dirinterp", argv, 0);
    try("nointerp", AT_FDCWD, "nointerp", argv, 0);
    try("directory", AT_FDCWD, ".", argv, 0);
    try("missing", AT_FDCWD, "missing", argv, 0);
    try("notdir", AT_FDCWD, "text/x", argv, 0);
    try("emptypath", AT_FDCWD, "", argv, 0);
    try("badflags", AT_FDCWD, "text", argv, 1);
    try("badfd", 77, "text", argv, 0);
    try("filefd", 0, "text", argv, 0);
    try("nofollow", AT_FDCWD, "link", argv, AT_SYMLINK_NOFOLLOW);
    try("badptr", AT_FDCWD, "text", (char **)8, 0);
    int w = open("busy", O_CREAT | O_WRONLY, 0755);
    fchmod(w, 0755);
    write(w, "#!/x\n", 5);
    try("busy", AT_FDCWD, "busy", argv, 0);
    close(w);
}
static void sizes(void) {
    static char big[140000];
    memset(big, 'x', sizeof big - 1);
    char *one[] = {"a", "-r", big, NULL};
    try("longstring", AT_FDCWD, "prog", one, 0);
    static char *many[60000];
    for (int i = 0; i < 59999; i++) many[i] = "0123456789012345678901234567890";
    try("toomany", AT_FDCWD, "prog", many, 0);
    struct rlimit l = {1 << 20, 8 << 20};
    setrlimit(RLIMIT_STACK, &l);
    many[8000] = NULL;
    try("quarter", AT_FDCWD, "prog", many, 0);
    l.rlim_cur = 64 << 10;
    setrlimit(RLIMIT_STACK, &l);
    many[2500] = NULL;
    try("minimum", AT_FDCWD, "prog", many, 0);
}
static void good(void) {
    char *argv[] = {"argv0", "-r", "b c", NULL}, *none[] = {NULL};
    (void)none;
    try("plain", AT_FDCWD, "prog", argv, 0);
    put("script", "#!prog -r  with blanks \n", 0755);
    put("nested", "#! script\n", 0755);
    try("script", AT_FDCWD, "script", argv, 0);
    try("nested", AT_FDCWD, "./nested", argv, 0);
    int d = open(".", O_DIRECTORY | O_PATH), f = open("prog", O_PATH), c = open("prog", O_RDONLY | O_CLOEXEC), s = open("script", O_RDONLY | O_CLOEXEC), k = open("script", O_RDONLY);
    dup2(d, 20); dup2(f, 21); dup3(c, 22, O_CLOEXEC); dup3(s, 23, O_CLOEXEC); dup2(k, 24);
    try("dirfd", 20, "prog", argv, 0);
    try("pathfd", 21, "", argv, AT_EMPTY_PATH);
    try("cloexecfd", 22, "", argv, AT_EMPTY_PATH);
    try("cloexecscript", 23, "", argv, AT_EMPTY_PATH);
    symlink("prog", "proglink");
    try("link", AT_FDCWD, "proglink", argv, 0);
    copy_self("gone", 0755);
    int g = open("gone", O_RDONLY);
    unlink("gone");
    dup2(g, 25);
    try("deleted", 25, "", argv, AT_EMPTY_PATH);
}
static void state(void) {
    static char stack[8192];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&ss, NULL);
    signal(SIGUSR1, (void (*)(int))become);
    signal(SIGUSR2, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    fcntl(0, F_DUPFD_CLOEXEC, 9);
    char *argv[] = {"state", "-r", NULL};
    execve("prog", argv, argv + 2);
}
static void threads(void) {
    pthread_t t;
    for (int i = 0; i < 3; i++) pthread_create(&t, NULL, spin, NULL);
    pthread_create(&t, NULL, other_thread, "prog");
    for (;;) pause();
}
static void privileges(void) {
    char *argv[] = {"p", "-r", NULL};
    copy_self("suid", 04755);
    chown("suid", 77, 88);
    chmod("suid", 04755);
    copy_self("sgid", 0755);
    chown("sgid", 77, 88);
    chmod("sgid", 02755);
    copy_self("locked", 0755);
    chown("locked", 77, 88);
    chmod("locked", 02745);
    copy_self("rootid", 04755);
    copy_self("secret", 0711);
    chmod(".", 0755);
    for (int i = 0; i < 2; i++) {
        fflush(stdout);
        pid_t p = fork();
        int st;
        if (p == 0) {
            if (i == 1) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            try("root suid", AT_FDCWD, "suid", argv, 0);
            become(1000, 1000);
            try("suid", AT_FDCWD, "suid", argv, 0);
            try("sgid", AT_FDCWD, "sgid", argv, 0);
            try("locked", AT_FDCWD, "locked", argv, 0);
            try("rootid", AT_FDCWD, "rootid", argv, 0);
            try("secret", AT_FDCWD, "secret", argv, 0);
            prctl(PR_SET_PDEATHSIG, SIGHUP);
            fflush(stdout);
            execve(i ? "sgid" : "prog", argv, argv + 2);
        }
        waitpid(p, &st, 0);
        printf("%x\n", st);
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "-r") == 0) return report(argc, argv);
    if (argc > 1 && strstr(argv[1], "-r ") == argv[1]) return report(argc, argv);
    self = argv[0];
    char dir[] = "/tmp/execs.XXXXXX";
    umask(0);
    mkdir("/tmp", 0777);
    int fd = open(self, O_RDONLY);
    mkdtemp(dir);
    static char abs[4096];
    if (self[0] != '/') { getcwd(abs, 2000); strcat(abs, "/"); strcat(abs, self); self = abs; }
    close(fd);
    chdir(dir);
    copy_self("prog", 0755);
    void (*all[])(void) = {errors, good, sizes, state, threads, privileges};
    for (int i = 0; i < 6; i++) {
        fflush(stdout);
        pid_t p = fork();
        int st;
        if (p == 0) { all[i](); fflush(stdout); _exit(0); }
        waitpid(p, &st, 0);
        printf("section %x\n", st);
    }
    fflush(stdout);
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d));) unlink(e->d_name);
    rmdir(dir);
    return 0;
}
