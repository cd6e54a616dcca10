//! The page of system calls in the documentation is the one that the table makes.

use std::process::Command;

#[test]
fn the_page_is_up_to_date() {
    let made =
        Command::new(env!("CARGO_BIN_EXE_sentry-bin")).args(["compat", "--markdown"]).output().unwrap();
    let kept = include_str!("../../docs/compat.md");
    assert!(
        String::from_utf8_lossy(&made.stdout) == kept,
        "docs/compat.md is not what the table makes: sentry-bin compat --markdown > docs/compat.md"
    );
}
