//! The host's kernel as oracle: generated sequences of system calls run here and in the sandbox, and are compared in results, errors,
//! contents of structures, and the tree that they leave.
//!
//! A program that asks every kind of descriptor the same is compared likewise.
//!
//! A case is a short program of operations, which the C program in `guest/` executes. All cases of a batch are run by one process here
//! and one sandbox; each in its own child and directory. A difference is shrunk and printed with its seed.
//!
//! `PICKET_DIFF_CASES` says how many cases (2000), `PICKET_DIFF_SEED` from which seed on (1), `PICKET_DIFF_SHOW` how many differences
//! are shrunk (3), `PICKET_DIFF_PLATFORM` what runs the guest (systrap). `regressions.txt` holds the shrunk cases that found bugs.

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

#[test]
fn cases_that_found_bugs_behave_as_on_the_host() {
    let Some(runner) = Runner::new() else { return };
    let cases = Case::parse_all(include_str!("regressions.txt"));
    assert!(!cases.is_empty());
    let differences = runner.differences(&cases);
    assert!(
        differences.is_empty(),
        "{}",
        differences.iter().map(|d| format!("{}\n{d}", cases[d.case])).collect::<String>()
    );
}

#[test]
fn each_kind_of_descriptor_answers_as_on_the_host() {
    let Some(runner) = Runner::new() else { return };
    let (here, there) = runner.outputs("kinds");
    assert!(here.lines().count() > 1000, "{here}");
    if let Some((_, lines)) = difference(&here, &there) {
        panic!("{lines}");
    }
}

#[test]
fn generated_cases_behave_as_on_the_host() {
    let Some(runner) = Runner::new() else { return };
    let (count, first) = (number("PICKET_DIFF_CASES", 2000), number("PICKET_DIFF_SEED", 1));
    let show = number("PICKET_DIFF_SHOW", 3);
    let mut found = 0;
    let seeds: Vec<u64> = (first..first + count).collect();
    for batch in seeds.chunks(BATCH) {
        let mut generated: Vec<Generated> = batch.iter().map(|&seed| Generated::new(seed)).collect();
        let cases: Vec<Case> = generated.iter().map(Generated::case).collect();
        for difference in runner.differences(&cases) {
            found += 1;
            let seed = batch[difference.case];
            if found <= show {
                let (case, difference) = generated[difference.case].shrink(&runner, difference);
                println!("\n# seed {seed}\n{case}\n{difference}");
            } else {
                println!("\n# seed {seed}\n{}{}", cases[difference.case], difference.lines());
            }
        }
    }
    assert!(found == 0, "{found} cases differ");
}
