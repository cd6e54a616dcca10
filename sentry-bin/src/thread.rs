//! Threads of this process.

use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, Result};

/// Starts a thread; it runs when this returns, so that the host calls of its start are made. Errors: the host refuses a thread.
pub(crate) fn start(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let (sender, runs) = sync_channel(1);
    let body = move || {
        sender.send(()).ok();
        drop(sender);
        body();
    };
    let thread = Builder::new().name(name.into()).spawn(body).context("the host refuses a thread")?;
    runs.recv().context("a thread ended at its start")?;
    Ok(thread)
}
