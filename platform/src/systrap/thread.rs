//! Guest threads.

use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use std::sync::{Arc, Mutex};

use abi::Errno;

use super::Handle;
use super::bell::Found;
use super::code::{self, Stage};
use super::host_thread::{ThreadShared, Trapped, give_birth};
use super::layout::*;
use super::lock;
use super::policy;
use super::rewrite::Place;
use super::space::{Space, SystrapSpace};
use crate::{FpuState, GuestSpace, GuestThread, Kick, Trap, UserRegs};

const TRAP_FLAG: u64 = 0x100;
/// Kicks and other events without a meaning that one call deals with before others get their turn.
const EMPTY_EVENTS: u32 = 16;

/// Interrupts a guest thread, whatever runs it.
#[derive(Default)]
struct Kicker {
    owed: AtomicBool,
    running: AtomicBool,
    host: Mutex<Option<Arc<ThreadShared>>>,
}

impl Kick for Kicker {
    fn kick(&self) {
        if !self.owed.swap(true, Ordering::SeqCst)
            && self.running.load(Ordering::SeqCst)
            && let Some(t) = &*lock(&self.host)
        {
            t.kick();
        }
    }
    fn rest(&self) {
        if let Some(t) = &*lock(&self.host) {
            t.rest();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The guest thread waits for the next call of `poll_run`.
    Idle,
    /// Its host thread is being made.
    Birth,
    Running,
}

/// A guest thread of the systrap backend.
pub struct SystrapThread {
    handle: Arc<Handle>,
    space: Arc<Space>,
    /// Its place belongs to `space`.
    host: Option<Arc<ThreadShared>>,
    kicker: Arc<Kicker>,
    phase: Phase,
    /// State to load before the next run; empty while the host thread has the valid one.
    fpu: Option<FpuState>,
    /// How the host thread waits, while it does.
    trapped: Trapped,
    /// The registers that a host thread which waits in [`Trapped::Call`] has, or that it has not got round to loading.
    last: UserRegs,
    /// Whether the host thread has been told to load registers and has not trapped since for another reason than a kick.
    loading: bool,
    /// The space's number of trampolines when the host thread was resumed: those that have gone since it may have entered before.
    generation: u32,
}

impl SystrapThread {
    pub(super) fn new(handle: &Arc<Handle>, space: &SystrapSpace) -> SystrapThread {
        SystrapThread {
            handle: handle.clone(),
            space: space.0.clone(),
            host: None,
            kicker: Arc::default(),
            phase: Phase::Idle,
            fpu: None,
            trapped: Trapped::Signal,
            last: UserRegs::default(),
            loading: false,
            generation: 0,
        }
    }

    /// Lets the host thread run the guest with these registers. Errors: `EFAULT` for a frame that the guest has broken.
    fn resume(&mut self, thread: &ThreadShared, regs: &UserRegs) -> Result<(), Errno> {
        if regs.eflags & TRAP_FLAG != 0 {
            self.space.stop_rewriting();
        }
        let frame = thread.frame();
        let mut state = STATE_RUN;
        let generation = self.space.rewriting.generation();
        let answers = self.trapped == Trapped::Call && !self.loading && self.fpu.is_none();
        let is_there = generation == core::mem::replace(&mut self.generation, generation);
        if answers && is_there && self.is_answer(regs) {
            frame.set_result(regs.rax);
        } else {
            let mut regs = *regs;
            regs.rip = self.space.present(regs.rip);
            let fpu = self.fpu.take().map(|mut fpu| {
                self.handle.layout.sanitize(&mut fpu);
                fpu
            });
            if self.trapped == Trapped::Call {
                frame.set_call_registers(&regs);
                if let Some(fpu) = fpu {
                    frame.set_saved_fpu(&fpu);
                }
                self.loading = true;
                state = STATE_LOAD;
            } else {
                frame.set_registers(&regs)?;
                if let Some(fpu) = fpu {
                    frame.set_fpu(&fpu)?;
                }
                self.loading = false;
            }
        }
        self.phase = Phase::Running;
        thread.go(state);
        Ok(())
    }

    /// Whether the registers are what a system call leaves behind.
    fn is_answer(&self, regs: &UserRegs) -> bool {
        let expected = UserRegs { rax: regs.rax, orig_rax: regs.orig_rax, ..self.last };
        *regs == expected
    }

    fn take_kick(&self) -> bool {
        self.kicker.owed.load(Ordering::SeqCst) && self.kicker.owed.swap(false, Ordering::SeqCst)
    }

    /// Looks for the next trap a little, then has the waker woken for it.
    fn await_trap(&self, thread: &Arc<ThreadShared>, cx: &Context<'_>, resumed: bool) -> Poll<Trapped> {
        let found = if resumed {
            self.handle.bell.look_for(thread)
        } else {
            thread.trapped().map_or(Found::Nothing, Found::Trap)
        };
        if let Found::Trap(how) = found {
            return Poll::Ready(how);
        }
        {
            let mut waker = lock(&thread.waker);
            let watched = waker.is_some();
            if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
            drop(waker);
            if !watched {
                self.handle.bell.watch(thread);
            }
        }
        if let Some(how) = thread.trapped() {
            lock(&thread.waker).take();
            self.handle.bell.forget(thread);
            if found != Found::Others {
                return Poll::Ready(how);
            }
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn stopped(&mut self, result: Result<Trap, Errno>) -> Poll<Result<Trap, Errno>> {
        self.kicker.running.store(false, Ordering::Relaxed);
        self.phase = Phase::Idle;
        Poll::Ready(result)
    }

    /// What the host thread, which has trapped, tells of: `None` for a kick.
    fn event(&mut self, thread: &ThreadShared, regs: &mut UserRegs) -> Result<Option<Trap>, Errno> {
        match self.trapped {
            Trapped::Lost => Err(Errno::ESRCH),
            Trapped::Call => Ok(self.call_event(thread, regs)),
            Trapped::Signal => self.signal_event(thread, regs),
        }
    }

    fn call_event(&mut self, thread: &ThreadShared, regs: &mut UserRegs) -> Option<Trap> {
        let frame = thread.frame();
        let is_kick = frame.control.load(frame.area + REASON) == REASON_KICK;
        if is_kick && self.loading {
            // Nothing has been loaded.
            if frame.take_load_fpu() {
                self.fpu = Some(frame.saved_fpu(&self.handle.layout));
            }
            return None;
        }
        self.loading = false;
        *regs = frame.call_registers();
        self.last = *regs;
        if is_kick { None } else { Some(Trap::Syscall) }
    }

    fn signal_event(&mut self, thread: &ThreadShared, regs: &mut UserRegs) -> Result<Option<Trap>, Errno> {
        let frame = thread.frame();
        let (trap, now) = frame.trap()?;
        let was_loading = core::mem::take(&mut self.loading);
        let in_code = now.rip.wrapping_sub(self.handle.nursery.base + CODE);
        let stage = if in_code < CODE_LEN { code::stage(in_code) } else { None };
        if stage == Some(Stage::Loading) && was_loading {
            if frame.take_load_fpu() {
                self.fpu = Some(frame.saved_fpu(&self.handle.layout));
            }
            return Ok(trap);
        }
        *regs = now;
        let call = |regs: &mut UserRegs, ret: u64| {
            (regs.rip, regs.rcx, regs.r11, regs.orig_rax) = (ret, ret, regs.eflags, regs.rax);
            Ok(Some(Trap::Syscall))
        };
        match stage {
            Some(Stage::Before) => return call(regs, now.rcx),
            Some(Stage::Posting) => {
                regs.rsp = frame.call_stack();
                return call(regs, frame.call_return());
            }
            Some(Stage::After) => {
                let answered = frame.call_registers();
                (regs.rax, regs.eflags, regs.rip) = (answered.rax, answered.eflags, answered.rip);
                (regs.rcx, regs.r11) = (answered.rip, answered.eflags);
                return Ok(trap);
            }
            Some(Stage::Loading) | None => {}
        }
        match self.space.place(now.rip) {
            Some(Place::Call { ret, number }) => {
                if trap != Some(Trap::Syscall) {
                    regs.rax = number.map_or(regs.rax, u64::from);
                    return call(regs, ret);
                }
                (regs.rip, regs.rcx, regs.r11) = (ret, ret, regs.eflags);
            }
            Some(Place::At(address)) => {
                regs.rip = address;
                // The trampoline has gone after the answer. The code that it has for then touches no memory, so that this is the only fault.
                if matches!(trap, Some(Trap::Fault { .. })) {
                    return Ok(None);
                }
            }
            // It is sent on from there when it next runs.
            Some(Place::Moved) if is_invalid_opcode(trap) => return Ok(None),
            Some(Place::Moved) => {}
            None if trap == Some(Trap::Syscall) => self.space.consider(now.rip, now.orig_rax),
            None => {}
        }
        Ok(trap)
    }

    fn release_host(&mut self) {
        self.kicker.running.store(false, Ordering::Relaxed);
        lock(&self.kicker.host).take();
        if let Some(t) = self.host.take() {
            let waits = self.phase == Phase::Idle && self.trapped != Trapped::Lost;
            let mut spare = lock(&self.space.spare);
            if waits && spare.len() < policy::SPARE_THREADS {
                t.rest();
                spare.push(t);
            } else {
                drop(spare);
                self.handle.bell.forget(&t);
                t.end();
                lock(&self.space.places).left.push((t.place, t.area));
            }
        }
        self.phase = Phase::Idle;
    }

    /// Makes the host thread run, or come to life. Returns it, or the trap that came before.
    fn start(&mut self, regs: &UserRegs) -> Result<Option<Arc<ThreadShared>>, Errno> {
        match self.host.clone() {
            Some(t) if t.is_lost() => Err(Errno::ESRCH),
            Some(t) => {
                self.kicker.running.store(true, Ordering::SeqCst);
                if self.take_kick() {
                    return Ok(None);
                }
                self.resume(&t, regs).map(|()| Some(t))
            }
            None if self.take_kick() => Ok(None),
            None => {
                let h = &self.handle;
                let spare = lock(&self.space.spare).pop();
                if let Some((t, trapped)) = spare.as_ref().and_then(|t| Some((t, t.trapped()?))) {
                    self.fpu.get_or_insert_with(|| h.layout.initial());
                    (self.host, self.trapped, self.loading) = (Some(t.clone()), trapped, false);
                    *lock(&self.kicker.host) = Some(t.clone());
                    return self.start(regs);
                }
                let t = match spare {
                    Some(t) => t,
                    None => give_birth(&self.space.stub, &self.space.places, h.cpus, h.layout.xfeatures)?,
                };
                self.host = Some(t.clone());
                self.fpu.get_or_insert_with(|| h.layout.initial());
                self.phase = Phase::Birth;
                Ok(Some(t))
            }
        }
    }
}

fn is_invalid_opcode(trap: Option<Trap>) -> bool {
    matches!(trap, Some(Trap::Exception(e)) if e.signal == libc::SIGILL)
}

impl GuestThread for SystrapThread {
    fn poll_run(&mut self, cx: &mut Context<'_>, regs: &mut UserRegs) -> Poll<Result<Trap, Errno>> {
        let mut resumed = self.phase == Phase::Idle;
        let thread = if resumed {
            match self.start(regs) {
                Ok(Some(t)) => t,
                Ok(None) => return self.stopped(Ok(Trap::Kicked)),
                Err(e) => return self.stopped(Err(e)),
            }
        } else {
            let Some(t) = self.host.clone() else { return self.stopped(Err(Errno::ESRCH)) };
            t
        };
        for _ in 0..EMPTY_EVENTS {
            self.trapped = match self.await_trap(&thread, cx, resumed) {
                Poll::Ready(how) => how,
                Poll::Pending => return Poll::Pending,
            };
            if self.phase == Phase::Birth {
                *lock(&self.kicker.host) = Some(thread.clone());
                self.kicker.running.store(true, Ordering::SeqCst);
            } else {
                match self.event(&thread, regs) {
                    Ok(Some(trap)) => return self.stopped(Ok(trap)),
                    Ok(None) => {}
                    Err(_) => return self.stopped(Err(Errno::ESRCH)),
                }
            }
            if self.take_kick() {
                return self.stopped(Ok(Trap::Kicked));
            }
            // A kick that came too late for its own trap, or a thread that is ready.
            if let Err(e) = self.resume(&thread, regs) {
                return self.stopped(Err(e));
            }
            resumed = true;
        }
        // Only a guest that disturbs its own threads comes here.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn kicker(&self) -> Arc<dyn Kick> {
        self.kicker.clone()
    }

    fn fpu(&mut self) -> &mut FpuState {
        let handle = &self.handle;
        let (host, trapped) = (&self.host, self.trapped);
        self.fpu.get_or_insert_with(|| {
            let current = host.as_ref().and_then(|t| match trapped {
                Trapped::Signal => t.frame().fpu(&handle.layout).ok(),
                Trapped::Call => t.save_fpu(&handle.layout).ok(),
                Trapped::Lost => None,
            });
            current.unwrap_or_else(|| handle.layout.initial())
        })
    }

    fn set_space(&mut self, space: &Arc<dyn GuestSpace>) -> Result<(), Errno> {
        let space = super::own_space(&self.handle, &**space)?.0.clone();
        self.release_host();
        self.space = space;
        self.fpu = None;
        self.loading = false;
        self.trapped = Trapped::Signal;
        Ok(())
    }
}

impl Drop for SystrapThread {
    fn drop(&mut self) {
        self.release_host();
    }
}
