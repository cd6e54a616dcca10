//! The process outside the namespaces: it passes signals on, stops and ends with the sandbox, and gives the terminal back if that could not.
//!
//! A signal that a process sends may reach both, as members of a group; the sentry then leaves it to the guardian, which passes it on
//! as a byte. Signals of the terminal reach the sentry by themselves.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{Context, Result};
use platform::host::confine::{
    Condition, FileCapabilities, HostCall, HostCalls, RUNTIME, allow_only, drop_privileges,
};
use platform::host::{HostSignals, Received, give_memory_back};
use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, read, write};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, waitpid};
use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::panic::INTERNAL;
use crate::signals;

/// The guardian's host calls, besides those of the language's runtime.
pub(super) const CALLS: HostCalls = HostCalls {
    of: "the guardian",
    list: &[
        HostCall::new(libc::SYS_ppoll, "wait for signals and for the sentry"),
        HostCall::new(libc::SYS_read, "take signals, and what the sentry says"),
        HostCall::new(libc::SYS_wait4, "learn of the sentry's end"),
        HostCall::new(libc::SYS_getpid, "stop"),
        HostCall::new(libc::SYS_kill, "stop, and stop and continue the sentry"),
        HostCall::new(libc::SYS_ioctl, "give the terminal back").only(1, Condition::Is(libc::TCSETSW2)),
    ],
};

/// Byte for the sentry: this process was stopped and goes on.
const CONTINUED: u8 = 0xff;
/// Byte for the guardian: stop.
const STOP: u8 = 1;

/// The sentry's end of the link.
pub(crate) struct Guardian(OwnedFd);

impl Guardian {
    /// The next signal that was sent to the sandbox, if one has come. Errors: the host's.
    pub(crate) fn take_signal(&mut self) -> rustix::io::Result<Option<i32>> {
        let mut byte = [0];
        match read(&self.0, &mut byte) {
            Ok(1) => Ok(Some(byte[0].into())),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(e) => Err(e),
        }
    }
    /// Stops both processes, as a signal does, until the guardian is continued. Errors: the host's.
    pub(crate) fn stop(&mut self) -> rustix::io::Result<()> {
        write(&self.0, &[STOP])?;
        loop {
            rustix::event::poll(&mut [PollFd::new(&self.0, PollFlags::IN)], None).ok();
            // Other signals that come meanwhile are the terminal's or come again.
            if self.take_signal()? == Some(CONTINUED.into()) {
                return Ok(());
            }
        }
    }
}

impl AsFd for Guardian {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Both ends of a link, the sentry's first. Errors: the host refuses descriptors.
pub(super) fn link() -> Result<(Guardian, OwnedFd)> {
    let (sentry, guardian) = UnixStream::pair().context("the host refuses a socket")?;
    sentry.set_nonblocking(true)?;
    Ok((Guardian(sentry.into()), guardian.into()))
}

/// Stays until the sentry has ended. Returns its status.
pub(super) fn guard(sentry: i32, link: &OwnedFd) -> ExitCode {
    let terminal = tcgetattr(stdin()).ok();
    match serve(sentry, link) {
        Ok(status) => report(status, terminal.as_ref()),
        Err(e) => {
            // The sentry dies with this process.
            eprintln!("sentry-bin: {e:#}");
            ExitCode::from(INTERNAL)
        }
    }
}

fn report(status: WaitStatus, terminal: Option<&Termios>) -> ExitCode {
    if let Some(code) = status.exit_status() {
        return ExitCode::from(u8::try_from(code).unwrap_or(INTERNAL));
    }
    if let Some(settings) = terminal {
        tcsetattr(stdin(), OptionalActions::Drain, settings).ok();
    }
    match status.terminating_signal() {
        Some(libc::SIGSYS) => {
            eprintln!("sentry-bin: the sandbox made a host call that it may not make, and was ended");
        }
        signal => eprintln!("sentry-bin: the sandbox was ended by signal {}", signal.unwrap_or(0)),
    }
    ExitCode::from(INTERNAL)
}

fn serve(sentry: i32, link: &OwnedFd) -> Result<WaitStatus> {
    let taken =
        [&signals::FORWARDED[..], &[libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGCHLD]].concat();
    let signals = HostSignals::block(&taken).context("the host refuses a signalfd")?;
    let sentry = Pid::from_raw(sentry).context("the host gave no process")?;
    // What the host does not permit the sentry says.
    drop_privileges(FileCapabilities::None).ok();
    allow_only(&[RUNTIME, CALLS]).ok();
    give_memory_back();
    loop {
        if let Some((_, status)) = waitpid(Some(sentry), WaitOptions::NOHANG)? {
            return Ok(status);
        }
        let mut fds = [PollFd::new(&signals, PollFlags::IN), PollFd::new(link, PollFlags::IN)];
        rustix::event::poll(&mut fds, None).ok();
        if !fds[1].revents().is_empty() {
            match read(link, &mut [0]) {
                Ok(1) => {
                    stop_with(sentry);
                    write(link, &[CONTINUED]).ok();
                }
                // It is about to end.
                _ => return Ok(waitpid(Some(sentry), WaitOptions::empty())?.context("no status")?.1),
            }
        }
        while let Some(received) = signals.take()? {
            pass_on(received, sentry, link);
        }
    }
}

fn pass_on(received: Received, sentry: Pid, link: &OwnedFd) {
    match received.signal {
        libc::SIGCHLD => {}
        // The sentry used the terminal as a background job. The first process of a namespace does not stop by that.
        libc::SIGTTIN | libc::SIGTTOU => stop_with(sentry),
        // It has to give the terminal back before.
        libc::SIGTSTP => tell(link, libc::SIGTSTP),
        signal if received.from_process => tell(link, signal),
        // The terminal's reach the sentry, too.
        _ => {}
    }
}

/// A sentry that has ended needs no signals.
fn tell(link: &OwnedFd, signal: i32) {
    if let Ok(byte) = u8::try_from(signal) {
        write(link, &[byte]).ok();
    }
}

/// Stops the sentry and this process until it is continued.
fn stop_with(sentry: Pid) {
    kill_process(sentry, Signal::STOP).ok();
    kill_process(getpid(), Signal::STOP).ok();
    kill_process(sentry, Signal::CONT).ok();
}
