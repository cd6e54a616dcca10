//! Guest threads of `systrap` that wait leave their host threads to others: nobody may notice.
#![cfg(feature = "systrap")]

mod common;
#[path = "common/landlord.rs"]
mod landlord;
#[path = "common/peek.rs"]
mod peek;

use std::arch::{global_asm, is_x86_feature_detected};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use abi::Errno;
use common::{block_on, poke};
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use landlord::Generous;
use peek::peek;
use platform::host::HostMemory;
use platform::systrap::{SystrapPlatform, SystrapSpace};
use platform::{Access, GuestSpace, GuestThread, Kick, MapOp, Platform, Registers, Trap, UserRegs};

const CODE: u64 = 0x40_0000;
const PATTERNS: u64 = 0x60_0000;
const RESULTS: u64 = PATTERNS + PAGE;
const PAGE: u64 = 4096;
/// Bytes of a thread's pattern, and of its results.
const PATTERN: u64 = 256;
const RESULT: u64 = 64;

// rdi: the thread's pattern, rsi: its results, r13: whether there are 512-bit registers. Loads registers from the pattern, then calls the
// kernel by an instruction that can be rewritten and by one that cannot, and after each counts in [rsi] or, if a register has
// changed, in [rsi + 8].
global_asm!(
    ".pushsection .rodata.seat_guest,\"a\",@progbits",
    "seat_guest_begin:",
    "movups xmm1, [rdi]",
    "movups xmm15, [rdi + 16]",
    "ldmxcsr [rdi + 192]",
    "fld qword ptr [rdi + 200]",
    "test r13, r13",
    "jz 2f",
    "vmovdqu64 zmm0, [rdi]",
    "vmovdqu64 zmm17, [rdi + 64]",
    "vmovdqu64 zmm31, [rdi + 128]",
    "kmovq k3, [rdi + 208]",
    "2:",
    "mov eax, 39",
    "syscall",
    "call 3f",
    "mov r14d, 39",
    "xchg r14d, eax",
    "syscall",
    "call 3f",
    "jmp 2b",
    "3:",
    "movups xmm2, [rdi]",
    "pcmpeqd xmm2, xmm1",
    "movups xmm3, [rdi + 16]",
    "pcmpeqd xmm3, xmm15",
    "pand xmm2, xmm3",
    "pmovmskb eax, xmm2",
    "cmp eax, 0xffff",
    "jne 5f",
    "stmxcsr [rsi + 24]",
    "mov eax, [rsi + 24]",
    "cmp eax, [rdi + 192]",
    "jne 5f",
    "fst qword ptr [rsi + 32]",
    "mov rax, [rsi + 32]",
    "cmp rax, [rdi + 200]",
    "jne 5f",
    "test r13, r13",
    "jz 4f",
    "vpcmpeqb k1, zmm0, [rdi]",
    "kortestq k1, k1",
    "jnc 5f",
    "vpcmpeqb k1, zmm17, [rdi + 64]",
    "kortestq k1, k1",
    "jnc 5f",
    "vpcmpeqb k1, zmm31, [rdi + 128]",
    "kortestq k1, k1",
    "jnc 5f",
    "kmovq rax, k3",
    "cmp rax, [rdi + 208]",
    "jne 5f",
    "4:",
    "inc qword ptr [rsi]",
    "ret",
    "5:",
    "inc qword ptr [rsi + 8]",
    "ret",
    "seat_guest_end:",
    ".popsection",
);

unsafe extern "C" {
    static seat_guest_begin: u8;
    static seat_guest_end: u8;
}

struct Rig {
    memory: Arc<HostMemory>,
    platform: Arc<dyn Platform>,
    space: Arc<dyn GuestSpace>,
    wide: bool,
}

/// A thread with its pattern.
struct Guest {
    thread: Box<dyn GuestThread>,
    kick: Arc<dyn Kick>,
    regs: Registers,
    number: u64,
    /// What is at the beginning of its pattern.
    pattern: [u8; 16],
}

fn rig() -> Rig {
    let memory = HostMemory::with_len(1 << 30).unwrap();
    // SAFETY: the assembly between the two symbols is never written and lives as long as the program.
    let code = unsafe {
        let begin = &raw const seat_guest_begin;
        core::slice::from_raw_parts(begin, (&raw const seat_guest_end).addr() - begin.addr())
    };
    poke(&memory, 0, code);
    let platform: Arc<dyn Platform> = SystrapPlatform::new(&memory).unwrap();
    let space = platform.new_space().unwrap();
    space.set_landlord(Box::new(Generous));
    let map = |start: u64, offset: u64, access: Access| MapOp::Map {
        range: GuestRange::from_len(GuestAddr(start), PAGE).unwrap(),
        offset: FileOffset(offset),
        access,
        populate: false,
        private: true,
    };
    let (code, data) = (Access::READ | Access::EXEC, Access::READ | Access::WRITE);
    let pages = [map(CODE, 0, code), map(PATTERNS, PAGE, data), map(RESULTS, 2 * PAGE, data)];
    space.apply(&pages).unwrap();
    let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    Rig { memory, platform, space, wide }
}

impl Rig {
    fn guest(&self, number: u64) -> Guest {
        let mut pattern = [0u8; PATTERN as usize];
        let mut random = Random(number + 1);
        pattern.fill_with(|| random.below(256) as u8);
        // All exceptions masked, and a rounding mode of its own.
        let mxcsr = 0x1f80 | (number as u32 % 4) << 13;
        pattern[192..196].copy_from_slice(&mxcsr.to_le_bytes());
        pattern[200..208].copy_from_slice(&(number as f64 + 0.25).to_le_bytes());
        poke(&self.memory, PAGE + number * PATTERN, &pattern);
        let thread = self.platform.new_thread(&self.space).unwrap();
        let results = RESULTS + number * RESULT;
        let regs = UserRegs {
            rip: CODE,
            eflags: 0x202,
            rsp: results + RESULT,
            rdi: PATTERNS + number * PATTERN,
            rsi: results,
            r13: u64::from(self.wide),
            fs_base: 0x7000_0000 + number,
            rbx: number,
            ..UserRegs::default()
        };
        Guest {
            kick: thread.kicker(),
            thread,
            regs: regs.into(),
            number,
            pattern: pattern[..16].try_into().unwrap(),
        }
    }

    fn run(&self, g: &mut Guest) -> Trap {
        let trap = block_on(&self.platform, poll_fn(|cx| g.thread.poll_run(cx, &mut g.regs))).unwrap();
        g.trapped(trap);
        trap
    }

    /// How often a thread has found its registers unchanged, and how often not.
    fn counts(&self, number: u64) -> (u64, u64) {
        let word = |at: u64| {
            let at = 2 * PAGE + number * RESULT + at;
            (0..8).fold(0, |n, i| n | u64::from(peek(&self.memory, at + i)) << (8 * i))
        };
        (word(0), word(8))
    }

    fn host_threads(&self) -> usize {
        let space = (&*self.space as &dyn core::any::Any).downcast_ref::<SystrapSpace>().unwrap();
        std::fs::read_dir(format!("/proc/{}/task", space.stub_pid())).unwrap().count()
    }
}

impl Guest {
    fn trapped(&mut self, trap: Trap) {
        match trap {
            Trap::Syscall => self.regs.set_result(0),
            Trap::Kicked => {}
            other => panic!("{other:?} with {:x?}", self.regs),
        }
    }

    /// Its general registers are its own, wherever they are now.
    fn look_at_registers(&self) {
        let regs = self.regs.get();
        assert_eq!((regs.rbx, regs.fs_base), (self.number, 0x7000_0000 + self.number));
    }

    fn look_at_state(&mut self) {
        let state = &self.thread.fpu().0;
        // xmm1 and the rounding mode.
        assert_eq!(state[176..192], self.pattern);
        assert_eq!(u64::from(state[25] >> 5 & 3), self.number % 4);
    }
}

/// The generator xorshift64.
struct Random(u64);
impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }
}

#[test]
fn registers_follow_their_thread() {
    let r = rig();
    let mut random = Random(4711);
    let mut guests: Vec<Guest> = (0..8).map(|n| r.guest(n)).collect();
    guests.iter_mut().for_each(|g| assert_eq!(r.run(g), Trap::Syscall));
    for _ in 0..3000 {
        // Some run at the same time.
        let first = random.below(8) as usize;
        let group = [first, (first + 3) % 8, (first + 5) % 8];
        let group = &group[..1 + random.below(3) as usize];
        let mut pending = Vec::new();
        for i in group {
            let g = &mut guests[*i];
            match random.below(32) {
                0 => g.kick.kick(),
                1..4 => g.look_at_state(),
                6..12 => g.look_at_registers(),
                // As they are, but not known to be that.
                12 => _ = g.regs.get_mut(),
                4 => {
                    // The kernel changes what the thread will find.
                    let state = g.thread.fpu();
                    state.0[24..28].copy_from_slice(&(0x1f80u32 | (g.number as u32 % 4) << 13).to_le_bytes());
                }
                5 => std::thread::sleep(Duration::from_micros(random.below(200))),
                _ => {}
            }
            match g.thread.poll_run(&mut Context::from_waker(Waker::noop()), &mut g.regs) {
                Poll::Pending => pending.push(*i),
                Poll::Ready(trap) => g.trapped(trap.unwrap()),
            }
        }
        for i in pending {
            if random.below(16) == 0 {
                guests[i].kick.kick();
            }
            r.run(&mut guests[i]);
        }
        for i in group {
            if random.below(4) > 0 {
                guests[*i].kick.rest();
            }
            if random.below(4) == 0 {
                guests[*i].look_at_registers();
            }
        }
    }
    for g in &mut guests {
        g.look_at_state();
        g.look_at_registers();
        let (kept, lost) = r.counts(g.number);
        assert!(kept > 100 && lost == 0, "thread {}: {kept} {lost}", g.number);
    }
}

#[test]
fn threads_that_wait_need_no_seat() {
    let r = rig();
    let mut guests: Vec<Guest> = (0..60).map(|n| r.guest(n % 16)).collect();
    for _ in 0..2 {
        for g in &mut guests {
            assert_eq!(r.run(g), Trap::Syscall);
            g.kick.rest();
        }
    }
    assert!(r.host_threads() < 35, "{}", r.host_threads());
    // They all have their registers.
    guests.iter_mut().for_each(Guest::look_at_state);
    guests.iter().for_each(Guest::look_at_registers);
    // All at once need one each.
    for g in &mut guests {
        assert!(matches!(r.run(g), Trap::Syscall));
    }
    assert!(r.host_threads() >= 60);
}

#[test]
fn a_thread_may_go_while_its_seat_is_taken() {
    let r = rig();
    let mut stays = r.guest(0);
    for n in 1..10 {
        let mut goes = r.guest(n);
        assert_eq!(r.run(&mut goes), Trap::Syscall);
        goes.kick.rest();
        assert_eq!(r.run(&mut stays), Trap::Syscall);
        if n % 3 == 0 {
            stays.kick.rest();
        }
        if n % 2 == 0 {
            // As by `execve`: its old registers are gone.
            let other = r.platform.new_space().unwrap();
            goes.thread.set_space(&other).unwrap();
            goes.look_at_registers();
            assert_eq!(goes.thread.fpu().0[176..192], [0; 16]);
        }
        goes.kick.kick();
    }
    stays.look_at_state();
    assert_eq!(r.counts(0).1, 0);
}

#[test]
fn a_lost_stub_is_told_to_those_without_a_seat() {
    let r = rig();
    let mut guests: Vec<Guest> = (0..4).map(|n| r.guest(n)).collect();
    for g in &mut guests {
        assert_eq!(r.run(g), Trap::Syscall);
        g.kick.rest();
    }
    let space = (&*r.space as &dyn core::any::Any).downcast_ref::<SystrapSpace>().unwrap();
    // SAFETY: the call takes no pointers.
    unsafe { libc::kill(space.stub_pid(), libc::SIGKILL) };
    std::thread::sleep(Duration::from_millis(20));
    for g in &mut guests {
        let trap = block_on(&r.platform, poll_fn(|cx| g.thread.poll_run(cx, &mut g.regs)));
        assert_eq!(trap, Err(Errno::ESRCH));
        g.kick.rest();
    }
}
