//! Guests that are Rust closures, run deterministically.
//!
//! A [`Sim`] is a simulated machine: it runs guest code, and is its clock and its source of randomness. All that it does follows from one
//! seed. Guest code is closures ([`Guest`]) that make system calls, access guest memory through their address space,
//! take signals by handlers that are closures, and make processes and threads that run closures. The kernel above notices no
//! difference: it maps memory, answers traps and builds signal frames as for machine code.
//!
//! [`drive`] runs a kernel on it to its end, and finds out when nobody can ever run again.

mod code;
mod drive;
mod elf;
mod guest;
mod memory;
mod rng;
mod schedule;
mod space;
mod thread;
mod trace;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;
use core::future::Future;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::host::{Clock, ClockSource, Entropy, Nanos};
use kcore::sync::{LockClass, Mutex};

use crate::{FpuState, GuestSpace, GuestThread, Platform, PlatformCaps, Sleeper, UserRegs};
use code::Code;
use schedule::Schedule;
use space::SimSpace;
use thread::SimThread;
use trace::{Event, Trace};

pub use drive::{End, Machine, Waiter, drive};
pub use guest::{Guest, SignalArgs};
pub use memory::SimMemory;
pub use rng::Rng;

static SCHEDULE: LockClass = LockClass::new("simulated schedule", 963);
static RANDOM: LockClass = LockClass::new("simulated randomness", 964);
static TRACE: LockClass = LockClass::new("trace of a simulation", 965);

/// Where the data of a simulated program is: [`DATA_LEN`] bytes, zero at its start.
pub const DATA: GuestAddr = GuestAddr(0x1000_0000);
/// Bytes of data of a simulated program.
pub const DATA_LEN: u64 = 1 << 20;
/// The restorer that handlers return to, for `rt_sigaction(2)`.
pub const RESTORER: GuestAddr = GuestAddr(0x40_0800);

/// Bytes of guest memory.
const MEMORY: u64 = 256 << 20;
/// The monotonic clock at the start, and what the real-time clock is ahead of it.
const START: Nanos = 1_000_000_000;
const EPOCH: Nanos = 1_700_000_000_000_000_000;
/// Bytes of the floating-point state: the legacy area and the header. The registers in it mean nothing to closures.
const XSAVE: usize = 576;
const X87_AND_SSE: u64 = 3;

/// A simulated machine. Clones are handles to the same one.
#[derive(Clone)]
pub struct Sim(Arc<Parts>);

struct Parts {
    seed: u64,
    caps: PlatformCaps,
    memory: Arc<SimMemory>,
    code: Code,
    clock: AtomicU64,
    threads: AtomicU64,
    schedule: Mutex<Schedule>,
    random: Mutex<Rng>,
    trace: Mutex<Trace>,
}

impl Sim {
    /// A machine whose behaviour follows from `seed`.
    ///
    /// Errors: `ENOMEM`.
    pub fn new(seed: u64) -> Result<Sim, Errno> {
        let mut rng = Rng::new(seed);
        let mut stream = || Rng::new(rng.next_u64());
        let caps = PlatformCaps {
            name: "sim",
            min_address: GuestAddr(0x1_0000),
            max_address: GuestAddr(0x7fff_ffff_f000),
            precise_faults: true,
            xsave_size: XSAVE,
            xfeatures: X87_AND_SSE,
            barrier: true,
        };
        Ok(Sim(Arc::new(Parts {
            seed,
            caps,
            memory: SimMemory::new(MEMORY)?,
            code: Code::new(),
            clock: AtomicU64::new(START),
            threads: AtomicU64::new(0),
            schedule: Mutex::new(&SCHEDULE, Schedule::new(stream())),
            random: Mutex::new(&RANDOM, stream()),
            trace: Mutex::new(&TRACE, Trace::new()),
        })))
    }
    /// What it all follows from.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }
    /// Its memory.
    pub fn memory(&self) -> Arc<SimMemory> {
        self.0.memory.clone()
    }
    /// An ELF file of a static program that runs `f` and exits with the status that it returns.
    pub fn program<F, Fut>(&self, f: F) -> Vec<u8>
    where
        F: Fn(Guest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        elf::program(self.0.code.add_program(f))
    }
    fn code(&self) -> &Code {
        &self.0.code
    }

    /// Lets the monotonic clock run ahead; it never goes back.
    pub fn advance_to(&self, now: Nanos) {
        self.0.clock.fetch_max(now, Ordering::SeqCst);
        self.add(&Event::Clock { now });
    }
    fn pass_time(&self) {
        let duration = self.0.schedule.lock().duration();
        self.0.clock.fetch_add(duration, Ordering::SeqCst);
    }
    fn preempts(&self) -> bool {
        self.0.schedule.lock().preempts()
    }
    fn hurries(&self) -> bool {
        self.0.schedule.lock().hurries()
    }
    fn choose(&self, names: &[u64]) -> usize {
        let place = self.0.schedule.lock().choose(names);
        if let Some(name) = names.get(place) {
            self.add(&Event::Turn { name: *name });
        }
        place
    }

    /// A number that two runs share if all that happened in them was the same.
    pub fn fingerprint(&self) -> u64 {
        self.0.trace.lock().fingerprint()
    }
    /// Keeps what happens from now on as lines for [`Sim::take_trace`].
    pub fn record(&self) {
        self.0.trace.lock().record();
    }
    /// Takes the lines that were kept.
    pub fn take_trace(&self) -> Vec<String> {
        self.0.trace.lock().take_lines()
    }
    /// Adds a remark to the trace.
    pub fn note(&self, text: &str) {
        self.add(&Event::Note(text));
    }
    fn add(&self, event: &Event<'_>) {
        self.0.trace.lock().add(event);
    }
    fn trace_syscall(&self, thread: u64, nr: u64, args: [u64; 6]) {
        self.add(&Event::Syscall { thread, nr, args });
    }
    fn trace_entry(&self, thread: u64, r: &UserRegs) {
        self.add(&Event::Entry { thread, rip: r.rip, rsp: r.rsp, rax: r.rax });
    }
}

impl Platform for Sim {
    fn caps(&self) -> &PlatformCaps {
        &self.0.caps
    }
    fn new_space(&self) -> Result<Arc<dyn GuestSpace>, Errno> {
        Ok(Arc::new(SimSpace::new(self.memory())))
    }
    fn new_thread(&self, space: &Arc<dyn GuestSpace>) -> Result<Box<dyn GuestThread>, Errno> {
        let number = self.0.threads.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(SimThread::new(self, own_space(space)?, number)))
    }
    /// One thread runs at a time: memory is always in order.
    fn barrier(&self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Clock for Sim {
    fn now(&self, source: ClockSource) -> Nanos {
        let now = self.0.clock.load(Ordering::SeqCst);
        match source {
            ClockSource::Monotonic => now,
            ClockSource::Realtime => now.saturating_add(EPOCH),
        }
    }
}

impl Entropy for Sim {
    fn fill(&self, dst: &mut [u8]) {
        let mut random = self.0.random.lock();
        for chunk in dst.chunks_mut(8) {
            chunk.copy_from_slice(&random.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Nobody sleeps in a simulation: who drives it lets time pass.
impl Sleeper for Sim {
    fn epoch(&self) -> u32 {
        0
    }
    fn sleep(&self, _: u32, _: Option<Nanos>, _: bool) {}
    fn wake(&self) {}
}

/// Errors: `EINVAL` if the space belongs to another platform.
fn own_space(space: &Arc<dyn GuestSpace>) -> Result<Arc<SimSpace>, Errno> {
    let any: Arc<dyn Any + Send + Sync> = space.clone();
    any.downcast::<SimSpace>().map_err(|_| Errno::EINVAL)
}

/// The state of a new thread: registers zero, exceptions masked.
fn initial_fpu() -> FpuState {
    let mut b = vec![0; XSAVE];
    b[0..2].copy_from_slice(&0x37fu16.to_le_bytes());
    b[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
    b[512] = 3;
    FpuState(b)
}
