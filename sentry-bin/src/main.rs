//! Picket's sandbox: runs unmodified Linux programs on a userspace kernel.

#![deny(unsafe_code)]

mod backend;
mod bench;
mod cli;
mod compat;
mod confine;
mod debug_log;
mod host;
mod limits;
mod panic;
mod program;
mod sandbox;
mod signals;
mod terminal;
mod thread;
mod tree;
mod user;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(status) => status,
        Err(e) => {
            eprintln!("sentry-bin: {e:#}");
            // As `env(1)` and shells have it: the sandbox itself failed, not the command.
            ExitCode::from(panic::INTERNAL)
        }
    }
}
