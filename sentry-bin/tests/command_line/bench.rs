//! `sentry-bin bench` measures both sides.

use crate::sandbox::{PLATFORMS, run};

#[test]
fn both_sides_are_measured() {
    for platform in PLATFORMS {
        let outcome =
            run(&["bench", "--quick", "--json", "--platform", platform, "--filter", "getppid inline"]);
        assert_eq!(outcome.code(), 0, "{outcome:?}");
        let row = outcome.stdout.lines().find(|l| l.contains("\"getppid inline\"")).expect("a row");
        assert!(
            row.contains("\"native\": {\"best\"") && row.contains(&format!("\"{platform}\": {{\"best\"")),
            "{row}"
        );
        assert!(row.contains("\"ratio\""), "{row}");
    }
}

#[test]
fn names_are_listed() {
    let outcome = run(&["bench", "--list", "--filter", "start"]);
    assert_eq!(outcome.stdout, "python3 start\nsh start\nstart and exit\n", "{outcome:?}");
}
