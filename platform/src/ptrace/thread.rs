//! Guest threads.

use core::task::{Context, Poll, Waker};
use std::sync::{Arc, Mutex, mpsc};

use abi::Errno;

use super::lock;
use super::queue::Command;
use super::space::{PtraceSpace, Stub};
use super::sys::{self, Pid};
use crate::{FpuState, GuestSpace, GuestThread, Kick, Registers, Trap, UserRegs};

pub(super) enum Phase {
    Idle,
    Running,
    Done(Result<Trap, Errno>),
}

/// What a guest thread and the tracer share.
pub(super) struct ThreadShared {
    pub(super) slot: Mutex<Slot>,
}

pub(super) struct Slot {
    pub(super) phase: Phase,
    pub(super) regs: UserRegs,
    pub(super) waker: Option<Waker>,
    /// A kick is owed.
    pub(super) kick: bool,
    /// The stub thread executes guest code, as far as the tracer has been told.
    pub(super) live: bool,
    /// The stub thread or process was killed from outside.
    pub(super) lost: bool,
    pub(super) anchor: Pid,
    /// The stub thread, or zero before it exists.
    pub(super) tid: Pid,
}

impl ThreadShared {
    /// Ends the running call with `result`.
    pub(super) fn complete(&self, result: Result<Trap, Errno>, regs: Option<UserRegs>) {
        let waker = {
            let mut slot = lock(&self.slot);
            slot.live = false;
            if let Some(r) = regs {
                slot.regs = r;
            }
            if matches!(slot.phase, Phase::Running) {
                slot.phase = Phase::Done(result);
            }
            slot.waker.take()
        };
        if let Some(w) = waker {
            w.wake();
        }
    }
}

impl Kick for ThreadShared {
    fn kick(&self) {
        let mut slot = lock(&self.slot);
        if !slot.kick {
            slot.kick = true;
            if slot.live {
                // Under the lock, so that the thread is not reaped and its id not reused.
                sys::tgkill(slot.anchor, slot.tid, sys::KICK);
            }
        }
    }
}

/// A guest thread of the ptrace backend.
pub struct PtraceThread {
    shared: Arc<ThreadShared>,
    stub: Arc<Stub>,
    /// State to load before the next run; empty while the stub thread's is the valid one.
    fpu: Option<FpuState>,
}

impl PtraceThread {
    pub(super) fn new(space: &PtraceSpace) -> PtraceThread {
        let stub = space.stub.clone();
        let slot = Slot {
            phase: Phase::Idle,
            regs: UserRegs::default(),
            waker: None,
            kick: false,
            live: false,
            lost: false,
            anchor: stub.anchor,
            tid: 0,
        };
        let fpu = Some(stub.tracer.layout.initial());
        PtraceThread { shared: Arc::new(ThreadShared { slot: Mutex::new(slot) }), stub, fpu }
    }

    fn end_stub_thread(&self, tid: Pid) {
        if tid != 0 {
            self.stub.tracer.queue.post(Command::Exit { thread: self.shared.clone(), tid });
        }
    }
}

impl GuestThread for PtraceThread {
    fn poll_run(&mut self, cx: &mut Context<'_>, regs: &mut Registers) -> Poll<Result<Trap, Errno>> {
        {
            let mut slot = lock(&self.shared.slot);
            match slot.phase {
                Phase::Done(result) => {
                    slot.phase = Phase::Idle;
                    regs.set(slot.regs);
                    return Poll::Ready(result);
                }
                Phase::Running => {
                    if !slot.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                        slot.waker = Some(cx.waker().clone());
                    }
                    return Poll::Pending;
                }
                Phase::Idle => {}
            }
            if slot.lost {
                return Poll::Ready(Err(Errno::ESRCH));
            }
            if core::mem::take(&mut slot.kick) {
                return Poll::Ready(Ok(Trap::Kicked));
            }
            slot.phase = Phase::Running;
            slot.regs = regs.get();
            slot.waker = Some(cx.waker().clone());
        }
        let fpu = self.fpu.take();
        if !self.stub.tracer.queue.post(Command::Run { thread: self.shared.clone(), fpu }) {
            lock(&self.shared.slot).phase = Phase::Idle;
            return Poll::Ready(Err(Errno::ESRCH));
        }
        Poll::Pending
    }

    fn kicker(&self) -> Arc<dyn Kick> {
        self.shared.clone()
    }

    fn fpu(&mut self) -> &mut FpuState {
        let (stub, shared) = (&self.stub, &self.shared);
        self.fpu.get_or_insert_with(|| {
            let fetch = || {
                let (reply, result) = mpsc::sync_channel(1);
                let tid = lock(&shared.slot).tid;
                stub.tracer.queue.post(Command::GetFpu { tid, reply });
                Some(stub.tracer.layout.with_software(result.recv().ok()?.ok()?))
            };
            // A lost thread does not run again: any state will do.
            fetch().unwrap_or_else(|| stub.tracer.layout.initial())
        })
    }

    fn set_fpu(&mut self, state: FpuState) {
        self.fpu = Some(state);
    }

    fn reset_fpu(&mut self) {
        self.fpu = Some(self.stub.tracer.layout.initial());
    }

    fn set_space(&mut self, space: &Arc<dyn GuestSpace>) -> Result<(), Errno> {
        let space = super::own_space(&self.stub.tracer, &**space)?;
        let old = {
            let mut slot = lock(&self.shared.slot);
            if !matches!(slot.phase, Phase::Idle) {
                return Err(Errno::EBUSY);
            }
            slot.anchor = space.stub.anchor;
            slot.lost = false;
            core::mem::take(&mut slot.tid)
        };
        self.end_stub_thread(old);
        self.stub = space.stub.clone();
        self.reset_fpu();
        Ok(())
    }
}

impl Drop for PtraceThread {
    fn drop(&mut self) {
        let tid = {
            let mut slot = lock(&self.shared.slot);
            slot.waker = None;
            slot.tid
        };
        // A first run that is still in the queue makes its stub thread later: let the tracer find out.
        let tid = if tid == 0 && matches!(lock(&self.shared.slot).phase, Phase::Running) { -1 } else { tid };
        self.end_stub_thread(tid);
    }
}
