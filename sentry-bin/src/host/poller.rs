//! A thread that waits for the host's descriptors on behalf of the kernel, which never waits on the host itself.

use std::collections::HashMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::thread;
use anyhow::{Context, Result};
use kcore::wait::WaitQueue;
use platform::host::confine::{HostCall, HostCalls};
use rustix::event::epoll::{self, EventData, EventFlags};

pub(super) const CALLS: HostCalls = HostCalls {
    of: "waiting for streams",
    list: &[
        HostCall::new(libc::SYS_epoll_pwait, "wait for streams"),
        HostCall::new(libc::SYS_epoll_ctl, "say which"),
    ],
};

/// Descriptors, and the queues that are woken when they are ready.
pub(super) struct Poller {
    epoll: OwnedFd,
    watched: Mutex<HashMap<u64, Watched>>,
}

struct Watched {
    queue: WaitQueue,
    /// What somebody waits for.
    armed: EventFlags,
}

fn key(fd: &OwnedFd) -> u64 {
    fd.as_raw_fd().cast_unsigned().into()
}

impl Poller {
    /// Starts the thread. Errors: the host refuses it or a descriptor.
    pub(super) fn start() -> Result<Arc<Poller>> {
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).context("the host refuses an epoll instance")?;
        let poller = Arc::new(Poller { epoll, watched: Mutex::default() });
        let mine = poller.clone();
        thread::start("picket-streams", move || mine.run())?;
        Ok(poller)
    }
    fn watched(&self) -> MutexGuard<'_, HashMap<u64, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn run(&self) {
        let mut events = Vec::with_capacity(8);
        loop {
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
            for event in events.drain(..) {
                let queue = self.watched().get_mut(&event.data.u64()).map(|w| {
                    w.armed = EventFlags::empty();
                    w.queue.clone()
                });
                // Who waits for something else arms it again.
                if let Some(q) = queue {
                    q.wake_all();
                }
            }
        }
    }
    /// Adds a descriptor. `false` if it is always ready, as files are.
    pub(super) fn add(&self, fd: &OwnedFd, queue: &WaitQueue) -> bool {
        let watched = Watched { queue: queue.clone(), armed: EventFlags::empty() };
        self.watched().insert(key(fd), watched);
        epoll::add(&self.epoll, fd, EventData::new_u64(key(fd)), EventFlags::ONESHOT).is_ok()
    }
    /// Wakes the descriptor's queue once when it is ready for any of `flags`, or for what it was armed for before.
    pub(super) fn arm(&self, fd: &OwnedFd, flags: EventFlags) {
        let mut watched = self.watched();
        let Some(w) = watched.get_mut(&key(fd)) else { return };
        w.armed |= flags;
        // The descriptor was added at start; if the host has lost it, the next read says so.
        epoll::modify(&self.epoll, fd, EventData::new_u64(key(fd)), w.armed | EventFlags::ONESHOT).ok();
    }
}
