//! Programs that watch others.

use crate::harness::{both, same};

/// A program with a function to stop in, a thread, and an endless mode.
const PROGRAM: &str = r#"cat > p.c <<'E'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static volatile int counter;
int twice(int x) { return 2 * x; }
static void *worker(void *arg) { for (int i = 0; i < 3; i++) counter += twice(i); return arg; }
int main(int argc, char **argv) {
    pthread_t t;
    if (argc > 1) { printf("ready\n"); fflush(stdout); for (;;) { counter++; pause(); } }
    int r = twice(21);
    pthread_create(&t, 0, worker, 0);
    pthread_join(t, 0);
    printf("%d %d\n", r, counter);
    return 0;
}
E
gcc -g -O0 -pthread -o p p.c || exit 1
gdb() { command gdb --batch -nx -ex 'set debuginfod enabled off' -ex 'set print thread-events off' "$@" 2>&1 |
    grep -v -e 'Using host' -e libthread -e '^$' -e warning: | sed -e 's/0x[0-9a-f][0-9a-f]*/ADDR/g' -e 's/process [0-9]*/process N/g' -e 's/LWP [0-9]*/LWP N/g'; }
"#;

fn debugged(script: &str) {
    same(&format!("{PROGRAM}{script}"));
}

#[test]
fn strace_of_another_program() {
    both(
        "strace -f -o log sh -c '/bin/echo traced; exit 4'; echo $?; grep -c 'execve(\"' log; grep -q 'write(1, \"traced' log && echo wrote; grep -q 'exited with 4' log && echo end",
        |out| {
            let want = ["traced", "4", "2", "wrote", "end"];
            if out.lines().eq(want) { Ok(()) } else { Err(format!("wanted {want:?}")) }
        },
    );
}

#[test]
fn strace_of_a_pipeline() {
    same(
        r#"strace -ff -o log -e trace=execve,read,write -e signal=none sh -c '/bin/echo one two | tr a-z A-Z | cat > out'
cat out; ls log.* | wc -l; cat log.* | grep -o -e 'execve("[^"]*"' -e 'write(1, "[^"]*", [0-9]*) *= [0-9]*' -e 'exited with .' | sort"#,
    );
}

#[test]
fn strace_sees_signals_and_errors() {
    same(
        r#"strace -o log -e trace=kill,openat,rt_sigreturn,exit_group sh -c 'trap "echo caught" USR1; kill -USR1 $$; cat /nowhere 2>/dev/null; exit 3'; echo $?
grep -v -e '/lib' -e locale -e 'SIGCHLD' log | sed -e 's/kill([0-9]*/kill(N/' -e 's/si_pid=[0-9]*/si_pid=N/' -e 's/  */ /g' -e 's/rt_sigreturn.*/rt_sigreturn/'"#,
    );
}

#[test]
fn strace_attaches_and_counts() {
    same(
        r#"mkfifo ready done
sh -c 'echo > ready; read line < done; exec /bin/true' & pid=$!
read line < ready
strace -c -o counts -f -p $pid 2>messages & tracer=$!
until grep -q attached messages 2>/dev/null; do sleep 0.05; done
echo go > done
wait $pid; echo $?
wait $tracer; echo $?
grep -c attached messages; awk '$NF == "execve" { print $4, $NF }' counts; grep -c total counts"#,
    );
}

#[test]
fn strace_injects() {
    same(
        r#"touch file; strace -o /dev/null -e inject=unlink,unlinkat:error=EROFS rm -f file; echo $?; ls
strace -o /dev/null -e inject=unlink,unlinkat:retval=0 rm file; echo $?; ls"#,
    );
}

#[test]
fn gdb_sets_a_breakpoint() {
    debugged(
        "gdb -ex 'break twice' -ex run -ex 'print x' -ex bt -ex finish -ex 'info registers rax' -ex continue -ex 'print $_inferior_thread_count' -ex 'delete' -ex continue ./p | grep -v clone3",
    );
}

#[test]
fn gdb_steps() {
    debugged(
        "gdb -ex 'break main' -ex run -ex next -ex next -ex step -ex 'print x' -ex stepi -ex stepi -ex 'set var x = 50' -ex finish -ex next -ex 'print r' -ex kill ./p",
    );
}

#[test]
fn gdb_attaches_and_detaches() {
    debugged(
        "./p loop > out & pid=$!; until grep -q ready out; do sleep 0.05; done
gdb -p $pid -ex 'print counter' -ex 'print twice(4)' -ex 'set var counter = 40' -ex \"shell grep -c -e 'State:.t' -e 'TracerPid:.0$' /proc/$pid/status\" -ex detach | grep -v -e ' in ' -e pause
grep -e TracerPid /proc/$pid/status
gdb -p $pid -ex 'print counter' -ex 'handle SIGUSR1 stop print pass' -ex \"shell kill -USR1 $pid\" -ex continue -ex kill | grep -v -e ' in ' -e pause
wait $pid; echo $?",
    );
}

#[test]
fn gdb_follows_forks_and_execs() {
    debugged(
        r#"gdb -ex 'set follow-fork-mode child' -ex 'catch exec' -ex run -ex 'delete' -ex 'break twice' -ex continue -ex bt -ex 'delete' -ex continue --args sh -c './p; exit 6' | grep -e Breakpoint -e twice -e main -e exited"#,
    );
}

#[test]
fn gdb_sees_a_crash() {
    debugged(
        r#"echo 'int main(void) { volatile int *p = (int *)16; return *p; }' > c.c; gcc -g -O0 -o c c.c
gdb -ex run -ex 'print p' -ex 'print $_siginfo.si_signo' -ex 'print $_siginfo._sifields._sigfault.si_addr' -ex bt -ex continue ./c"#,
    );
}

#[test]
fn strace_stops_by_filter() {
    same(
        r#"strace --seccomp-bpf -f -o log -e trace=execve,exit_group sh -c '/bin/echo filtered | cat; exit 4'; echo $?
grep -o -e 'execve("[^"]*"' -e 'exit_group([0-9]*' log | sort"#,
    );
}

#[test]
fn gdb_watches_a_variable() {
    debugged(
        "gdb -ex 'break worker' -ex run -ex 'watch counter' -ex continue -ex continue -ex 'info watchpoints' -ex 'delete' -ex continue ./p | grep -e Old -e New -e watchpoint -e exited -e '^42'",
    );
}
