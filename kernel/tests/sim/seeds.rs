//! Many seeds for one scenario.

use std::env;
use std::ops::Range;

use kernel::ExitStatus;
use platform::sim::{End, Guest};

use crate::world::{Outcome, World};

/// A number from the environment.
fn from_env(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Runs a scenario under `usual` seeds, and fails at the first under which it does not end well. `PICKET_SIM_SEEDS=N` makes it N seeds,
/// and `PICKET_SIM_SEED=N` replays that one, printing all that happens.
pub fn explore<F, Fut>(name: &str, usual: u64, main: F)
where
    F: Fn(Guest) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = u8> + Send + 'static,
{
    let only = from_env("PICKET_SIM_SEED");
    let seeds = only.map_or(0..from_env("PICKET_SIM_SEEDS").unwrap_or(usual), |n| n..n + 1);
    let world = |seed| World::new(seed, only.is_some());
    if let Some((seed, outcome)) = first_failure(seeds, world, main) {
        panic!(
            "{name} fails with seed {seed}; to replay it:\n    PICKET_SIM_SEED={seed} cargo test -p picket-kernel --test sim {name}\n{}",
            describe(&outcome)
        );
    }
}

/// The first seed under which a scenario does not end well, and how it ended.
pub fn first_failure<F, Fut>(
    seeds: Range<u64>,
    world: impl Fn(u64) -> World,
    main: F,
) -> Option<(u64, Outcome)>
where
    F: Fn(Guest) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = u8> + Send + 'static,
{
    for seed in seeds {
        let world = world(seed);
        let sim = world.sim.clone();
        let outcome = world.run(main.clone());
        for line in sim.take_trace() {
            println!("{line}");
        }
        if !ended_well(&outcome) {
            return Some((seed, outcome));
        }
    }
    None
}

/// Whether everything ended and the first program returned 0.
pub fn ended_well(o: &Outcome) -> bool {
    o.end == Ok(End::Ended { left: Vec::new() }) && o.status == Some(ExitStatus::Exited(0))
}

/// An outcome for people.
pub fn describe(o: &Outcome) -> String {
    let how = match &o.end {
        Err(panic) => format!("panicked: {panic}"),
        Ok(End::Endless) => "it does not end".into(),
        Ok(End::Ended { left }) if left.is_empty() => format!("ended with {:?}", o.status),
        Ok(End::Ended { left }) => {
            format!("ended with {:?} and left behind:\n  {}", o.status, left.join("\n  "))
        }
        Ok(End::Deadlock { waiting }) => format!("deadlock:\n  {}", waiting.join("\n  ")),
        Ok(End::LostWakeup { missed, waiting }) => {
            format!(
                "tasks {missed:?} were not woken for what they waited for; waiting:\n  {}",
                waiting.join("\n  ")
            )
        }
    };
    format!("{how}\nat {} ns, output: {:?}", o.now, o.output)
}
