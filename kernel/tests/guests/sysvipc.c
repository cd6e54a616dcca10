// System V IPC: what calls return, what the structures say, and who waits for whom. Numbers of objects are never shown.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};

static long say(const char *what, long result) {
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
    return result;
}

static void count(const char *what, long result) {
    printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

// What is buffered is written once, by the parent.
static pid_t spawn(void) {
    fflush(stdout);
    return fork();
}

static void segment(const char *when, int id) {
    struct shmid_ds ds;
    if (shmctl(id, IPC_STAT, &ds) < 0) {
        printf("%s: %s\n", when, strerror(errno));
        return;
    }
    printf("%s: size %zu, mode %o, attached %lu, made by me %d, last me %d, none %d, times %d %d %d\n", when, ds.shm_segsz,
           ds.shm_perm.mode, (unsigned long)ds.shm_nattch, ds.shm_cpid == getpid(), ds.shm_lpid == getpid(), ds.shm_lpid == 0,
           ds.shm_atime != 0, ds.shm_dtime != 0, ds.shm_ctime != 0);
}

static void shared_memory(key_t key) {
    struct shmid_ds ds;
    struct shminfo info;
    struct shm_info usage;
    int id = say("shmget", shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640));
    count("the same", shmget(key, 100, 0) - id);
    say("exclusive", shmget(key, 10000, IPC_CREAT | IPC_EXCL | 0640));
    say("larger", shmget(key, 10001, 0));
    say("none", shmget(key + 1, 100, 0));
    say("size 0", shmget(IPC_PRIVATE, 0, 0600));
    say("too large", shmget(IPC_PRIVATE, -1, 0600));
    segment("new", id);
    char *p = shmat(id, NULL, 0);
    p[0] = 'x', p[9999] = 'y', p[12287] = 'z';
    segment("attached", id);
    char *q = shmat(id, NULL, SHM_RDONLY);
    printf("read %c %c\n", q[0], q[9999]);
    say("no store", mprotect(q, 4096, PROT_READ | PROT_WRITE));
    segment("twice", id);
    say("unaligned", (long)shmat(id, p + 1, 0));
    say("occupied", (long)shmat(id, p, 0));
    char *room = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(room, 65536);
    count("rounded", (char *)shmat(id, room + 4097, SHM_RND) - room);
    shmdt(room + 4096);
    mmap(room, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    say("remap", (long)shmat(id, room, SHM_REMAP));
    say("remap nothing", (long)shmat(id, NULL, SHM_REMAP));
    segment("four", id);
    say("detach", shmdt(room));
    say("detach again", shmdt(room));
    say("bad number", (long)shmat(-1, NULL, 0));
    say("bad number", (long)shmat(id + 1000000, NULL, 0));
    munmap(q + 4096, 4096);
    segment("a hole", id);
    say("detach around it", shmdt(q));
    segment("after", id);
    if (spawn() == 0) {
        segment("in the child", id);
        fflush(stdout);
        p[1] = '!';
        _exit(0);
    }
    wait(NULL);
    printf("the child wrote %c\n", p[1]);
    segment("child gone", id);
    say("lock", shmctl(id, SHM_LOCK, NULL));
    segment("locked", id);
    say("unlock", shmctl(id, SHM_UNLOCK, NULL));
    shmctl(id, IPC_STAT, &ds);
    ds.shm_perm.mode = 0666, ds.shm_perm.uid = 5;
    say("set", shmctl(id, IPC_SET, &ds));
    segment("set", id);
    say("bad buffer", shmctl(id, IPC_STAT, (void *)8));
    say("bad command", shmctl(id, 99, &ds));
    count("info", shmctl(0, IPC_INFO, (void *)&info) >= 0);
    printf("least %lu, each %d\n", (unsigned long)info.shmmin, info.shmseg == info.shmmni);
    count("usage", shmctl(0, SHM_INFO, (void *)&usage) >= 0);
    printf("some %d\n", usage.used_ids >= 1 && usage.shm_tot >= 3);
    say("remove", shmctl(id, IPC_RMID, NULL));
    segment("removed", id);
    say("no key any more", shmget(key, 100, 0));
    q = shmat(id, NULL, 0);
    printf("attached all the same: %c\n", q[0]);
    shmdt(q);
    shmdt(p);
    segment("gone", id);
    say("remove again", shmctl(id, IPC_RMID, NULL));
}

static void set(const char *when, int id, int n) {
    unsigned short values[3];
    union semun u = {.array = values};
    struct semid_ds ds;
    if (semctl(id, 0, GETALL, u) < 0) {
        printf("%s: %s\n", when, strerror(errno));
        return;
    }
    u.buf = &ds;
    semctl(id, 0, IPC_STAT, u);
    printf("%s:", when);
    for (int i = 0; i < n; i++) printf(" %d", values[i]);
    printf(", count %lu, mode %o, operated %d, last by me %d, grow %d, zero %d\n", (unsigned long)ds.sem_nsems, ds.sem_perm.mode,
           ds.sem_otime != 0, semctl(id, 0, GETPID) == getpid(), semctl(id, 0, GETNCNT), semctl(id, 0, GETZCNT));
}

static int op(int id, int n, int by, int flags) {
    struct sembuf b = {n, by, flags};
    return semop(id, &b, 1);
}

// Waits until `n` wait for semaphore 0 to grow, or for zero.
static void until(int id, int what, int n) {
    while (semctl(id, 0, what) != n) usleep(1000);
}

static void nothing(int sig) {
    (void)sig;
}

static void semaphores(key_t key) {
    union semun u;
    struct seminfo info;
    int status;
    int id = say("semget", semget(key, 3, IPC_CREAT | 0600));
    say("more", semget(key, 4, 0));
    say("none at all", semget(IPC_PRIVATE, 0, 0600));
    say("negative", semget(IPC_PRIVATE, -1, 0600));
    say("too many", semget(IPC_PRIVATE, 1000000, 0600));
    set("new", id, 3);
    u.val = 5;
    say("set 1", semctl(id, 1, SETVAL, u));
    u.val = 40000;
    say("set too much", semctl(id, 1, SETVAL, u));
    u.val = 1;
    say("set a fourth", semctl(id, 3, SETVAL, u));
    set("five", id, 3);
    struct sembuf both[] = {{1, -2, 0}, {2, 7, 0}, {0, 1, 0}};
    say("three at once", semop(id, both, 3));
    set("three", id, 3);
    struct sembuf fails[] = {{1, -3, 0}, {2, -8, IPC_NOWAIT}};
    say("all or none", semop(id, fails, 2));
    say("not zero", op(id, 0, 0, IPC_NOWAIT));
    say("too much", op(id, 1, 32767, 0));
    say("no such", op(id, 3, 1, 0));
    say("no operation", semop(id, both, 0));
    say("too many operations", semop(id, both, 100000));
    say("bad operations", semop(id, (void *)8, 1));
    set("unchanged", id, 3);
    struct timespec soon = {0, 10000000}, bad = {0, -1};
    struct sembuf grow = {0, -2, 0};
    say("in time", semtimedop(id, &grow, 1, &soon));
    say("bad time", semtimedop(id, &grow, 1, &bad));
    if (spawn() == 0) _exit(op(id, 0, -3, 0) == 0 ? 7 : 8);
    until(id, GETNCNT, 1);
    set("one waits", id, 3);
    op(id, 0, 1, 0);
    set("still", id, 3);
    op(id, 0, 1, 0);
    wait(&status);
    printf("woken with %d\n", WEXITSTATUS(status));
    set("taken", id, 3);
    op(id, 0, 1, 0);
    if (spawn() == 0) _exit(op(id, 0, 0, 0) == 0 ? 9 : 8);
    until(id, GETZCNT, 1);
    op(id, 0, -1, 0);
    wait(&status);
    printf("woken with %d\n", WEXITSTATUS(status));
    if (spawn() == 0) {
        op(id, 1, 4, SEM_UNDO);
        op(id, 2, -6, SEM_UNDO);
        op(id, 1, -1, 0);
        set("to be undone", id, 3);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    set("undone", id, 3);
    if (spawn() == 0) {
        op(id, 1, 1, SEM_UNDO);
        u.val = 20;
        semctl(id, 1, SETVAL, u);
        _exit(0);
    }
    wait(NULL);
    set("set forgets", id, 3);
    pid_t child = spawn();
    if (child == 0) {
        signal(SIGUSR1, nothing);
        int r = op(id, 0, -1, 0);
        printf("interrupted: %d %s\n", r, strerror(errno));
        fflush(stdout);
        _exit(0);
    }
    until(id, GETNCNT, 1);
    kill(child, SIGUSR1);
    wait(NULL);
    set("nobody waits", id, 3);
    unsigned short values[] = {1, 2, 40000}, good[] = {1, 2, 3};
    u.array = values;
    say("all too much", semctl(id, 0, SETALL, u));
    u.array = good;
    say("all", semctl(id, 0, SETALL, u));
    set("all", id, 3);
    u.info = &info;
    count("info", semctl(0, 0, IPC_INFO, u) >= 0);
    printf("%d %d %d\n", info.semvmx, info.semaem, info.semusz);
    if (spawn() == 0) {
        int r = op(id, 0, -5, 0);
        printf("removed: %d %s\n", r, strerror(errno));
        fflush(stdout);
        _exit(0);
    }
    until(id, GETNCNT, 1);
    say("remove", semctl(id, 0, IPC_RMID));
    wait(NULL);
    set("gone", id, 3);
}

struct message {
    long kind;
    char text[64];
};

static void take(const char *what, int id, size_t size, long kind, int flags) {
    struct message m = {0};
    long n = msgrcv(id, &m, size, kind, flags);
    printf("%s: %ld %ld %s %s\n", what, n, m.kind, m.text, n < 0 ? strerror(errno) : "");
}

static int send(int id, long kind, const char *text, int flags) {
    struct message m = {.kind = kind};
    strcpy(m.text, text);
    return msgsnd(id, &m, strlen(text), flags);
}

static void messages(key_t key) {
    struct msqid_ds ds;
    struct msginfo info;
    int id = say("msgget", msgget(key, IPC_CREAT | 0600));
    say("exclusive", msgget(key, IPC_CREAT | IPC_EXCL | 0600));
    say("none", msgget(key + 1, 0));
    take("empty", id, 64, 0, IPC_NOWAIT);
    send(id, 3, "three", 0), send(id, 1, "one", 0), send(id, 2, "two", 0), send(id, 3, "more", 0), send(id, 1, "", 0);
    msgctl(id, IPC_STAT, &ds);
    printf("%lu messages, %lu bytes of %lu, by me %d, to nobody %d\n", (unsigned long)ds.msg_qnum, (unsigned long)ds.__msg_cbytes,
           (unsigned long)ds.msg_qbytes, ds.msg_lspid == getpid(), ds.msg_lrpid == 0);
    take("copy", id, 64, 2, MSG_COPY | IPC_NOWAIT);
    take("copy of none", id, 64, 5, MSG_COPY | IPC_NOWAIT);
    take("copy waiting", id, 64, 2, MSG_COPY);
    take("not three", id, 64, 3, MSG_EXCEPT);
    take("up to two", id, 64, -2, 0);
    take("too long", id, 2, 0, 0);
    take("cut", id, 2, 0, MSG_NOERROR);
    take("kind 3", id, 64, 3, 0);
    take("no kind 9", id, 64, 9, IPC_NOWAIT);
    take("any", id, 64, 0, 0);
    say("kind 0", send(id, 0, "x", 0));
    say("too long", msgsnd(id, &info, 100000, 0));
    say("bad", msgsnd(id, (void *)8, 1, 0));
    say("bad number", send(id + 1000000, 1, "x", 0));
    msgctl(id, IPC_STAT, &ds);
    ds.msg_qbytes = 8;
    say("small", msgctl(id, IPC_SET, &ds));
    say("fits", send(id, 1, "12345", 0));
    say("full", send(id, 1, "6789", IPC_NOWAIT));
    if (spawn() == 0) _exit(send(id, 1, "6789", 0) == 0 ? 3 : 4);
    take("make room", id, 64, 0, 0);
    int status;
    wait(&status);
    printf("sent with %d\n", WEXITSTATUS(status));
    take("it came", id, 64, 0, 0);
    if (spawn() == 0) {
        take("in the child", id, 64, 8, 0);
        fflush(stdout);
        _exit(0);
    }
    send(id, 7, "no", 0);
    send(id, 8, "yes", 0);
    wait(NULL);
    count("info", msgctl(0, IPC_INFO, (void *)&info) >= 0);
    printf("%d %d\n", info.msgmax, info.msgssz);
    say("remove", msgctl(id, IPC_RMID, NULL));
    take("gone", id, 64, 0, 0);
}

int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    key_t key = 0x51000000 | (getpid() & 0xffff) << 4;
    fflush(stdout);
    shared_memory(key);
    fflush(stdout);
    semaphores(key);
    fflush(stdout);
    messages(key);
    return 0;
}
