//! Programs that watch others.

use crate::harness::{both, same};

#[test]
#[ignore = "ptrace(2) is not served to guests yet"]
fn strace_of_another_program() {
    both(
        "strace -f -o log sh -c '/bin/echo traced; exit 4'; echo $?; grep -c execve log; grep -q 'write(1, \"traced' log && echo wrote; grep -q 'exited with 4' log && echo end",
        |out| {
            let want = ["traced", "4", "2", "wrote", "end"];
            if out.lines().eq(want) { Ok(()) } else { Err(format!("wanted {want:?}")) }
        },
    );
}

#[test]
#[ignore = "ptrace(2) is not served to guests yet"]
fn gdb_sets_a_breakpoint() {
    same(
        r#"cat > p.c <<'E'
#include <stdio.h>
int twice(int x) { return 2 * x; }
int main(void) { int r = twice(21); printf("%d\n", r); return 0; }
E
gcc -g -O0 -o p p.c; gdb --batch -nx -ex 'set debuginfod enabled off' -ex 'break twice' -ex run -ex 'print x' -ex bt -ex finish -ex 'info registers rax' -ex continue ./p 2>/dev/null | grep -v -e 'Using host' -e libthread -e process -e '^$' | sed 's/0x[0-9a-f]*/ADDR/g'"#,
    );
}
