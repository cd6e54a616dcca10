//! Programs about processes, run natively and in a kernel on ptrace: both print the same.

mod common;

use common::{compile, same_as_here};

#[test]
fn credentials_limits_and_priorities() {
    same_as_here(&compile("credentials", &["-static"]), &[]);
}

#[test]
fn children_pidfds_and_clone3() {
    same_as_here(&compile("children", &["-static", "-pthread"]), &[]);
}

#[test]
fn programs_and_their_privileges() {
    same_as_here(&compile("execs", &["-static", "-pthread"]), &[]);
}
