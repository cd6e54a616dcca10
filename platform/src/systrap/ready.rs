//! Stubs made ahead: a thread of the sentry keeps some ready, each with a first host thread. It also empties those of spaces that have ended.

use core::sync::atomic::Ordering;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use abi::Errno;

use super::host_thread::{ThreadShared, give_birth};
use super::lock;
use super::mapper;
use super::nursery::{Nursery, Stub};
use super::policy;
use super::retired::Retired;
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
    /// What is to be emptied, and how much memory waits for that.
    retired: VecDeque<Retired>,
    bytes: u64,
    /// Set once stubs are wanted.
    kind: Option<ThreadKind>,
    stop: bool,
}

impl State {
    fn pop_retired(&mut self) -> Option<Retired> {
        let retired = self.retired.pop_front()?;
        self.bytes -= retired.bytes();
        Some(retired)
    }
}

impl Ready {
    /// Starts the thread. It runs when this returns: the host calls of its start may be forbidden afterwards. Errors: the host's.
    pub(super) fn start(self: &Arc<Ready>, nursery: &Arc<Nursery>) -> Result<(), Errno> {
        let (ready, weak) = (self.clone(), Arc::downgrade(nursery));
        let (sender, runs) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            mapper::be_patient();
            sender.send(()).ok();
            ready.make_stubs(&weak);
        };
        let spawned = std::thread::Builder::new().name("picket-stubs".into()).spawn(body);
        let errno = |e: std::io::Error| e.raw_os_error().and_then(Errno::from_raw).unwrap_or(Errno::EAGAIN);
        spawned.map_err(errno)?;
        runs.recv().map_err(|_| Errno::EAGAIN)
    }

    /// A stub without a guest that is there already, or `None`. There will be more.
    pub(super) fn take(&self, kind: ThreadKind) -> Option<Prepared> {
        let mut state = lock(&self.state);
        state.kind = Some(kind);
        while let Some(prepared) = state.stubs.pop() {
            if !prepared.stub.dead.load(Ordering::SeqCst) {
                if state.stubs.is_empty() {
                    self.changed.notify_one();
                }
                return Some(prepared);
            }
        }
        let retired = state.pop_retired();
        self.changed.notify_one();
        drop(state);
        retired?.renew(Some(kind))
    }

    /// Takes the stub of a space that has ended.
    pub(super) fn retire(&self, mut retired: Retired) {
        let mut state = lock(&self.state);
        if state.stop || state.bytes + retired.bytes() > policy::RETIRED_BYTES {
            drop(state);
            retired.release();
            state = lock(&self.state);
        }
        if !state.stop {
            state.bytes += retired.bytes();
            state.retired.push_back(retired);
            self.changed.notify_one();
        }
    }

    /// Ends the thread, and the stubs that nobody has taken.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.stop = true;
        let stubs = core::mem::take(&mut state.stubs);
        let retired = core::mem::take(&mut state.retired);
        self.changed.notify_one();
        drop(state);
        drop((stubs, retired));
    }

    fn make_stubs(&self, nursery: &Weak<Nursery>) {
        let mut state = lock(&self.state);
        while !state.stop {
            let made = if let Some(retired) = state.pop_retired() {
                let wish = state.kind.filter(|_| state.stubs.len() < policy::KEPT_STUBS);
                drop(state);
                retired.renew(wish)
            } else if let Some(kind) = state.kind.filter(|_| state.stubs.len() < policy::READY_STUBS) {
                drop(state);
                let made = nursery.upgrade().and_then(|n| prepare(&n, kind).ok());
                if made.is_none() {
                    // Whoever needs one next is told, and has this tried again.
                    lock(&self.state).kind = None;
                }
                made
            } else if state.stubs.len() > policy::READY_STUBS {
                let waited = self.changed.wait_timeout(state, policy::KEEP_FOR);
                let (locked, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = locked;
                if timeout.timed_out() {
                    let kept = state.stubs.len().min(policy::READY_STUBS);
                    let too_many = state.stubs.split_off(kept);
                    drop(state);
                    drop(too_many);
                    state = lock(&self.state);
                }
                continue;
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state = lock(&self.state);
            if state.stop {
                drop(state);
                drop(made);
                return;
            }
            state.stubs.extend(made);
        }
    }
}

fn prepare(nursery: &Arc<Nursery>, kind: ThreadKind) -> Result<Prepared, Errno> {
    let (stub, places) = (nursery.new_stub()?, Mutex::default());
    let thread = Some(give_birth(&stub, &places, kind.cpus, kind.xfeatures)?);
    Ok(Prepared { stub, places, thread })
}
