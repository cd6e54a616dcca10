//! The tracer: the one thread that all stubs answer to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use abi::Errno;
use kcore::addr::GuestAddr;

use super::inject::{Injector, loadable};
use super::lock;
use super::queue::{Command, Queue};
use super::space::apply_in_stub;
use super::sys::{self, Event, Pid};
use super::thread::ThreadShared;
use crate::fpu::FpuLayout;
use crate::traits::SEGV_PKUERR;
use crate::{Access, ExceptionInfo, FpuState, Trap, UserRegs};

/// Looks at the events before sleeping for one: a hand-over costs less than a wake-up, but must not hold a core for long.
const IDLE_POLLS: u32 = 40;
/// The same for an injected call.
pub(super) const INJECT_POLLS: u32 = 20;

enum Tracee {
    Guest(Arc<ThreadShared>),
    /// To end as soon as it stops.
    Dying,
}

impl Tracee {
    fn is(&self, thread: &Arc<ThreadShared>) -> bool {
        matches!(self, Tracee::Guest(own) if Arc::ptr_eq(own, thread))
    }
}

pub(super) struct Tracer {
    queue: Arc<Queue>,
    injector: Injector,
    layout: FpuLayout,
    /// Bytes of the host's whole `XSAVE` area.
    xstate_len: usize,
    seed: Pid,
    anchors: HashSet<Pid>,
    tracees: HashMap<Pid, Tracee>,
}

impl Tracer {
    pub(super) fn new(
        queue: Arc<Queue>,
        injector: Injector,
        (layout, xstate_len): (FpuLayout, usize),
        seed: Pid,
    ) -> Tracer {
        Tracer { queue, injector, layout, xstate_len, seed, anchors: HashSet::new(), tracees: HashMap::new() }
    }

    /// Serves until [`Command::Shutdown`].
    pub(super) fn run(mut self) {
        let mut idle = 0;
        loop {
            let mut busy = false;
            if self.queue.has_commands() {
                busy = true;
                for c in self.queue.take() {
                    if matches!(c, Command::Shutdown) {
                        self.shut_down();
                        return;
                    }
                    self.command(c);
                }
            }
            while let Some((pid, e)) = self.next_event() {
                busy = true;
                self.event(pid, e);
            }
            idle = if busy { 0 } else { idle + 1 };
            if idle > IDLE_POLLS {
                if let Some((pid, e)) = self.queue.sleep() {
                    self.event(pid, e);
                }
                idle = 0;
            }
        }
    }

    fn next_event(&mut self) -> Option<(Pid, Event)> {
        self.injector.stashed().or_else(|| sys::wait_any(false).ok().flatten())
    }

    fn command(&mut self, command: Command) {
        // A receiver that has gone away needs no answer.
        match command {
            Command::NewSpace { reply } => {
                // CLONE_PARENT makes this process the parent, so that a dead stub leaves no zombie with the seed.
                let anchor = self.injector.clone_of(self.seed, libc::SIGCHLD | libc::CLONE_PARENT);
                if let Ok(a) = anchor {
                    self.anchors.insert(a);
                }
                let _ = reply.send(anchor);
            }
            Command::KillSpace { anchor } => {
                if self.anchors.contains(&anchor) {
                    sys::kill(anchor);
                }
            }
            Command::Apply { anchor, ops, reply } => {
                let known = self.anchors.contains(&anchor);
                let _ = reply.send(if known {
                    apply_in_stub(&mut self.injector, anchor, &ops)
                } else {
                    Err(Errno::ESRCH)
                });
            }
            Command::Run { thread, fpu } => {
                if let Err(e) = self.start(&thread, fpu) {
                    thread.complete(Err(e), None);
                }
            }
            Command::GetFpu { tid, reply } => {
                let known = self.tracees.contains_key(&tid);
                let _ = reply.send(if known { sys::get_xstate(tid) } else { Err(Errno::ESRCH) });
            }
            Command::Exit { thread, tid } => self.exit_thread(&thread, tid),
            Command::Shutdown => {}
        }
    }

    fn start(&mut self, thread: &Arc<ThreadShared>, fpu: Option<FpuState>) -> Result<(), Errno> {
        let (anchor, mut tid, regs) = {
            let slot = lock(&thread.slot);
            (slot.anchor, slot.tid, slot.regs)
        };
        if tid == 0 {
            if !self.anchors.contains(&anchor) {
                return Err(Errno::ESRCH);
            }
            let flags = libc::CLONE_VM
                | libc::CLONE_FS
                | libc::CLONE_FILES
                | libc::CLONE_SIGHAND
                | libc::CLONE_THREAD;
            tid = self.injector.clone_of(anchor, flags | libc::CLONE_SYSVSEM)?;
            self.tracees.insert(tid, Tracee::Guest(thread.clone()));
            lock(&thread.slot).tid = tid;
        }
        if let Some(mut state) = fpu {
            self.layout.sanitize(&mut state);
            // What the host's area has beyond stays in its initial state.
            state.0.resize(self.xstate_len, 0);
            sys::set_xstate(tid, &state.0)?;
        }
        sys::set_regs(tid, &loadable(&regs))?;
        let mut slot = lock(&thread.slot);
        if core::mem::take(&mut slot.kick) {
            drop(slot);
            thread.complete(Ok(Trap::Kicked), None);
            return Ok(());
        }
        slot.live = true;
        drop(slot);
        sys::sysemu(tid)
    }

    fn exit_thread(&mut self, thread: &Arc<ThreadShared>, tid: Pid) {
        let (tid, anchor, live) = {
            let slot = lock(&thread.slot);
            (if tid < 0 { slot.tid } else { tid }, slot.anchor, slot.live && (tid < 0 || slot.tid == tid))
        };
        match self.tracees.get_mut(&tid) {
            Some(t) if t.is(thread) => *t = Tracee::Dying,
            _ => return,
        }
        if live {
            sys::tgkill(anchor, tid, sys::KICK);
        } else {
            Injector::start_exit(tid);
        }
    }

    fn event(&mut self, pid: Pid, event: Event) {
        if let Event::Exit(_) = event {
            self.anchors.remove(&pid);
            if let Some(Tracee::Guest(thread)) = self.tracees.remove(&pid) {
                lock(&thread.slot).lost = true;
                thread.complete(Err(Errno::ESRCH), None);
            }
            return;
        }
        match self.tracees.get(&pid) {
            Some(Tracee::Guest(thread)) => {
                let thread = thread.clone();
                match stopped(pid, event, &thread) {
                    Ok(Some((trap, regs))) => thread.complete(Ok(trap), Some(regs)),
                    // Nothing the guest should know of. If it is dying, its exit is reported next.
                    Ok(None) => drop(sys::sysemu(pid)),
                    Err(_) => {}
                }
            }
            Some(Tracee::Dying) => Injector::start_exit(pid),
            // The seed and the anchors stay stopped.
            None => {}
        }
    }

    fn shut_down(&mut self) {
        // Replies to what is still queued are dropped with it.
        self.queue.close();
        for pid in self.anchors.drain() {
            sys::kill(pid);
        }
        sys::kill(self.seed);
        while sys::wait_any(true).is_ok() {}
    }
}

/// What a stop of a guest thread means, or `None` to run on.
fn stopped(tid: Pid, event: Event, thread: &ThreadShared) -> Result<Option<(Trap, UserRegs)>, Errno> {
    const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;
    let Event::Stop(signal) = event else { return Ok(None) };
    match signal {
        SYSCALL_STOP => {
            let mut regs = sys::get_regs(tid)?;
            // The `syscall` instruction leaves the return address in rcx. A guest that gets there by another entry with such
            // an rcx only makes an ordinary system call.
            let native =
                regs.cs == loadable(&regs).cs && (regs.rcx == regs.rip || sys::is_native_syscall(tid));
            if native {
                return Ok(Some((Trap::Syscall, regs)));
            }
            // `int 0x80` or `sysenter`: as on a kernel without 32-bit support.
            regs.rax = regs.orig_rax;
            regs.orig_rax = u64::MAX;
            regs.rip = regs.rip.wrapping_sub(2);
            let info = ExceptionInfo {
                signal: libc::SIGSEGV,
                code: SI_KERNEL,
                addr: 0,
                trapno: 13,
                error: 0x80 * 8 + 2,
            };
            Ok(Some((Trap::Exception(info), regs)))
        }
        sys::KICK => {
            if !core::mem::take(&mut lock(&thread.slot).kick) {
                return Ok(None);
            }
            Ok(Some((Trap::Kicked, sys::get_regs(tid)?)))
        }
        libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP => {
            let (code, addr) = sys::signal_info(tid)?;
            if code <= 0 {
                return Ok(None); // sent by a process
            }
            let trap = if signal == libc::SIGSEGV && code != SI_KERNEL && code != SEGV_PKUERR {
                Trap::Fault { at: GuestAddr(addr), access: Access::UNKNOWN }
            } else {
                let trapno = trap_number(signal, code);
                let addr = if code == SI_KERNEL { 0 } else { addr };
                Trap::Exception(ExceptionInfo { signal, code, addr, trapno, error: 0 })
            };
            Ok(Some((trap, sys::get_regs(tid)?)))
        }
        _ => Ok(None),
    }
}

const SI_KERNEL: i32 = 0x80;

fn trap_number(signal: i32, code: i32) -> u64 {
    const TRAP_TRACE: i32 = 2;
    const FPE_INTDIV: i32 = 1;
    match (signal, code) {
        (libc::SIGTRAP, SI_KERNEL) => 3,
        (libc::SIGTRAP, TRAP_TRACE) => 1,
        (libc::SIGILL, _) => 6,
        (libc::SIGFPE, FPE_INTDIV) => 0,
        (libc::SIGFPE, _) => 19,
        (libc::SIGBUS, 1) => 17,
        (libc::SIGBUS, _) => 14,
        (libc::SIGSEGV, SEGV_PKUERR) => 14,
        (libc::SIGSEGV, _) => 13,
        _ => 1,
    }
}
