//! What is measured: this program itself, run natively and in the sandbox.
//!
//! It says `ready`, then measures for as many milliseconds as each line of its standard input says, and answers with a line: the shortest
//! time of one operation and the median, in nanoseconds.

mod calls;
mod files;
mod idle;
mod memory;
mod messages;
mod processes;
mod programs;
mod streams;
#[allow(unsafe_code)]
mod sys;
mod threads;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) use files::{LARGE, fill};
pub(crate) use idle::{Idle, be_idle};

/// A batch of operations that is timed as a whole takes at least this long, so that reading the clock does not count.
const BATCH: Duration = Duration::from_millis(1);

/// Carries out that many operations.
pub(super) type Op = Box<dyn FnMut(u64) -> io::Result<()>>;

/// Directories that the operations use.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Places {
    /// A directory of the root file system, as `bench` fills it.
    #[arg(long)]
    pub(in crate::bench) root: PathBuf,
    /// A directory on a tmpfs, which need not exist.
    #[arg(long)]
    pub(in crate::bench) tmpfs: PathBuf,
    /// As `root`, with changes that reach the host.
    #[arg(long)]
    pub(in crate::bench) shared: PathBuf,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Time of one operation.
    Time,
    /// Bytes of one operation, per time.
    Throughput(u64),
}

/// One benchmark.
pub(super) struct Benchmark {
    pub(super) name: &'static str,
    pub(super) measure: Measure,
    pub(super) prepare: fn(&Places) -> io::Result<Op>,
}

const fn time(name: &'static str, prepare: fn(&Places) -> io::Result<Op>) -> Benchmark {
    Benchmark { name, measure: Measure::Time, prepare }
}

const fn throughput(name: &'static str, bytes: u64, prepare: fn(&Places) -> io::Result<Op>) -> Benchmark {
    Benchmark { name, measure: Measure::Throughput(bytes), prepare }
}

/// All benchmarks that one process carries out, in the order in which they are shown.
pub(super) const ALL: &[&[Benchmark]] = &[
    calls::ALL,
    messages::ALL,
    files::ALL,
    memory::ALL,
    processes::ALL,
    threads::ALL,
    streams::ALL,
    programs::ALL,
];

/// Makes an operation that is done anew each time.
fn each(mut f: impl FnMut() -> io::Result<()> + 'static) -> io::Result<Op> {
    Ok(Box::new(move |n| (0..n).try_for_each(|_| f())))
}

/// As [`each`], for what cannot fail.
fn call(f: impl Fn() + 'static) -> io::Result<Op> {
    each(move || {
        f();
        Ok(())
    })
}

fn expect(holds: bool, what: &str) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other(what.to_owned())) }
}

/// Serves the benchmark of that name until standard input ends. Errors: there is none; it failed.
pub(crate) fn serve(name: &str, places: &Places) -> io::Result<()> {
    let known = ALL.iter().copied().flatten().find(|b| b.name == name);
    let benchmark = known.ok_or_else(|| io::Error::other("there is no such benchmark"))?;
    let mut op = (benchmark.prepare)(places)?;
    let batch = calibrate(&mut op)?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        let millis = line?.trim().parse().map_err(io::Error::other)?;
        let (least, median) = measure(&mut op, batch, Duration::from_millis(millis))?;
        println!("{least} {median}");
        io::stdout().flush()?;
    }
    Ok(())
}

/// How many operations a batch has.
fn calibrate(op: &mut Op) -> io::Result<u64> {
    let mut n = 1;
    loop {
        let start = Instant::now();
        op(n)?;
        if start.elapsed() >= BATCH {
            return Ok(n);
        }
        n *= 2;
    }
}

fn measure(op: &mut Op, batch: u64, length: Duration) -> io::Result<(f64, f64)> {
    let end = Instant::now() + length;
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        op(batch)?;
        times.push(start.elapsed());
        if Instant::now() >= end {
            break;
        }
    }
    times.sort_unstable();
    let per_op = |d: Duration| d.as_nanos() as f64 / batch as f64;
    Ok((per_op(times[0]), per_op(times[times.len() / 2])))
}
