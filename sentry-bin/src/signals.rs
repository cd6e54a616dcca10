//! Signals sent to this process are meant for the command.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use kernel::Kernel;
use platform::host::{HostSignals, Received};
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use task::ThreadGroup;
use task::signal::{SigInfo, Signal};
use vfs::tty::Terminal;

use crate::terminal::{RawMode, copy_window};

const HUP: i32 = 1;
const INT: i32 = 2;
const QUIT: i32 = 3;
const USR1: i32 = 10;
const USR2: i32 = 12;
const TERM: i32 = 15;
const TSTP: i32 = 20;
const WINCH: i32 = 28;

/// Blocks the signals that are passed on, before other threads exist. `TSTP` stops this process as any other, unless it has raw
/// settings of a terminal to take back first. Errors: the host's.
pub(crate) fn block(with_terminal: bool) -> Result<HostSignals> {
    let mut all = vec![HUP, INT, QUIT, USR1, USR2, TERM];
    if with_terminal {
        all.extend([TSTP, WINCH]);
    }
    HostSignals::block(&all).context("the host refuses a signalfd")
}

/// To whom signals go.
pub(crate) struct Forwarder {
    pub(crate) kernel: Arc<Kernel>,
    /// The sandbox's first process.
    pub(crate) init: Arc<ThreadGroup>,
    /// The sandbox's terminal and the settings of the one here.
    pub(crate) terminal: Option<(Arc<Terminal>, Arc<RawMode>)>,
}

/// The thread that passes signals on.
pub(crate) struct Forwarding {
    stop: Arc<OwnedFd>,
    thread: JoinHandle<()>,
}

impl Forwarder {
    /// Starts passing on. Errors: the host refuses a thread or a descriptor.
    pub(crate) fn start(self, signals: HostSignals) -> Result<Forwarding> {
        let stop = rustix::event::eventfd(0, EventfdFlags::CLOEXEC).context("the host refuses an eventfd")?;
        let stop = Arc::new(stop);
        let event = stop.clone();
        let thread = std::thread::Builder::new()
            .name("picket-signals".into())
            .spawn(move || self.run(&signals, &event))
            .context("the host refuses a thread")?;
        Ok(Forwarding { stop, thread })
    }
    fn run(&self, signals: &HostSignals, stop: &OwnedFd) {
        loop {
            let mut fds = [PollFd::new(signals, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
            if rustix::event::poll(&mut fds, None).is_ok() && !fds[1].revents().is_empty() {
                return;
            }
            while let Ok(Some(received)) = signals.take() {
                self.pass_on(received);
            }
        }
    }
    fn pass_on(&self, received: Received) {
        match (received.signal, &self.terminal) {
            (WINCH, Some((tty, _))) => copy_window(tty),
            (TSTP, Some((tty, raw))) => {
                raw.restore();
                // Returns when this process is continued.
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP).ok();
                raw.enter_again().ok();
                copy_window(tty);
            }
            (signal, _) => self.send(signal, received.from_process),
        }
    }
    /// A key of the terminal that this process shares with others reaches all of its process group, so it does in the sandbox.
    fn send(&self, signal: i32, to_init_only: bool) {
        let Some(info) = Signal::new(signal).map(SigInfo::kernel) else { return };
        let processes = self.kernel.processes();
        // An init that has ended takes no signals.
        match processes.pgrp(&self.init) {
            Some(pgrp) if !to_init_only => processes.send_to_pgrp(&pgrp, info).ok(),
            _ => processes.send_to_group(&self.init, info, true).ok(),
        };
    }
}

impl Forwarding {
    /// Ends the thread.
    pub(crate) fn finish(self) {
        rustix::io::write(&*self.stop, &1u64.to_ne_bytes()).ok();
        self.thread.join().ok();
    }
}
