//! Where unsafe code may be: `platform`, `kcore`, one file of `mm` that copies to and from guest memory, and one of `sentry-bin` that makes
//! the system calls that benchmarks measure.

use std::path::Path;

use crate::report::Report;
use crate::source::{self, Source};

/// Crates that may contain unsafe code anywhere.
const FREE: &[&str] = &["platform", "kcore"];
/// Files of other crates that may. Their crate denies it everywhere else.
const FILES: &[&str] = &["mm/src/raw.rs", "sentry-bin/src/bench/guest/sys.rs"];

pub(crate) fn check(root: &Path) -> Result<Report, String> {
    let mut report = Report::new("unsafe");
    let mut crates = 0;
    for folder in source::CRATES.iter().filter(|c| !FREE.contains(c)) {
        check_crate(folder, &source::files(root, folder)?, &mut report);
        crates += 1;
    }
    report.summary(format!("{crates} crates without unsafe code besides {}", FILES.join(", ")));
    Ok(report)
}

fn check_crate(folder: &str, files: &[Source], report: &mut Report) {
    let excepted = FILES.iter().any(|f| f.starts_with(&format!("{folder}/")));
    let mut roots = 0;
    for file in files {
        if is_root(folder, &file.path) {
            roots += 1;
            check_root(file, excepted, report);
        }
        if FILES.contains(&file.path.as_str()) || source::is_test(&file.path) {
            continue;
        }
        for line in source::lines_with_word(&source::code_only(&file.text), "unsafe") {
            report.problem(format!("{}:{line}: unsafe code belongs into platform or kcore", file.path));
        }
    }
    if roots == 0 {
        report.problem(format!("{folder}: neither src/lib.rs nor src/main.rs"));
    }
}

fn is_root(folder: &str, path: &str) -> bool {
    ["lib.rs", "main.rs"].iter().any(|name| path == format!("{folder}/src/{name}"))
        || path.starts_with(&format!("{folder}/src/bin/"))
}

/// A root must forbid unsafe code; it may merely deny it if a file of the crate is excepted.
fn check_root(file: &Source, excepted: bool, report: &mut Report) {
    let code: String = source::code_only(&file.text).split_whitespace().collect();
    let forbids = code.contains("#![forbid(unsafe_code)]");
    let denies = code.contains("#![deny(unsafe_code)]");
    if !forbids && !denies {
        let level = if excepted { "deny" } else { "forbid" };
        report.problem(format!("{}: needs #![{level}(unsafe_code)]", file.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(folder: &str, files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> =
            files.iter().map(|(p, t)| Source { path: (*p).into(), text: (*t).into() }).collect();
        let mut report = Report::new("unsafe");
        check_crate(folder, &files, &mut report);
        report.problems
    }

    #[test]
    fn the_root_must_say_so() {
        assert_eq!(problems("vfs", &[("vfs/src/lib.rs", "#![forbid( unsafe_code )]")]), [""; 0]);
        assert_eq!(problems("vfs", &[("vfs/src/lib.rs", "//! docs\n")]).len(), 1);
        assert_eq!(problems("vfs", &[("vfs/src/lib.rs", "// #![forbid(unsafe_code)]\n")]).len(), 1);
        assert_eq!(problems("vfs", &[("vfs/src/walk.rs", "#![forbid(unsafe_code)]")]).len(), 1);
    }

    #[test]
    fn only_the_excepted_file_and_tests_may_use_it() {
        let root = ("mm/src/lib.rs", "#![deny(unsafe_code)]");
        let bad = "fn f() { unsafe {} }";
        assert_eq!(problems("mm", &[root, ("mm/src/raw.rs", bad), ("mm/tests/a.rs", bad)]), [""; 0]);
        let found = problems("mm", &[root, ("mm/src/space.rs", bad)]);
        assert_eq!(found, ["mm/src/space.rs:1: unsafe code belongs into platform or kcore"]);
    }
}
