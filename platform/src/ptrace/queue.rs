//! Commands to the tracer, and how it sleeps until there is a command or an event.
//!
//! The tracer sleeps in `wait4`, which waits for nothing but children. A sender interrupts it with a signal. The signal may come
//! after the tracer's last look at the queue but before it is in the host's kernel; then the handler sees from the interrupted
//! instruction pointer that the call has not begun, and moves it past the call. So no wake-up is lost and no event either.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, Once};

use abi::Errno;

use super::lock;
use super::sys::{Event, Pid, tgkill};
use super::thread::ThreadShared;
use crate::{FpuState, MapOp};

pub(super) enum Command {
    NewSpace { reply: SyncSender<Result<Pid, Errno>> },
    KillSpace { anchor: Pid },
    Apply { anchor: Pid, ops: Vec<MapOp>, reply: SyncSender<Result<(), Errno>> },
    Run { thread: Arc<ThreadShared>, fpu: Option<FpuState> },
    GetFpu { tid: Pid, reply: SyncSender<Result<Vec<u8>, Errno>> },
    Exit { thread: Arc<ThreadShared>, tid: Pid },
    Shutdown,
}

#[derive(Default)]
pub(super) struct Queue {
    commands: Mutex<VecDeque<Command>>,
    closed: AtomicBool,
    posted: AtomicBool,
    sleeping: AtomicBool,
    tracer: AtomicI32,
}

thread_local! {
    // Set by the signal handler in the tracer's thread.
    static RUNG: AtomicU32 = const { AtomicU32::new(0) };
}

core::arch::global_asm!(
    ".pushsection .text.picket_wait4,\"ax\",@progbits",
    ".hidden picket_wait4",
    ".globl picket_wait4",
    ".type picket_wait4,@function",
    "picket_wait4:", // rdi: the flag, rsi: status, rdx: options
    "mov r8, rdi",
    "mov rdi, -1",
    "xor r10d, r10d",
    ".hidden picket_wait4_begin",
    ".globl picket_wait4_begin",
    "picket_wait4_begin:",
    "cmp dword ptr [r8], 0",
    "jne picket_wait4_abort",
    "mov eax, 61",
    "syscall",
    ".hidden picket_wait4_end",
    ".globl picket_wait4_end",
    "picket_wait4_end:",
    "ret",
    ".hidden picket_wait4_abort",
    ".globl picket_wait4_abort",
    "picket_wait4_abort:",
    "mov rax, -4",
    "ret",
    ".size picket_wait4, .-picket_wait4",
    ".popsection",
);

unsafe extern "C" {
    fn picket_wait4(flag: *const u32, status: *mut i32, options: i32) -> i64;
    fn picket_wait4_begin();
    fn picket_wait4_end();
    fn picket_wait4_abort();
}

fn doorbell() -> i32 {
    libc::SIGRTMIN() + 5
}

extern "C" fn on_doorbell(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    RUNG.with(|f| f.store(1, Ordering::Relaxed));
    let (begin, end) = (picket_wait4_begin as *const () as i64, picket_wait4_end as *const () as i64);
    // SAFETY: the host passes a valid `ucontext_t` to a handler installed with `SA_SIGINFO`, and nothing else refers to it.
    let rip = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RIP as usize] };
    if begin <= *rip && *rip < end {
        *rip = picket_wait4_abort as *const () as i64;
    }
}

fn install_doorbell() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: all-zero bytes are a valid `sigaction` without flags.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        action.sa_sigaction = on_doorbell as *const () as usize;
        // Without SA_RESTART, so that the call ends with EINTR.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler only touches a lock-free thread-local word and its own context.
        unsafe { libc::sigaction(doorbell(), &raw const action, core::ptr::null_mut()) };
    });
}

impl Queue {
    /// Called by the tracer's thread before anything else.
    pub(super) fn adopt(&self) {
        install_doorbell();
        // SAFETY: all-zero bytes are a valid signal set, and the pointers are to it.
        unsafe {
            let mut set: libc::sigset_t = core::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, doorbell());
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, core::ptr::null_mut());
            self.tracer.store(libc::gettid(), Ordering::SeqCst);
        }
    }

    /// Posts a command. When the tracer has ended the command is dropped, and with it its reply channel; then the result is false.
    pub(super) fn post(&self, command: Command) -> bool {
        {
            let mut q = lock(&self.commands);
            if self.closed.load(Ordering::Relaxed) {
                return false;
            }
            q.push_back(command);
            self.posted.store(true, Ordering::SeqCst);
        }
        if self.sleeping.swap(false, Ordering::SeqCst) {
            // SAFETY: the call takes no pointers.
            let pid = unsafe { libc::getpid() };
            tgkill(pid, self.tracer.load(Ordering::SeqCst), doorbell());
        }
        true
    }

    pub(super) fn has_commands(&self) -> bool {
        self.posted.load(Ordering::SeqCst)
    }

    pub(super) fn take(&self) -> VecDeque<Command> {
        let mut q = lock(&self.commands);
        self.posted.store(false, Ordering::SeqCst);
        core::mem::take(&mut *q)
    }

    /// Drops what is queued and all that comes later.
    pub(super) fn close(&self) {
        let dropped = {
            let mut q = lock(&self.commands);
            self.closed.store(true, Ordering::Relaxed);
            core::mem::take(&mut *q)
        };
        drop(dropped);
    }

    /// Sleeps until a tracee has an event, which is returned, or a command was posted. May return early. Only for the tracer.
    pub(super) fn sleep(&self) -> Option<(Pid, Event)> {
        RUNG.with(|rung| {
            rung.store(0, Ordering::SeqCst);
            self.sleeping.store(true, Ordering::SeqCst);
            let mut status = 0;
            let mut pid = 0;
            if !self.has_commands() {
                // SAFETY: both pointers are valid for the call; the assembly keeps to the C calling convention.
                pid =
                    unsafe { picket_wait4(rung.as_ptr(), &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            }
            self.sleeping.store(false, Ordering::SeqCst);
            (pid > 0).then(|| (pid as Pid, Event::decode(status)))
        })
    }
}
