//! The lists of host calls in the documentation are the ones that filters are made of.

use std::process::Command;

const MARK: &str = "<!-- What follows is made by `sentry-bin host-calls --markdown`. -->\n\n";

#[test]
fn the_page_is_up_to_date() {
    let made =
        Command::new(env!("CARGO_BIN_EXE_sentry-bin")).args(["host-calls", "--markdown"]).output().unwrap();
    let (_, kept) = include_str!("../../docs/security.md").split_once(MARK).expect("the mark");
    assert!(
        String::from_utf8_lossy(&made.stdout) == kept,
        "the end of docs/security.md is not what this makes: sentry-bin host-calls --markdown"
    );
}

/// Each call that is added has to be worth it.
#[test]
fn the_sentry_makes_few() {
    let (_, kept) = include_str!("../../docs/security.md").split_once(MARK).expect("the mark");
    let count = |title: &str| -> usize {
        let line = kept.lines().find_map(|l| l.strip_prefix(title)).expect("a title");
        line.trim().parse().expect("a number")
    };
    assert!(count("### The sentry:") <= 45);
    assert_eq!(count("### A stub's task that runs guest code, from the stub's own code only:"), 3);
}
