/* Reads the cases, runs each in a child, reports. */
#include "guest.h"

#include <dirent.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define REPORT_SIZE (1 << 20)
#define MAX_OPS 256
#define SECONDS_PER_CASE 10

static struct {
    size_t used;
    char text[REPORT_SIZE];
} *report;

static struct op ops[MAX_OPS];
static int op_count, case_pid, case_parent;
static int fds[SLOTS];
int position;

void say(const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsnprintf(report->text + report->used, REPORT_SIZE - report->used, format, list);
    va_end(list);
    if (n > 0 && report->used + n < REPORT_SIZE) report->used += n;
}

static void say_error(void) {
    const char *name = strerrorname_np(errno);
    say(" %s", name ? name : "E?");
}

long result(long value) {
    if (value == -1) say_error();
    else say(" %ld", value);
    return value;
}

long success(long value) {
    if (value == -1) say_error();
    else say(" ok");
    return value;
}

void say_bytes(const unsigned char *bytes, size_t n) {
    if (n <= 24) {
        say(" [");
        for (size_t i = 0; i < n; i++) say("%02x", bytes[i]);
        say("]");
        return;
    }
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    say(" [%zu bytes, hash %016lx]", n, (unsigned long)hash);
}

long num(char **args, int i) { return args[i] ? strtol(args[i], NULL, 0) : 0; }

int slot(char **args, int i) {
    long n = num(args, i);
    return n >= 0 && n < SLOTS ? fds[n] : -1;
}

void set_slot(char **args, int i, long fd) {
    long n = num(args, i);
    if (fd >= 0 && n >= 0 && n < SLOTS) fds[n] = (int)fd;
}

const char *path(char **args, int i) {
    static char name[300], deep[5000];
    if (!args[i] || !strcmp(args[i], "''")) return "";
    if (!strcmp(args[i], "LONG")) return memset(name, 'n', 256);
    if (!strcmp(args[i], "DEEP")) {
        for (int k = 0; k < 4998; k += 2) memcpy(deep + k, "./", 2);
        return deep;
    }
    return args[i];
}

unsigned char *pattern(size_t n, unsigned seed) {
    unsigned char *bytes = malloc(n ? n : 1);
    for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)(seed + i * 7 + (i >> 8));
    return bytes;
}

const char *who(int pid) {
    if (pid == 0) return "none";
    if (pid == getpid()) return "self";
    if (pid == case_parent) return "runner";
    return pid == getppid() ? "parent" : pid == case_pid ? "first" : "other";
}

static const struct handler *find(const char *name) {
    const struct handler *tables[] = {file_ops, tree_ops, event_ops, memory_ops, signal_ops, process_ops, socket_ops};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct handler *h = tables[t]; h->name; h++)
            if (!strcmp(h->name, name)) return h;
    fprintf(stderr, "no operation %s\n", name);
    exit(2);
}

void run_ops(int from, int to) {
    for (position = from; position < to && position < op_count; position++) {
        struct op *op = &ops[position];
        say("%d %s", position, op->name);
        find(op->name)->run(op->args);
        say("\n");
    }
}

static void parse_op(char *line) {
    if (op_count == MAX_OPS) return;
    struct op *op = &ops[op_count];
    memset(op, 0, sizeof *op);
    for (char *t = strtok(line, " "); t; t = strtok(NULL, " ")) {
        if (!op->name) op->name = t;
        else if (op->argc < MAX_ARGS) op->args[op->argc++] = t;
    }
    if (op->name) op_count++;
}

/* Reports what is below the current directory, by name, and removes it. */
static void dump(const char *prefix) {
    struct dirent **list;
    int n = scandir(".", &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        struct stat st;
        if (!strcmp(name, ".") || !strcmp(name, "..") || lstat(name, &st)) continue;
        char full[1024];
        snprintf(full, sizeof full, "%s/%s", prefix, name);
        say("%s %o %d:%d links %d", full, st.st_mode, st.st_uid, st.st_gid, (int)st.st_nlink);
        if (S_ISREG(st.st_mode)) {
            say(" size %ld", (long)st.st_size);
            int fd = open(name, O_RDONLY);
            unsigned char *all = malloc(1 << 20);
            ssize_t got = fd < 0 ? 0 : read(fd, all, 1 << 20);
            say_bytes(all, got > 0 ? (size_t)got : 0);
            free(all);
            close(fd);
        }
        if (S_ISLNK(st.st_mode)) {
            char target[1024] = {0};
            if (readlink(name, target, sizeof target - 1) > 0) say(" -> %s", target);
        }
        say("\n");
        if (S_ISDIR(st.st_mode)) {
            if (chdir(name) == 0) {
                dump(full);
                if (chdir("..")) exit(3);
            }
            rmdir(name);
        } else {
            unlink(name);
        }
    }
}

static void child(void) {
    setpgid(0, 0);
    for (int s = 1; s <= SIGRTMAX; s++) signal(s, SIG_DFL);
    alarm(SECONDS_PER_CASE);
    umask(022);
    case_pid = getpid();
    close(0);
    run_ops(0, op_count);
    _exit(0);
}

static void run_case(const char *name, const char *base) {
    char dir[300];
    printf("case %s\n", name);
    fflush(stdout);
    snprintf(dir, sizeof dir, "%s", base);
    /* Some way below, because `..` is a path like others. */
    for (int level = 0; level < 3; level++) {
        strcat(dir, level < 2 ? "/up" : "/case");
        if (mkdir(dir, 0777) || chdir(dir)) {
            perror(dir);
            exit(3);
        }
    }
    report->used = 0;
    for (int i = 0; i < SLOTS; i++) fds[i] = -1;
    int status;
    pid_t pid = fork();
    if (pid == 0) child();
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    /* What it left behind may still change the directory. */
    kill(-pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0) {}
    if (report->used && report->text[report->used - 1] != '\n') say("\n");
    if (WIFSIGNALED(status)) say("killed by %d\n", WTERMSIG(status));
    else say("exit %d\n", WEXITSTATUS(status));
    if (chdir(base)) exit(3);
    dump("");
    fwrite(report->text, 1, report->used, stdout);
    fflush(stdout);
}

static char *read_all(void) {
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room);
    for (ssize_t n; (n = read(0, text + used, room - used - 1)) > 0;)
        if ((used += n) + 1 >= room) text = realloc(text, room *= 2);
    text[used] = 0;
    return text;
}

/* Takes away the capabilities that root may or may not have where the test runs. */
static void same_rights(void) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    const unsigned keep = 1 << CAP_CHOWN | 1 << CAP_DAC_OVERRIDE | 1 << CAP_FOWNER | 1 << CAP_FSETID | 1 << CAP_KILL | 1 << CAP_SETGID
        | 1 << CAP_SETUID | 1 << CAP_SETPCAP;
    struct __user_cap_data_struct data[2] = {{keep, keep, 0}, {0, 0, 0}};
    if (syscall(SYS_capset, &head, data)) perror("capset");
}

/* Usage: guest DIRECTORY < CASES */
int main(int argc, char **argv) {
    char base[200];
    if (argc != 2) return 2;
    umask(0);
    same_rights();
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){1024, 1024});
    syscall(SYS_close_range, 3, ~0U, 0);
    /* The leader of its session, as it is in the sandbox. */
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(base, sizeof base, "%s/guest.%d", argv[1], getpid());
    if (mkdir(base, 0755) || chdir(base)) {
        perror(base);
        return 3;
    }
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    case_parent = getpid();
    const char *name = NULL;
    char *rest = read_all(), *line;
    while ((line = strsep(&rest, "\n"))) {
        if (!strncmp(line, "case ", 5)) {
            if (name) run_case(name, base);
            name = line + 5;
            op_count = 0;
        } else {
            parse_op(line);
        }
    }
    if (name) run_case(name, base);
    if (chdir("/") || rmdir(base)) perror(base);
    printf("end\n");
    return 0;
}
