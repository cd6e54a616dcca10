//! A platform without a processor: guest threads trap for the next system call of the script.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use abi::Errno;
use kcore::addr::GuestAddr;
use platform::{
    FpuState, GuestSpace, GuestThread, Kick, MapOp, Platform, PlatformCaps, Registers, Trap, UserRegs,
};

use super::{ARENA, Call, Script};

const WAIT4: u64 = 61;
const FORK: u64 = 57;
const EXIT_GROUP: u64 = 231;
/// The `syscall` instruction that all calls come from.
const SITE: u64 = ARENA;
/// Traps of the whole sandbox after which the script is over.
const MAX_TRAPS: usize = 500;
const XSAVE: usize = 832;

/// What all guest threads share.
pub(super) struct Shared {
    script: Mutex<(Script, [u64; 8])>,
    traps: AtomicUsize,
    threads: AtomicUsize,
}

impl Shared {
    pub(super) fn new(script: Script) -> Arc<Shared> {
        Arc::new(Shared {
            script: Mutex::new((script, [0; 8])),
            traps: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
        })
    }
    /// The next call of a thread whose last one gave `result`.
    fn next(&self, result: Option<u64>) -> Call {
        let mut guard = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let (script, results) = &mut *guard;
        if let Some(result) = result {
            results.rotate_right(1);
            results[0] = result;
        }
        let over = self.traps.fetch_add(1, Ordering::Relaxed) > MAX_TRAPS;
        let next = if over { None } else { script(results) };
        next.unwrap_or(Call { nr: EXIT_GROUP, args: [0; 6] })
    }
}

pub(super) struct Scripted {
    shared: Arc<Shared>,
    caps: PlatformCaps,
}

impl Scripted {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Scripted> {
        let caps = PlatformCaps {
            name: "scripted",
            min_address: GuestAddr(ARENA),
            max_address: GuestAddr(0x7fff_ffff_f000),
            precise_faults: true,
            xsave_size: XSAVE,
            xfeatures: 7,
            barrier: false,
        };
        Arc::new(Scripted { shared, caps })
    }
}

impl Platform for Scripted {
    fn caps(&self) -> &PlatformCaps {
        &self.caps
    }
    fn new_space(&self) -> Result<Arc<dyn GuestSpace>, Errno> {
        Ok(Arc::new(Space))
    }
    fn new_thread(&self, _: &Arc<dyn GuestSpace>) -> Result<Box<dyn GuestThread>, Errno> {
        let is_init = self.shared.threads.fetch_add(1, Ordering::Relaxed) == 0;
        Ok(Box::new(Thread {
            shared: self.shared.clone(),
            is_init,
            calls: 0,
            running: false,
            kick: Arc::default(),
            fpu: FpuState(vec![0; XSAVE]),
        }))
    }
}

struct Space;

impl GuestSpace for Space {
    fn apply(&self, _: &[MapOp]) -> Result<(), Errno> {
        Ok(())
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Kick for Flag {
    fn kick(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Thread {
    shared: Arc<Shared>,
    is_init: bool,
    calls: usize,
    running: bool,
    kick: Arc<Flag>,
    fpu: FpuState,
}

impl Thread {
    /// Init makes one child, which runs the script, and waits until there is none.
    fn init_call(&self, regs: &UserRegs) -> Call {
        let nr = match self.calls {
            0 => FORK,
            // With children that it need not wait for, a wait ends with an error, too.
            n if n > 1 && regs.rax == Errno::ECHILD.to_ret() => EXIT_GROUP,
            _ => WAIT4,
        };
        // Of any child, and of those that are clones: `__WALL`.
        let args = if nr == WAIT4 { [u64::MAX, 0, 0x4000_0000, 0, 0, 0] } else { [0; 6] };
        Call { nr, args }
    }
}

impl GuestThread for Thread {
    fn poll_run(&mut self, cx: &mut Context<'_>, regs: &mut Registers) -> Poll<Result<Trap, Errno>> {
        // Each call takes two polls, so that all threads get their turn.
        self.running = !self.running;
        if self.running {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.kick.0.swap(false, Ordering::Relaxed) {
            return Poll::Ready(Ok(Trap::Kicked));
        }
        let regs = regs.get_mut();
        let restarted = regs.rip == SITE && self.calls > 0;
        if !restarted {
            let call = if self.is_init {
                self.init_call(regs)
            } else {
                self.shared.next((self.calls > 0).then_some(regs.rax))
            };
            [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = call.args;
            regs.rax = call.nr;
            self.calls += 1;
        }
        regs.orig_rax = regs.rax;
        regs.rax = Errno::ENOSYS.to_ret();
        regs.rip = SITE + 2;
        Poll::Ready(Ok(Trap::Syscall))
    }
    fn kicker(&self) -> Arc<dyn Kick> {
        self.kick.clone()
    }
    fn fpu(&mut self) -> &mut FpuState {
        &mut self.fpu
    }
    fn reset_fpu(&mut self) {
        self.fpu = FpuState(vec![0; XSAVE]);
    }
    fn set_space(&mut self, _: &Arc<dyn GuestSpace>) -> Result<(), Errno> {
        self.reset_fpu();
        Ok(())
    }
}
