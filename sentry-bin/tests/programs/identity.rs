//! Who a process is, which it may be told without the kernel: it must be as true as if the kernel had been asked.

use crate::harness::same;

#[test]
fn processes_know_who_they_are() {
    let source = include_str!("identity.c");
    same(&format!("cat > id.c <<'E'\n{source}E\ngcc -O1 -pthread -w -o id id.c && ./id"));
}
