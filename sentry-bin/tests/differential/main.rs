//! The host's kernel as oracle: generated sequences of system calls run here and in the sandbox, and are compared in results, errors,
//! contents of structures, and the tree that they leave.
//!
//! A program that asks every kind of descriptor the same is compared likewise.
//!
//! A case is a short program of operations, which the C program in `guest/` executes. All cases of a batch are run by one process here
//! and one sandbox; each in its own child and directory. A difference is shrunk and printed with its seed.
//!
//! `PICKET_DIFF_CASES` says how many cases (2000, and fewer on `ptrace`), `PICKET_DIFF_SEED` from which seed on (1), `PICKET_DIFF_SHOW`
//! how many differences are shrunk (3), `PICKET_DIFF_PLATFORM` on which platform only. `regressions.txt` and `stores.txt` hold the shrunk
//! cases that found bugs.

mod case;
mod ops;
mod run;

use case::{Case, Generated};
use run::{Runner, difference};

/// Cases of one process: a difference is found before all are run.
const BATCH: usize = 250;

fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
        Err(_) => default,
    }
}

const PLATFORMS: [&str; 2] = ["systrap", "ptrace"];

/// Calls `test` for each platform that is wanted, where the comparison is fair.
fn on_each_platform(test: impl Fn(&Runner, &str)) {
    let wanted = std::env::var("PICKET_DIFF_PLATFORM").ok();
    for platform in PLATFORMS {
        if wanted.as_deref().is_none_or(|w| w == platform) {
            let Some(runner) = Runner::new(platform) else { return };
            println!("on {platform}");
            test(&runner, platform);
        }
    }
}

fn check(runner: &Runner, text: &str) {
    let cases = Case::parse_all(text);
    assert!(!cases.is_empty());
    let differences = runner.differences(&cases);
    assert!(
        differences.is_empty(),
        "{}",
        differences.iter().map(|d| format!("{}\n{d}", cases[d.case])).collect::<String>()
    );
}

#[test]
fn cases_that_found_bugs_behave_as_on_the_host() {
    on_each_platform(|runner, platform| {
        check(runner, include_str!("regressions.txt"));
        if platform != "ptrace" {
            check(runner, include_str!("stores.txt"));
        }
    });
}

#[test]
fn each_kind_of_descriptor_answers_as_on_the_host() {
    on_each_platform(|runner, _| {
        let (here, there) = runner.outputs("kinds");
        assert!(here.lines().count() > 1000, "{here}");
        if let Some((_, lines)) = difference(&here, &there) {
            panic!("{lines}");
        }
    });
}

/// Fewer on the slower platform, which has the same kernel.
#[test]
fn generated_cases_behave_as_on_the_host() {
    on_each_platform(|runner, platform| {
        generate(runner, number("PICKET_DIFF_CASES", if platform == "ptrace" { 250 } else { 2000 }));
    });
}

fn generate(runner: &Runner, count: u64) {
    let (first, show) = (number("PICKET_DIFF_SEED", 1), number("PICKET_DIFF_SHOW", 3));
    let mut found = 0;
    let seeds: Vec<u64> = (first..first + count).collect();
    for batch in seeds.chunks(BATCH) {
        let mut generated: Vec<Generated> = batch.iter().map(|&seed| Generated::new(seed)).collect();
        let cases: Vec<Case> = generated.iter().map(Generated::case).collect();
        for difference in runner.differences(&cases) {
            found += 1;
            let seed = batch[difference.case];
            if found <= show {
                let (case, difference) = generated[difference.case].shrink(runner, difference);
                println!("\n# seed {seed}\n{case}\n{difference}");
            } else {
                println!("\n# seed {seed}\n{}{}", cases[difference.case], difference.lines());
            }
        }
    }
    assert!(found == 0, "{found} cases differ");
}
