//! Two threads that carry bytes between the terminal here and the sandbox's, so that no worker waits for either.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use kcore::io::{IoError, SliceSource, VecSink};
use kcore::wait::Events;
use rustix::event::{EventfdFlags, PollFd, PollFlags};
use vfs::tty::{PtyMaster, Terminal};

use super::parked::wait_for;
use crate::thread;

/// Bytes carried at once.
const CHUNK: usize = 16 << 10;

/// The two threads.
pub(super) struct Bridge {
    stop: Arc<AtomicBool>,
    keyboard_stop: Arc<OwnedFd>,
    keyboard: JoinHandle<()>,
    screen: JoinHandle<()>,
    // Dropped last: that hangs up.
    _master: Arc<PtyMaster>,
}

impl Bridge {
    /// Starts carrying. Errors: the host refuses a thread or a descriptor.
    pub(super) fn start(master: Arc<PtyMaster>, keyboard: OwnedFd, screen: OwnedFd) -> Result<Bridge> {
        let stop = Arc::new(AtomicBool::new(false));
        let event =
            rustix::event::eventfd(0, EventfdFlags::CLOEXEC).context("the host refuses an eventfd")?;
        let keyboard_stop = Arc::new(event);
        let tty = master.terminal().clone();
        let (s, e) = (stop.clone(), keyboard_stop.clone());
        let keyboard = thread::start("picket-keyboard", move || carry_keys(&tty, &keyboard, &e, &s))?;
        let tty = master.terminal().clone();
        let s = stop.clone();
        let screen = thread::start("picket-screen", move || carry_output(&tty, &screen, &s))?;
        Ok(Bridge { stop, keyboard_stop, keyboard, screen, _master: master })
    }
    /// Ends both threads once all output is shown.
    pub(super) fn finish(self) {
        self.stop.store(true, Ordering::Release);
        // The counter has room for one more.
        rustix::io::write(&*self.keyboard_stop, &1u64.to_ne_bytes()).ok();
        for thread in [self.keyboard, self.screen] {
            thread.thread().unpark();
            // A thread that panicked has said so.
            thread.join().ok();
        }
    }
}

fn carry_keys(tty: &Terminal, keyboard: &OwnedFd, stop_event: &OwnedFd, stop: &AtomicBool) {
    let mut buf = [0u8; CHUNK];
    loop {
        let mut fds = [PollFd::new(keyboard, PollFlags::IN), PollFd::new(stop_event, PollFlags::IN)];
        match rustix::event::poll(&mut fds, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        let n = match rustix::io::read(keyboard, &mut buf) {
            Ok(0) => return,
            Ok(n) => n,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            // The terminal is gone; the signal that says so is passed on elsewhere.
            Err(_) => return,
        };
        let mut rest = &buf[..n];
        while !rest.is_empty() {
            let write = || tty.master_write(&mut SliceSource::new(rest));
            match wait_for(tty.master_queue(), Events::WRITABLE, stop, write) {
                Ok(n) => rest = &rest[n..],
                Err(_) => return,
            }
        }
    }
}

fn carry_output(tty: &Terminal, screen: &OwnedFd, stop: &AtomicBool) {
    loop {
        let mut sink = VecSink::new(CHUNK);
        match wait_for(tty.master_queue(), Events::READABLE, stop, || read_live(tty, &mut sink)) {
            Ok(_) => {
                if write_all(screen, &sink.into_vec()).is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// As the master's read, but a slave's side without files is no error: somebody may open `/dev/tty` again.
fn read_live(tty: &Terminal, sink: &mut VecSink) -> Result<usize, IoError> {
    tty.master_read(sink).map_err(|_| IoError::Again)
}

fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                rustix::event::poll(&mut [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::OUT)], None).ok();
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
