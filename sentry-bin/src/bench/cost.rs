//! What a sandbox costs by being there: its start, its memory, its idle processor time.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::report::{Outcome, Sample, Unit};
use super::rounds::median;
use super::side::Side;
use super::tree::Tree;
use super::worker::Worker;

/// One cost, measured on all sides.
pub(super) struct Cost {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) measure: fn(&[Side], &Tree, bool) -> Vec<Outcome>,
}

/// After this, what a start leaves to do is done.
const REST: Duration = Duration::from_secs(2);
/// Processes and threads over which the cost of one is measured.
const MANY: usize = 20;

pub(super) const ALL: &[Cost] = &[
    Cost { name: "start and exit", unit: Unit::Nanoseconds, measure: start_and_exit },
    Cost { name: "memory idle sleep", unit: Unit::Kibibytes, measure: |s, _, _| each(s, sleep_memory) },
    Cost {
        name: "memory per process",
        unit: Unit::Kibibytes,
        measure: |s, _, _| each(s, |s| memory_per(s, "--processes")),
    },
    Cost {
        name: "memory per thread",
        unit: Unit::Kibibytes,
        measure: |s, _, _| each(s, |s| memory_per(s, "--threads")),
    },
    Cost { name: "idle processor time", unit: Unit::MicrosPerSecond, measure: idle_time },
];

fn each(sides: &[Side], f: impl Fn(&Side) -> Result<f64, String>) -> Vec<Outcome> {
    sides.iter().map(|s| f(s).map(|x| Sample { best: x, median: x })).collect()
}

/// From the start of the sandbox to its end, with a guest of three instructions.
fn start_and_exit(sides: &[Side], tree: &Tree, quick: bool) -> Vec<Outcome> {
    let mut times: Vec<Result<Vec<f64>, String>> = sides.iter().map(|_| Ok(Vec::new())).collect();
    for _ in 0..if quick { 5 } else { 20 } {
        for (side, times) in sides.iter().zip(&mut times) {
            let Ok(all) = times else { continue };
            let mut command = side.command(&[tree.nothing()]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            match command.status() {
                Ok(s) if s.success() => all.push(start.elapsed().as_nanos() as f64),
                Ok(s) => *times = Err(s.to_string()),
                Err(e) => *times = Err(e.to_string()),
            }
        }
    }
    let sample =
        |t: Vec<f64>| Sample { best: t.iter().copied().fold(f64::INFINITY, f64::min), median: median(t) };
    times.into_iter().map(|t| t.map(sample)).collect()
}

fn idle_guest(side: &Side, args: &[&str]) -> Result<Worker, String> {
    let args: Vec<OsString> = ["bench-idle"].iter().chain(args).map(OsString::from).collect();
    Worker::start(side, &args)
}

/// Proportional set size of all processes of a sandbox whose command sleeps.
fn sleep_memory(side: &Side) -> Result<f64, String> {
    let mut command = side.command(&["sleep".into(), "1000".into()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    std::thread::sleep(REST);
    let memory = family(child.id()).iter().map(|pid| proportional_set(*pid)).sum();
    child.kill().ok();
    child.wait().ok();
    Ok(memory)
}

/// What one more process or thread of a guest adds.
fn memory_per(side: &Side, option: &str) -> Result<f64, String> {
    let measure = |n: usize| {
        let worker = idle_guest(side, &[option, &n.to_string()])?;
        std::thread::sleep(REST);
        let memory: f64 = family(worker.pid()).iter().map(|pid| proportional_set(*pid)).sum();
        worker.finish();
        Ok::<f64, String>(memory)
    };
    Ok((measure(MANY)? - measure(0)?) / MANY as f64)
}

/// Processor time of all processes of sandboxes whose guests sleep, all at the same time.
fn idle_time(sides: &[Side], _: &Tree, quick: bool) -> Vec<Outcome> {
    let length = Duration::from_secs(if quick { 2 } else { 10 });
    let workers: Vec<_> = sides.iter().map(|s| idle_guest(s, &["--threads", "4"])).collect();
    std::thread::sleep(REST);
    let used = |w: &Result<Worker, String>| {
        w.as_ref().map_or(0.0, |w| family(w.pid()).iter().map(|p| processor_time(*p)).sum())
    };
    let before: Vec<f64> = workers.iter().map(used).collect();
    std::thread::sleep(length);
    let after: Vec<f64> = workers.iter().map(used).collect();
    let outcome = |(worker, used): (Result<Worker, String>, f64)| {
        worker?.finish();
        let micros = used / 1e3 / length.as_secs_f64();
        Ok(Sample { best: micros, median: micros })
    };
    workers.into_iter().zip(before.iter().zip(&after).map(|(b, a)| a - b)).map(outcome).collect()
}

/// A process with all that descend from it.
fn family(first: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|e| {
            let pid = e.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name before may have spaces and parentheses.
            Some((pid, stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut family = BTreeSet::from([first]);
    loop {
        let before = family.len();
        family.extend(
            parents
                .iter()
                .filter(|(_, parent)| family.contains(parent))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            return family;
        }
    }
}

/// In KiB; none of a process that is gone.
fn proportional_set(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("Pss:"));
    line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0.0)
}

/// In nanoseconds, of all threads.
fn processor_time(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let time = |dir: fs::DirEntry| {
        let text = fs::read_to_string(dir.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    threads.filter_map(time).sum()
}
