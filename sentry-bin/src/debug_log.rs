//! `--debug-log`: what the sandbox logs of itself.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Lets everything that passes `filter` be appended to `path`, a line each. Errors: one line for a file that cannot be written.
pub(crate) fn start(path: &Path, filter: &str) -> Result<()> {
    let filter: Targets = filter.parse()?;
    let file = open(path).with_context(|| format!("cannot write the log {}", path.display()))?;
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init()
        .map_err(|e| anyhow::anyhow!("cannot start the log: {e}"))
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// A level, or levels of parts: `debug`, `warn,kernel=debug`. Errors: what is wrong with it.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    text.parse::<Targets>().map(|_| text.to_owned()).map_err(|e| e.to_string())
}
