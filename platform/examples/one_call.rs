//! Runs three machine instructions and answers the system call that they make:
//! `cargo run -p picket-platform --example one_call`.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use kcore::host::MemoryFile;
use platform::host::HostMemory;
use platform::ptrace::PtracePlatform;
use platform::{Access, MapOp, Platform, Registers, Trap, UserRegs};

const CODE: u64 = 0x40_0000;
const PAGE: u64 = 4096;

/// `mov eax, 39; syscall; hlt`: `getpid`, and an instruction that a guest may not use.
const PROGRAM: [u8; 8] = [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xf4];

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // All guest memory is one file; its first page becomes the guest's code.
    let memory = HostMemory::with_len(1 << 20)?;
    for (i, byte) in PROGRAM.iter().enumerate() {
        // SAFETY: the file is a mebibyte long and mapped whole, and no guest runs yet.
        unsafe { memory.base().add(i).write_volatile(*byte) };
    }
    let platform = PtracePlatform::new(&memory)?;
    let space = platform.new_space()?;
    let range = GuestRange::from_len(GuestAddr(CODE), PAGE).ok_or("the page has no place")?;
    let access = Access::READ | Access::EXEC;
    space.apply(&[MapOp::Map { range, offset: FileOffset(0), access, populate: false, private: true }])?;

    let mut thread = platform.new_thread(&space)?;
    let mut regs = Registers::from(UserRegs { rip: CODE, ..UserRegs::default() });
    loop {
        match block_on(poll_fn(|cx| thread.poll_run(cx, &mut regs)))? {
            Trap::Syscall => {
                println!("system call {}: answered with 7", regs.number());
                regs.set_result(7);
            }
            other => {
                println!("{other:?} with {:#x?}", regs.get());
                return Ok(());
            }
        }
    }
}
