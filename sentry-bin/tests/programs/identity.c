#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* often enough for its code to be quick by then */
static long often(long nr) { long r = -1; for (int i = 0; i < 20; i++) { long now = syscall(nr); if (i && now != r) printf("call %ld changes\n", nr); r = now; } return r; }
static volatile int stage;
static void *thread(void *p) {
  if (often(SYS_gettid) == often(SYS_getpid)) printf("a thread with the number of its process\n");
  stage = 1;
  while (stage < 2) ;
  printf("filtered: %ld\n", syscall(SYS_getppid) == -1 ? (long)errno : 0);
  return p;
}
int main(void) {
  setvbuf(stdout, 0, _IONBF, 0);
  long me = often(SYS_getpid);
  /* children, and their children, know who they are */
  for (int i = 0; i < 3; i++) {
    pid_t c = fork();
    if (!c) _exit(often(SYS_getppid) == me && often(SYS_getpid) != me && often(SYS_gettid) == getpid() ? 0 : 1);
    int s; waitpid(c, &s, 0); printf("child %d\n", WEXITSTATUS(s));
  }
  /* a parent that has gone is none any more */
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int i = 0; i < 20; i++) {
    int gone[2]; pipe(gone);
    pid_t c = fork();
    if (!c) {
      int ready[2]; pipe(ready);
      if (!fork()) {
        long first = often(SYS_getppid);
        close(gone[1]); write(ready[1], "x", 1);
        while (syscall(SYS_getppid) == first) ;
        _exit(often(SYS_getppid) == me ? 0 : 1);
      }
      char b; read(ready[0], &b, 1);
      _exit(0);
    }
    close(gone[1]); close(gone[0]);
    int s, bad = 0, n = 0; while (wait(&s) > 0) { n++; bad |= s; }
    if (bad || n != 2) printf("orphans: %d %x\n", n, bad);
  }
  /* a debugger sees the calls from its first stop on */
  pid_t c = fork();
  if (!c) { often(SYS_getppid); stage = 0; for (;;) syscall(SYS_getppid); }
  usleep(20000);
  int s, seen = 0;
  ptrace(PTRACE_SEIZE, c, 0, PTRACE_O_TRACESYSGOOD); ptrace(PTRACE_INTERRUPT, c, 0, 0); waitpid(c, &s, 0);
  for (int i = 0; i < 6; i++) { ptrace(PTRACE_SYSCALL, c, 0, 0); waitpid(c, &s, 0); seen += WIFSTOPPED(s) && WSTOPSIG(s) == (SIGTRAP | 0x80); }
  printf("seen %d\n", seen);
  kill(c, SIGKILL); waitpid(c, &s, 0);
  /* a filter that another thread sets for all */
  pthread_t t; pthread_create(&t, 0, thread, 0);
  while (stage < 1) ;
  struct sock_filter f[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
  struct sock_fprog prog = { 4, f };
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  printf("filter %ld\n", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog));
  stage = 2; pthread_join(t, 0);
  /* who changes, says so at once */
  if (fork() == 0) {
    printf("%ld", often(SYS_getuid) | often(SYS_geteuid) | often(SYS_getgid) | often(SYS_getegid));
    if (getuid() == 0) { setegid(5); printf(" %ld", often(SYS_getegid)); setegid(0); setgid(7); setuid(9); }
    printf(" %d\n", often(SYS_getuid) == getuid() && often(SYS_getegid) == getegid());
    _exit(0);
  }
  wait(&s);
  return 0;
}
