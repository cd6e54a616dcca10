/* Processes that stand still, and signals to groups whose members fork. Prints what it finds; the host prints the same. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOPPED = 6, ROUNDS = 4, MEMBERS = 5 };

/* More stopped processes than the kernel has workers leave the others all the time in the world. */
static void stopped_processes_use_no_time(void) {
    pid_t pids[STOPPED];
    for (int i = 0; i < STOPPED; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            setpgid(0, 0);
            raise(SIGTSTP);
            _exit(10 + i);
        }
        int status = 0;
        pid_t got = waitpid(pids[i], &status, WUNTRACED);
        printf("stopped %d: %d %d\n", i, got == pids[i], WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    }
    /* A signal that is blocked, ignored or only pending does not end a stop. */
    kill(pids[0], SIGCHLD);
    kill(pids[1], SIGSTOP);
    for (int i = 0; i < STOPPED; i++) {
        int status = 0;
        printf("still stopped %d: %d\n", i, waitpid(pids[i], &status, WNOHANG));
        kill(pids[i], SIGCONT);
        pid_t got = waitpid(pids[i], &status, 0);
        printf("ended %d: %d %d\n", i, got == pids[i], WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    fflush(stdout);
}

/* SIGKILL ends a stop. */
static void a_stopped_process_is_killed(void) {
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(1);
    }
    int status = 0;
    waitpid(pid, &status, WUNTRACED);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    printf("killed while stopped: %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
    fflush(stdout);
}

/* A signal to a group reaches a child that is being made: none outlives it. */
static void no_child_escapes_a_signal_to_its_group(int how) {
    int left = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int ready[2];
        if (pipe(ready) != 0) exit(1);
        pid_t leader = fork();
        if (leader == 0) {
            setpgid(0, 0);
            if (write(ready[1], "x", 1) != 1) _exit(2);
            for (int i = 0; i < MEMBERS; i++) {
                if (fork() == 0) {
                    close(ready[0]);
                    for (;;) pause();
                }
            }
            for (;;) pause();
        }
        close(ready[1]);
        char c;
        if (read(ready[0], &c, 1) != 1) exit(3);
        for (volatile int spin = 0; spin < round * 20000; spin++);
        kill(-leader, how);
        /* One that was spared never ends by itself. */
        alarm(3);
        while (waitpid(-1, NULL, 0) > 0);
        alarm(0);
        left += kill(-leader, SIGKILL) == 0;
        while (waitpid(-1, NULL, 0) > 0);
        close(ready[0]);
    }
    printf("groups with survivors of signal %d: %d\n", how, left);
    fflush(stdout);
}

static volatile sig_atomic_t handled;
static void handler(int sig) { handled += sig == SIGUSR1; }

/* A signal that comes while a process forks is taken before; the fork happens nevertheless, and once. */
static void fork_goes_on_after_a_signal(void) {
    struct sigaction act = {.sa_handler = handler};
    sigaction(SIGUSR1, &act, NULL);
    pid_t self = getpid(), pest = fork();
    if (pest == 0) {
        while (getppid() == self && kill(self, SIGUSR1) == 0) usleep(200);
        _exit(0);
    }
    while (!handled) usleep(100);
    int failed = 0, ended = 0;
    for (int i = 0; i < 4; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(i);
        if (pid < 0) failed++;
        int status;
        while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR);
        ended += pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == i;
    }
    kill(pest, SIGKILL);
    while (waitpid(pest, NULL, 0) < 0 && errno == EINTR);
    printf("forks under fire: %d failed, %d ended as they should, handled: %d\n", failed, ended, handled > 0);
}

int main(void) {
    struct sigaction act = {.sa_handler = handler};
    sigaction(SIGALRM, &act, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    stopped_processes_use_no_time();
    a_stopped_process_is_killed();
    no_child_escapes_a_signal_to_its_group(SIGTERM);
    no_child_escapes_a_signal_to_its_group(SIGKILL);
    fork_goes_on_after_a_signal();
    return 0;
}
