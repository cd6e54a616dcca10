// Children, signals, pipes, programs and threads.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(x) do { if (!(x)) { printf("line %d: %s: %s\n", __LINE__, #x, strerror(errno)); exit(1); } } while (0)

static volatile sig_atomic_t caught;
static volatile double held;
static void on_signal(int s) { caught = s; held = held * 1.5 + s; }

static long counter;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *add(void *arg) {
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&lock);
        counter += (long)arg;
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "child") == 0) {
        printf("executed with %s\n", argv[2]);
        return 9;
    }
    int status, fds[2];
    static int value = 1;
    static char block[4096];
    CHECK(pipe(fds) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        value = 2;
        close(fds[0]);
        for (int i = 0; i < 100; i++)
            CHECK(write(fds[1], block, sizeof block) == 4096);
        _exit(7);
    }
    close(fds[1]);
    char buf[5000];
    long total = 0, n;
    while ((n = read(fds[0], buf, sizeof buf)) > 0)
        total += n;
    CHECK(n == 0 && total == 409600);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7 && value == 1);
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);

    struct sigaction sa = { .sa_handler = on_signal };
    CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
    held = 2.0;
    CHECK(kill(getpid(), SIGUSR1) == 0 && caught == SIGUSR1 && held == 13.0);
    CHECK(raise(SIGUSR1) == 0);

    pid = fork();
    if (pid == 0) {
        kill(getppid(), SIGUSR1);
        raise(SIGKILL);
    }
    while (waitpid(pid, &status, 0) == -1)
        CHECK(errno == EINTR);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    CHECK(kill(pid, SIGSTOP) == 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    CHECK(kill(pid, SIGCONT) == 0 && waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
    CHECK(kill(pid, SIGTERM) == 0 && waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM);

    fflush(stdout);
    pid = vfork();
    if (pid == 0) {
        execl("/program", "program", "child", "an argument", NULL);
        _exit(99);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9);
    CHECK(execl("/missing", "missing", NULL) == -1 && errno == ENOENT);

    pthread_t t[4];
    for (long i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, add, (void *)(i + 1)) == 0);
    for (long i = 0; i < 4; i++) {
        void *r;
        CHECK(pthread_join(t[i], &r) == 0 && r == (void *)(i + 1));
    }
    CHECK(counter == 10000);
    puts("all is well");
    return 0;
}
