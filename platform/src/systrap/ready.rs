//! Stubs made ahead: a thread of the sentry keeps some ready, each with a first host thread.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use abi::Errno;

use super::host_thread::{ThreadShared, give_birth};
use super::lock;
use super::nursery::{Nursery, Stub};
use super::policy;
use super::space::Places;

/// A stub that nothing has been mapped in.
pub(super) struct Prepared {
    pub(super) stub: Arc<Stub>,
    pub(super) places: Mutex<Places>,
    /// A host thread, which may not have trapped yet.
    pub(super) thread: Option<Arc<ThreadShared>>,
}

/// What threads of all stubs have in common.
#[derive(Clone, Copy)]
pub(super) struct ThreadKind {
    pub(super) cpus: usize,
    pub(super) xfeatures: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct Ready {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stubs: Vec<Prepared>,
    /// Set once stubs are wanted.
    kind: Option<ThreadKind>,
    stop: bool,
}

impl Ready {
    /// Starts the thread. It runs when this returns: the host calls of its start may be forbidden afterwards. Errors: the host's.
    pub(super) fn start(self: &Arc<Ready>, nursery: &Arc<Nursery>) -> Result<(), Errno> {
        let (ready, weak) = (self.clone(), Arc::downgrade(nursery));
        let (sender, runs) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            sender.send(()).ok();
            ready.make_stubs(&weak);
        };
        let spawned = std::thread::Builder::new().name("picket-stubs".into()).spawn(body);
        let errno = |e: std::io::Error| e.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EAGAIN);
        spawned.map_err(errno)?;
        runs.recv().map_err(|_| Errno::EAGAIN)
    }

    /// A stub that was made ahead, or `None`; one more will be made.
    pub(super) fn take(&self, kind: ThreadKind) -> Option<Prepared> {
        let mut state = lock(&self.state);
        state.kind = Some(kind);
        self.changed.notify_one();
        loop {
            let prepared = state.stubs.pop()?;
            if !prepared.stub.dead.load(core::sync::atomic::Ordering::SeqCst) {
                return Some(prepared);
            }
        }
    }

    /// Ends the thread, and the stubs that nobody has taken.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stop = true;
        let stubs = core::mem::take(&mut state.stubs);
        self.changed.notify_one();
        drop(state);
        drop(stubs);
    }

    fn make_stubs(&self, nursery: &Weak<Nursery>) {
        let mut state = lock(&self.state);
        loop {
            if state.stop {
                return;
            }
            let kind = state.kind.filter(|_| state.stubs.len() < policy::READY_STUBS);
            let Some(kind) = kind else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let made = nursery.upgrade().ok_or(Errno::ESRCH).and_then(|n| prepare(&n, kind));
            state = lock(&self.state);
            match made {
                Ok(prepared) if !state.stop => state.stubs.push(prepared),
                Ok(prepared) => {
                    drop(state);
                    drop(prepared);
                    state = lock(&self.state);
                }
                // Whoever needs one next is told, and has this tried again.
                Err(_) => state.kind = None,
            }
        }
    }
}

fn prepare(nursery: &Arc<Nursery>, kind: ThreadKind) -> Result<Prepared, Errno> {
    let (stub, places) = (nursery.new_stub()?, Mutex::default());
    let thread = Some(give_birth(&stub, &places, kind.cpus, kind.xfeatures)?);
    Ok(Prepared { stub, places, thread })
}
