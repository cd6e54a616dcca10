//! `sentry-bin bench`: what the sandbox costs, as ratios to the host, measured by this same program natively and in the sandbox in turns.

mod cost;
mod guest;
mod report;
mod rounds;
mod side;
mod tree;
mod worker;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::cli::PlatformName;
pub(crate) use guest::{Idle, Places, be_idle, serve};
use report::{Report, Row};
use side::Side;
use tree::Tree;

/// What else to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Other {
    /// gVisor, by `runsc do`; needs root.
    Runsc,
}

/// What `bench` is told.
#[derive(Args)]
pub(crate) struct BenchOptions {
    /// What runs guest code.
    #[arg(long, value_enum, default_value = "systrap")]
    pub(crate) platform: PlatformName,
    /// Only what has this in its name; may be given more than once.
    #[arg(long = "filter", value_name = "TEXT")]
    pub(crate) filters: Vec<String>,
    /// Fewer and shorter rounds.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure another sandbox beside this one.
    #[arg(long, value_enum)]
    pub(crate) compare: Option<Other>,
    /// Only print the names of the benchmarks.
    #[arg(long)]
    pub(crate) list: bool,
}

impl BenchOptions {
    fn wants(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|f| name.contains(f.as_str()))
    }
}

/// Measures and prints. Errors: the host refuses a directory or a process.
pub(crate) fn run(options: &BenchOptions) -> Result<()> {
    let micro = guest::ALL.iter().copied().flatten().filter(|b| options.wants(b.name));
    let costs = cost::ALL.iter().filter(|c| options.wants(c.name));
    if options.list {
        micro.map(|b| b.name).chain(costs.map(|c| c.name)).for_each(|name| println!("{name}"));
        return Ok(());
    }
    if cfg!(debug_assertions) {
        eprintln!("sentry-bin: this is a build without optimisation: what it measures says little");
    }
    let tree = Tree::new().context("cannot make the benchmarks' files")?;
    let mut sides = vec![Side::native(), Side::sandbox(options.platform, &tree)];
    sides.extend(options.compare.map(|Other::Runsc| Side::runsc()));
    let sides: Vec<Side> = sides.into_iter().collect::<Result<_>>()?;
    let mut report = Report::new(&sides, options.json);
    for b in micro {
        report.add(Row::new(b.name, b.measure.into(), rounds::measure(b, &sides, &tree, options.quick)));
    }
    for c in costs {
        report.add(Row::new(c.name, c.unit, (c.measure)(&sides, &tree, options.quick)));
    }
    report.finish();
    Ok(())
}
