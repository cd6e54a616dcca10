//! Equal seeds give equal runs: here, and in other processes, where hash seeds and addresses differ.

use std::env;
use std::process::Command;

use crate::scenarios;
use crate::world::World;

const SEEDS: u64 = 30;
/// Set in processes that shall print what they get.
const PRINT: &str = "PICKET_SIM_PRINT";

fn fingerprints() -> Vec<String> {
    let run = |seed| {
        let outcome = World::new(seed, false).run(scenarios::mixed);
        format!("fingerprint {seed} {:x} {} {:?}", outcome.fingerprint, outcome.now, outcome.output)
    };
    (0..SEEDS).map(run).collect()
}

#[test]
fn equal_seeds_give_equal_traces() {
    let first = fingerprints();
    assert!(first.windows(2).all(|w| w[0].split(' ').nth(2) != w[1].split(' ').nth(2)), "{first:?}");
    if env::var_os(PRINT).is_some() {
        println!("{}", first.join("\n"));
        return;
    }
    assert_eq!(first, fingerprints(), "in one process");
    for _ in 0..2 {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "determinism::equal_seeds_give_equal_traces", "--nocapture"])
            .env(PRINT, "1")
            .output()
            .unwrap();
        let text = String::from_utf8(child.stdout).unwrap();
        let there: Vec<&str> = text.lines().filter(|l| l.starts_with("fingerprint ")).collect();
        assert_eq!(first, there, "in another process");
    }
}
