// What handlers find, and what becomes of processes. Prints it, so that the host and the sandbox can be compared.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static void show(const char *what, long r) {
    if (r == -1)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %ld\n", what, r);
}
#define SHOW(x) show(#x, (long)(x))

static sigjmp_buf back;
static volatile int seen, code, from, value, order[8], depth;
static volatile long trapno, err, cr2, addr;
static void *stack_at;
static void on_fault(int s, siginfo_t *i, void *c) {
    ucontext_t *u = c;
    seen = s, code = i->si_code, addr = (long)i->si_addr;
    trapno = u->uc_mcontext.gregs[REG_TRAPNO], err = u->uc_mcontext.gregs[REG_ERR], cr2 = u->uc_mcontext.gregs[REG_CR2];
    siglongjmp(back, 1);
}
static void on_signal(int s, siginfo_t *i, void *c) {
    (void)c;
    if (seen < 8)
        order[seen] = s;
    seen++, code = i->si_code, from = i->si_pid, value = i->si_value.sival_int;
    stack_at = __builtin_frame_address(0);
}
static void install(int s, void (*f)(int, siginfo_t *, void *), int flags) {
    struct sigaction sa = {.sa_sigaction = f, .sa_flags = flags | SA_SIGINFO};
    sigaction(s, &sa, NULL);
}

static void faults(void) {
    int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (int i = 0; i < 5; i++)
        install(all[i], on_fault, 0);
    char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#define TRY(name, x) seen = code = 0; if (sigsetjmp(back, 1) == 0) { x; } \
    printf("%s: %d %d trap %ld\n", name, seen, code, trapno)
    TRY("load from nowhere", *(volatile char *)16);
    SHOW(addr), SHOW(cr2);
    TRY("store to nowhere", *(volatile char *)24 = 1);
    SHOW(addr);
    TRY("store to read-only", *(volatile char *)ro = 1);
    SHOW(addr == (long)ro), SHOW(cr2 == (long)ro);
    TRY("jump to data", ((void (*)(void))ro)());
    TRY("not canonical", *(volatile char *)0x800000000000ul);
    SHOW(addr);
    TRY("division", __asm__ volatile("xor %%ecx, %%ecx\n mov $1, %%eax\n cdq\n idiv %%ecx" ::: "eax", "ecx", "edx"));
    TRY("ud2", __asm__ volatile("ud2"));
    TRY("int3", __asm__ volatile("int3"));
    TRY("hlt", __asm__ volatile("hlt"));
    SHOW(addr);
    for (int i = 0; i < 5; i++)
        signal(all[i], SIG_DFL);
}

static void queueing(void) {
    sigset_t all, old, pending;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    int list[] = {SIGUSR1, SIGRTMIN + 2, SIGRTMIN + 1};
    for (int i = 0; i < 3; i++)
        install(list[i], on_signal, 0);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            sigqueue(getpid(), list[j], (union sigval){.sival_int = i});
    sigpending(&pending);
    SHOW(sigismember(&pending, SIGUSR1) + 2 * sigismember(&pending, SIGRTMIN + 1) + 4 * sigismember(&pending, SIGUSR2));
    siginfo_t info;
    struct timespec none = {0, 0}, some = {0, 5000000}, bad = {0, -1};
    sigset_t one;
    sigemptyset(&one), sigaddset(&one, SIGRTMIN + 2);
    SHOW(sigtimedwait(&one, &info, &none) - SIGRTMIN);
    SHOW(info.si_value.sival_int), SHOW(info.si_code), SHOW(info.si_pid == getpid());
    sigemptyset(&one), sigaddset(&one, SIGUSR2);
    SHOW(sigtimedwait(&one, &info, &none));
    SHOW(sigtimedwait(&one, &info, &some));
    SHOW(sigtimedwait(&one, &info, &bad));
    seen = 0;
    sigprocmask(SIG_SETMASK, &old, NULL);
    SHOW(seen);
    for (int i = 0; i < 6; i++)
        show("order", order[i] == SIGUSR1 ? 1 : order[i] - SIGRTMIN + 10);
    SHOW(value);
    info.si_code = SI_USER;
    SHOW(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
    info.si_code = SI_QUEUE;
    SHOW(syscall(SYS_rt_sigqueueinfo, 1 << 22, SIGUSR1, &info));
    SHOW(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &info));
    SHOW(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info));
    SHOW(syscall(SYS_rt_tgsigqueueinfo, 0, gettid(), SIGUSR1, &info));
    struct rlimit limit = {2, 2}, was;
    getrlimit(RLIMIT_SIGPENDING, &was);
    limit.rlim_max = was.rlim_max;
    setrlimit(RLIMIT_SIGPENDING, &limit);
    sigprocmask(SIG_BLOCK, &all, &old);
    SHOW(kill(getpid(), SIGUSR1));
    int queued = 0;
    while (queued < 10 && sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 1}) == 0)
        queued++;
    SHOW(queued <= 2);
    setrlimit(RLIMIT_SIGPENDING, &was);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void nest(int s, siginfo_t *i, void *c) {
    (void)i, (void)c;
    if (++depth < 3)
        raise(s);
    seen++;
}
static void flags(void) {
    depth = seen = 0;
    install(SIGUSR1, nest, SA_NODEFER);
    raise(SIGUSR1);
    SHOW(depth);
    install(SIGUSR1, on_signal, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction now;
    sigaction(SIGUSR1, NULL, &now);
    SHOW(now.sa_handler == SIG_DFL);
    static char alt[1 << 16];
    stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt}, old;
    SHOW(sigaltstack(&ss, NULL));
    install(SIGUSR1, on_signal, SA_ONSTACK);
    raise(SIGUSR1);
    SHOW((char *)stack_at > alt && (char *)stack_at < alt + sizeof alt);
    ss.ss_flags = 1 << 31;
    SHOW(sigaltstack(&ss, NULL));
    raise(SIGUSR1);
    SHOW((char *)stack_at > alt && (char *)stack_at < alt + sizeof alt);
    SHOW(sigaltstack(NULL, &old));
    SHOW(old.ss_flags == 1 << 31 && old.ss_sp == alt);
    // As large as programs made before AMX have them.
    ss.ss_flags = 0, ss.ss_size = 8192;
    SHOW(sigaltstack(&ss, NULL));
    raise(SIGUSR1);
    SHOW((char *)stack_at > alt && (char *)stack_at < alt + 8192);
    ss.ss_flags = 8;
    SHOW(sigaltstack(&ss, NULL));
    ss.ss_flags = 0, ss.ss_size = 100;
    SHOW(sigaltstack(&ss, NULL));
    ss.ss_flags = SS_DISABLE;
    SHOW(sigaltstack(&ss, NULL));
    SHOW(sigaction(SIGKILL, &now, NULL));
    SHOW(sigaction(65, &now, NULL));
    SHOW(kill(getpid(), 65));
    SHOW(kill(1 << 22, 0));
    SHOW(kill(-(1 << 22), SIGTERM));
    SHOW(syscall(SYS_tgkill, getpid(), 1 << 22, 0));
    SHOW(syscall(SYS_tkill, 0, 0));
}

__attribute__((target("avx"))) static void vectors(void) {
    install(SIGUSR1, on_signal, 0);
    __m256i v = _mm256_set1_epi32(0x12345678);
    pid_t pid = getpid();
    register long a __asm__("rax") = SYS_kill;
    __asm__ volatile("vmovdqu %1, %%ymm7\n syscall\n vmovdqu %%ymm7, %1"
                     : "+r"(a), "+m"(v) : "D"((long)pid), "S"((long)SIGUSR1) : "rcx", "r11", "memory", "xmm7");
    int out[8];
    memcpy(out, &v, sizeof out);
    SHOW(out[0] == 0x12345678 && out[7] == 0x12345678);
}

static int run(void (*f)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        f();
        _exit(9);
    }
    int status = -2;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}
static void do_abort(void) { abort(); }
static void do_segv(void) { *(volatile char *)16 = 1; }
static void do_blocked(void) {
    sigset_t s;
    sigfillset(&s);
    sigprocmask(SIG_BLOCK, &s, NULL);
    *(volatile char *)16 = 1;
}
static void do_term(void) { raise(SIGTERM); }
static void do_rt(void) { raise(SIGRTMAX); }
static void smash(int s, siginfo_t *i, void *c) {
    (void)s, (void)i;
    ((ucontext_t *)c)->uc_mcontext.gregs[REG_RIP] = 0x8000000000000000ul;
}
static void do_rip(void) { install(SIGUSR1, smash, 0), raise(SIGUSR1); }
static void do_frame(void) { __asm__ volatile("mov $16, %%rsp\n mov $15, %%eax\n syscall" ::: "memory"); }
// No handler can be entered without a stack, not even that of the signal that says so.
static void do_no_stack(void) { install(SIGSEGV, on_signal, SA_NODEFER); __asm__ volatile("mov $16, %%rsp\n movb $0, 16" ::: "memory"); }
static void ends(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    SHOW(run(do_abort)), SHOW(run(do_segv)), SHOW(run(do_blocked)), SHOW(run(do_term)), SHOW(run(do_rt));
    SHOW(run(do_rip)), SHOW(run(do_frame)), SHOW(run(do_no_stack));
}

static void children(void) {
    install(SIGCHLD, on_signal, SA_NOCLDSTOP);
    seen = 0;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    kill(pid, SIGSTOP);
    SHOW(waitpid(pid, &status, WUNTRACED) == pid), SHOW(status), SHOW(seen);
    kill(pid, SIGCONT);
    SHOW(waitpid(pid, &status, WCONTINUED) == pid), SHOW(status), SHOW(seen);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        ;
    SHOW(status), SHOW(seen), SHOW(code), SHOW(from == pid);
    install(SIGCHLD, on_signal, SA_NOCLDWAIT);
    SHOW(run(do_term) == -2);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 1 << 12);
    faults();
    queueing();
    flags();
    vectors();
    ends();
    children();
    return 0;
}
