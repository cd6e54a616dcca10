//! Stubs of `systrap` whose spaces have ended: which are used again, and in what state.
#![cfg(feature = "systrap")]

mod common;
#[path = "common/peek.rs"]
mod peek;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{block_on, poke};
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use peek::peek;
use platform::host::HostMemory;
use platform::systrap::{SystrapPlatform, SystrapSpace};
use platform::{Access, GuestSpace, GuestThread, MapOp, Platform, Registers, Trap, UserRegs};

const CODE: u64 = 0x40_0000;
const DATA: u64 = 0x60_0000;
const PAGE: u64 = 4096;

/// `mov byte ptr [rdi], 1; syscall`.
const CALL: [u8; 5] = [0xc6, 0x07, 1, 0x0f, 0x05];

/// Tells the sentry of a system call by the words of its area, but does not wait there: it finds a `syscall` instruction in the stub's code,
/// at `rbx`, and sleeps by that at a word of its own choice, at `r12`.
const LIAR: [u8; 66] = [
    0x66, 0x81, 0x3b, 0x0f, 0x05, // cmp word ptr [rbx], 0x050f
    0x74, 0x05, // je found
    0x48, 0xff, 0xc3, // inc rbx
    0xeb, 0xf4, // jmp to the beginning
    0x65, 0xc7, 0x04, 0x25, 4, 0, 0, 0, 0, 0, 0, 0, // found: mov dword ptr gs:[REASON], REASON_CALL
    0x65, 0x48, 0xc7, 0x04, 0x25, 8, 0, 0, 0, 231, 0, 0, 0, // mov qword ptr gs:[C_RAX], 231
    0x65, 0xc7, 0x04, 0x25, 0, 0, 0, 0, 4, 0, 0, 0, // mov dword ptr gs:[AREA_STATE], STATE_FAST
    0xb8, 0xca, 0, 0, 0, // mov eax, 202 (futex)
    0x31, 0xf6, // xor esi, esi (FUTEX_WAIT)
    0x31, 0xd2, // xor edx, edx
    0x45, 0x31, 0xd2, // xor r10d, r10d
    0x4c, 0x89, 0xe7, // mov rdi, r12
    0xff, 0xe3, // jmp rbx
];
/// Offset, in the stub's part, of a word that nobody uses and every guest can read.
const WORD: u64 = 0x4800;

fn range(start: u64) -> GuestRange {
    GuestRange::from_len(GuestAddr(start), PAGE).unwrap()
}

fn map(start: u64, offset: u64, access: Access) -> MapOp {
    MapOp::Map { range: range(start), offset: FileOffset(offset), access, populate: false, private: true }
}

fn start(code: &[u8]) -> (Arc<dyn Platform>, Arc<HostMemory>) {
    let memory = HostMemory::with_len(1 << 30).unwrap();
    poke(&memory, 0, code);
    (SystrapPlatform::new(&memory).unwrap(), memory)
}

fn space_with_code(platform: &Arc<dyn Platform>) -> Arc<dyn GuestSpace> {
    let space = platform.new_space().unwrap();
    let ops = [map(CODE, 0, Access::READ | Access::EXEC), map(DATA, PAGE, Access::READ | Access::WRITE)];
    space.apply(&ops).unwrap();
    space
}

fn run(
    platform: &Arc<dyn Platform>,
    space: &Arc<dyn GuestSpace>,
    regs: &mut UserRegs,
) -> (Box<dyn GuestThread>, Trap) {
    let mut thread = platform.new_thread(space).unwrap();
    let mut all = Registers::from(*regs);
    let trap = block_on(platform, poll_fn(|cx| thread.poll_run(cx, &mut all))).unwrap();
    *regs = all.get();
    (thread, trap)
}

fn at_code() -> UserRegs {
    UserRegs { rip: CODE, rdi: DATA, eflags: 0x202, rsp: DATA + PAGE, ..UserRegs::default() }
}

fn stub_pid(s: &Arc<dyn GuestSpace>) -> i32 {
    (&**s as &dyn core::any::Any).downcast_ref::<SystrapSpace>().unwrap().stub_pid()
}

fn lives(pid: i32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Makes spaces until `f` says that there is what it looks for.
fn eventually(platform: &Arc<dyn Platform>, mut f: impl FnMut(Arc<dyn GuestSpace>) -> bool) {
    let start = Instant::now();
    while !f(platform.new_space().unwrap()) {
        assert!(start.elapsed() < Duration::from_secs(10), "never");
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn an_emptied_stub_is_used_again() {
    let (platform, memory) = start(&CALL);
    let space = space_with_code(&platform);
    let (thread, trap) = run(&platform, &space, &mut at_code());
    assert_eq!(trap, Trap::Syscall);
    drop(thread);
    let pid = stub_pid(&space);
    let freed = Arc::new(AtomicBool::new(false));
    let all = GuestRange::new(GuestAddr(CODE), GuestAddr(DATA + PAGE)).unwrap();
    space.end(all, PAGE, Box::new(Dropped(freed.clone())));
    drop(space);
    eventually(&platform, |space| {
        if stub_pid(&space) != pid {
            return false;
        }
        assert!(freed.load(Ordering::SeqCst));
        assert_eq!(peek(&memory, PAGE), 1);
        let mut regs = UserRegs { rbx: 7, ..at_code() };
        let (_thread, trap) = run(&platform, &space, &mut regs);
        assert_eq!(trap, Trap::Fault { at: GuestAddr(CODE), access: Access::EXEC });
        assert_eq!((regs.rbx, regs.rax, regs.fs_base, regs.gs_base), (7, 0, 0, 0));
        true
    });
}

#[test]
fn a_stub_with_a_thread_that_has_lied_is_not() {
    let (platform, _memory) = start(&LIAR);
    let space = space_with_code(&platform);
    let stub = platform.caps().max_address.0;
    let mut regs = UserRegs { rbx: stub, r12: stub + WORD, ..at_code() };
    let (thread, trap) = run(&platform, &space, &mut regs);
    assert_eq!((trap, regs.rax), (Trap::Syscall, 231));
    // It gets there.
    std::thread::sleep(Duration::from_millis(50));
    drop(thread);
    let pid = stub_pid(&space);
    drop(space);
    eventually(&platform, |space| {
        assert_ne!(stub_pid(&space), pid);
        !lives(pid)
    });
}

#[test]
fn a_stub_that_has_had_several_threads_is() {
    let (platform, _memory) = start(&CALL);
    let space = space_with_code(&platform);
    let pid = stub_pid(&space);
    let threads = [run(&platform, &space, &mut at_code()), run(&platform, &space, &mut at_code())];
    drop(threads);
    drop(space);
    eventually(&platform, |space| stub_pid(&space) == pid);
}
