//! Signals sent to this process are meant for the command.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use kernel::Kernel;
use platform::host::{HostSignals, Received};
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use rustix::process::{getpid, kill_process};
use task::ThreadGroup;
use task::signal::{SigInfo, Signal};
use vfs::tty::Terminal;

use crate::confine::Guardian;
use crate::terminal::{RawMode, copy_window};
use crate::thread;

const HUP: i32 = 1;
const INT: i32 = 2;
const QUIT: i32 = 3;
const USR1: i32 = 10;
const USR2: i32 = 12;
const TERM: i32 = 15;
const TSTP: i32 = 20;
const WINCH: i32 = 28;

/// The signals that are passed on.
pub(crate) const FORWARDED: [i32; 7] = [HUP, INT, QUIT, USR1, USR2, TERM, WINCH];

/// Blocks the signals that are passed on, before other threads exist. `TSTP` stops this process as any other, unless there is something
/// to do before: a terminal's raw settings to take back, or a guardian to tell. Errors: the host's.
pub(crate) fn block(takes_stops: bool) -> Result<HostSignals> {
    let mut all = FORWARDED.to_vec();
    if takes_stops {
        all.push(TSTP);
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
    /// The process to which signals are sent instead of this one.
    pub(crate) guardian: Option<Guardian>,
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
        let thread = thread::start("picket-signals", move || self.run(&signals, &event))?;
        Ok(Forwarding { stop, thread })
    }
    fn run(mut self, signals: &HostSignals, stop: &OwnedFd) {
        loop {
            let mut fds = vec![PollFd::new(stop, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
            fds.extend(self.guardian.as_ref().map(|g| PollFd::new(g, PollFlags::IN)));
            if rustix::event::poll(&mut fds, None).is_ok() && !fds[0].revents().is_empty() {
                return;
            }
            while let Ok(Some(received)) = signals.take() {
                // A guardian has these, too.
                let twice = received.from_process || received.signal == TSTP;
                if self.guardian.is_none() || !twice {
                    self.pass_on(received);
                }
            }
            while let Some(signal) = self.guardian.as_mut().and_then(|g| g.take_signal().ok()?) {
                self.pass_on(Received { signal, from_process: true });
            }
        }
    }
    fn pass_on(&mut self, received: Received) {
        match received.signal {
            WINCH => drop(self.terminal.as_ref().map(|(tty, _)| copy_window(tty))),
            TSTP => self.stop(),
            signal => self.send(signal, received.from_process),
        }
    }
    /// Stops as a job does, and returns when it is continued.
    fn stop(&mut self) {
        if let Some((_, raw)) = &self.terminal {
            raw.restore();
        }
        if let Some(guardian) = &mut self.guardian {
            guardian.stop().ok();
        } else {
            kill_process(getpid(), rustix::process::Signal::STOP).ok();
        }
        if let Some((tty, raw)) = &self.terminal {
            raw.enter_again().ok();
            copy_window(tty);
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
