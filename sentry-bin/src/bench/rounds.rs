//! Rounds of one benchmark, on all sides in turns, so that what disturbs the host disturbs all.

use std::time::Duration;

use super::guest::{Benchmark, Measure};
use super::report::{Outcome, Sample};
use super::side::Side;
use super::tree::Tree;
use super::worker::Worker;

/// Rounds, and how long each measures.
fn plan(quick: bool) -> (usize, Duration) {
    if quick { (3, Duration::from_millis(20)) } else { (7, Duration::from_millis(80)) }
}

/// Measures one benchmark on all sides.
pub(super) fn measure(benchmark: &Benchmark, sides: &[Side], tree: &Tree, quick: bool) -> Vec<Outcome> {
    let start = |side: &Side| match side.shares || !benchmark.name.contains("shared") {
        true => Worker::serving(side, benchmark.name, tree.places()),
        false => Err("not offered".into()),
    };
    let mut workers: Vec<Result<Worker, String>> = sides.iter().map(start).collect();
    let mut times: Vec<Vec<(f64, f64)>> = vec![Vec::new(); sides.len()];
    let (rounds, length) = plan(quick);
    for _ in 0..rounds {
        for (slot, times) in workers.iter_mut().zip(&mut times) {
            let Ok(worker) = slot else { continue };
            match worker.measure(length) {
                Ok(pair) => times.push(pair),
                Err(e) => *slot = Err(e),
            }
        }
    }
    let outcome = |(worker, times): (Result<Worker, String>, Vec<(f64, f64)>)| {
        worker?.finish();
        Ok(Sample::new(&times, benchmark.measure))
    };
    workers.into_iter().zip(times).map(outcome).collect()
}

impl Sample {
    /// The best and the median of rounds, which are given by their least and median times.
    fn new(times: &[(f64, f64)], measure: Measure) -> Sample {
        let least = times.iter().map(|t| t.0).fold(f64::INFINITY, f64::min);
        let median = median(times.iter().map(|t| t.1).collect());
        let convert = |ns: f64| match measure {
            Measure::Time => ns,
            Measure::Throughput(bytes) => bytes as f64 / ns * 1e9,
        };
        Sample { best: convert(least), median: convert(median) }
    }
}

/// The middle one of some numbers; not a number if there are none.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
