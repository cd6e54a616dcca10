//! A guest that does nothing, for what it costs.

use std::io;

use super::sys;

/// How many sleep.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Idle {
    /// Threads besides the first.
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// Processes besides the first.
    #[arg(long, default_value_t = 0)]
    pub(crate) processes: usize,
}

/// Says `ready`, then sleeps until standard input ends. Errors: the host refuses a process or thread.
pub(crate) fn be_idle(idle: Idle) -> io::Result<()> {
    let children: Vec<_> =
        (0..idle.processes).map(|_| sys::fork(|| sys::pause())).collect::<io::Result<_>>()?;
    for _ in 0..idle.threads {
        std::thread::Builder::new().stack_size(64 << 10).spawn(|| sys::pause())?;
    }
    println!("ready");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    for pid in children {
        sys::end(pid);
    }
    Ok(())
}
