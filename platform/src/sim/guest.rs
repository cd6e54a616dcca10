//! What a closure that stands for guest code can do.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::sync::{LockClass, Mutex};

use super::Sim;
use super::code::Ending;

static SLOT: LockClass = LockClass::new("simulated guest", 962);

/// What a signal handler gets in its registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalArgs {
    /// The signal's number.
    pub number: u64,
    /// Where the `siginfo_t` is.
    pub info: GuestAddr,
    /// Where the `ucontext_t` is.
    pub context: GuestAddr,
}

/// Something that only the thread can do for the closure.
pub(super) enum Request {
    /// Arguments, and which closure's address the call is made at, if not the caller's own.
    Syscall {
        nr: u32,
        args: [u64; 6],
        site: Option<u64>,
    },
    Memory(Memory),
    /// Lowers the stack pointer by so many bytes.
    Reserve(u64),
}

/// An access to guest memory.
pub(super) enum Memory {
    Load {
        at: u64,
        bytes: Vec<u8>,
    },
    Store {
        at: u64,
        bytes: Vec<u8>,
    },
    /// Replaces a word by what the function makes of it, if it makes something.
    Update {
        at: u64,
        f: Box<dyn Fn(u32) -> Option<u32> + Send>,
    },
}

pub(super) enum Answer {
    Value(u64),
    Bytes(Vec<u8>),
}

#[derive(Default)]
struct Slot {
    request: Option<Request>,
    answer: Option<Answer>,
}

/// The processor, as a closure that stands for guest code sees it: one for each closure that runs.
///
/// A closure waits for nothing but these methods, and for one of them at a time.
#[derive(Clone)]
pub struct Guest {
    sim: Sim,
    slot: Arc<Mutex<Slot>>,
}

impl Guest {
    pub(super) fn new(sim: &Sim) -> Guest {
        Guest { sim: sim.clone(), slot: Arc::new(Mutex::new(&SLOT, Slot::default())) }
    }
    pub(super) fn take_request(&self) -> Option<Request> {
        self.slot.lock().request.take()
    }
    pub(super) fn answer(&self, answer: Answer) {
        self.slot.lock().answer = Some(answer);
    }

    /// The simulation in which it runs.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }
    /// Makes a system call. Errors: the kernel's.
    pub async fn syscall<const N: usize>(&self, nr: u32, args: [u64; N]) -> Result<u64, Errno> {
        self.syscall_at(nr, args, None).await
    }
    async fn syscall_at<const N: usize>(
        &self,
        nr: u32,
        args: [u64; N],
        site: Option<u64>,
    ) -> Result<u64, Errno> {
        let mut all = [0; 6];
        all.iter_mut().zip(args).for_each(|(to, from)| *to = from);
        match self.ask(Request::Syscall { nr, args: all, site }).await {
            Answer::Value(v) => decode(v),
            Answer::Bytes(_) => Err(Errno::ENOSYS),
        }
    }
    /// Makes a system call that makes a process, which runs `child` and exits with the status that it returns. `args` are those of the call
    /// `nr` (`clone`, `clone3`, `fork`, `vfork`). Returns the child's number. Errors: the kernel's.
    pub async fn make_process<const N: usize, F, Fut>(
        &self,
        nr: u32,
        args: [u64; N],
        child: F,
    ) -> Result<u64, Errno>
    where
        F: FnOnce(Guest) -> Fut + Send + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        let at = self.sim.code().add_child(child, Ending::Process);
        self.make_task(nr, args, at).await
    }
    /// As [`Guest::make_process`], but when `child` returns, only its thread ends.
    pub async fn make_thread<const N: usize, F, Fut>(
        &self,
        nr: u32,
        args: [u64; N],
        child: F,
    ) -> Result<u64, Errno>
    where
        F: FnOnce(Guest) -> Fut + Send + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        let at = self.sim.code().add_child(child, Ending::Thread);
        self.make_task(nr, args, at).await
    }
    async fn make_task<const N: usize>(&self, nr: u32, args: [u64; N], at: u64) -> Result<u64, Errno> {
        let made = self.syscall_at(nr, args, Some(at)).await;
        if made.is_err() {
            self.sim.code().remove(at);
        }
        made
    }
    /// The address of a signal handler that runs `f`, for `rt_sigaction(2)`; the restorer is [`RESTORER`](super::RESTORER).
    pub fn handler<F, Fut>(&self, f: F) -> GuestAddr
    where
        F: Fn(Guest, SignalArgs) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        GuestAddr(self.sim.code().add_handler(f))
    }

    /// Takes `len` bytes, aligned to 16, off the stack until the closure ends. Whatever they held is still there.
    pub async fn reserve(&self, len: u64) -> GuestAddr {
        match self.ask(Request::Reserve(len)).await {
            Answer::Value(sp) => GuestAddr(sp),
            Answer::Bytes(_) => GuestAddr::NULL,
        }
    }
    /// Loads `len` bytes.
    pub async fn load(&self, at: GuestAddr, len: usize) -> Vec<u8> {
        match self.ask(Request::Memory(Memory::Load { at: at.0, bytes: vec![0; len] })).await {
            Answer::Bytes(b) => b,
            Answer::Value(_) => Vec::new(),
        }
    }
    /// Stores bytes.
    pub async fn store(&self, at: GuestAddr, bytes: &[u8]) {
        self.ask(Request::Memory(Memory::Store { at: at.0, bytes: bytes.to_vec() })).await;
    }
    /// Loads a word.
    pub async fn load_u32(&self, at: GuestAddr) -> u32 {
        self.update_u32(at, |_| None).await
    }
    /// Stores a word.
    pub async fn store_u32(&self, at: GuestAddr, value: u32) {
        self.store(at, &value.to_le_bytes()).await;
    }
    /// Loads a double word.
    pub async fn load_u64(&self, at: GuestAddr) -> u64 {
        self.load(at, 8).await.try_into().map_or(0, u64::from_le_bytes)
    }
    /// Stores a double word.
    pub async fn store_u64(&self, at: GuestAddr, value: u64) {
        self.store(at, &value.to_le_bytes()).await;
    }
    /// Replaces a word in one step by what `f` makes of it, unless that is `None`. Returns what it was.
    pub async fn update_u32(&self, at: GuestAddr, f: impl Fn(u32) -> Option<u32> + Send + 'static) -> u32 {
        match self.ask(Request::Memory(Memory::Update { at: at.0, f: Box::new(f) })).await {
            Answer::Value(v) => u32::try_from(v).unwrap_or(0),
            Answer::Bytes(_) => 0,
        }
    }

    fn ask(&self, request: Request) -> Asked<'_> {
        Asked { guest: self, request: Some(request) }
    }
}

/// What a system call returned in its register.
fn decode(value: u64) -> Result<u64, Errno> {
    let error = i32::try_from(value.cast_signed()).ok().and_then(i32::checked_neg).and_then(Errno::from_raw);
    error.map_or(Ok(value), Err)
}

struct Asked<'a> {
    guest: &'a Guest,
    request: Option<Request>,
}

impl Future for Asked<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        let mut slot = self.guest.slot.lock();
        if let Some(request) = self.request.take() {
            assert!(slot.request.is_none(), "a guest thread does one thing at a time");
            slot.request = Some(request);
            return Poll::Pending;
        }
        slot.answer.take().map_or(Poll::Pending, Poll::Ready)
    }
}
