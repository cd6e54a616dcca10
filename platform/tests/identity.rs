//! System calls that `systrap`'s stubs answer by themselves: right while they may, and not any longer.
#![cfg(feature = "systrap")]

mod common;
#[path = "common/landlord.rs"]
mod landlord;
#[path = "common/peek.rs"]
mod peek;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use common::{block_on, poke};
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use landlord::Generous;
use peek::peek;
use platform::host::HostMemory;
use platform::systrap::SystrapPlatform;
use platform::{Access, GuestSpace, GuestThread, Identity, MapOp, Platform, Registers, Trap, UserRegs};

const CODE: u64 = 0x40_0000;
const DATA: u64 = 0x60_0000;
const PAGE: u64 = 4096;
const GETPID: u64 = 39;
const GETPPID: u64 = 110;
/// How often a call of the guest's is made before the next one that the kernel sees.
const ROUNDS: u64 = 200;

/// Calls `r14d` by a site that does not say its number and `getpid` by one that does, adds up the differences from what it expects (`r12`, `r13`),
/// checks that the stack pointer, `rcx`, `r11` and the flags are as the instruction leaves them, does so `r15` times, and then calls 1.
const GUEST: &[u8] = &[
    0x48, 0x31, 0xdb, // xor rbx, rbx
    0x48, 0x89, 0xe5, // mov rbp, rsp
    // again: (6)
    0x44, 0x89, 0xf0, // mov eax, r14d
    0x0f, 0x05, // syscall
    0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff, // cmp rax, -4096
    0x4c, 0x29, 0xe0, // sub rax, r12
    0x48, 0x09, 0xc3, // or rbx, rax
    0x48, 0x8d, 0x05, 0xed, 0xff, 0xff, 0xff, // lea rax, [rip - 19]: after the first syscall
    0x48, 0x29, 0xc8, // sub rax, rcx
    0x48, 0x09, 0xc3, // or rbx, rax
    0xf9, // stc
    0xb8, 0x27, 0x00, 0x00, 0x00, // mov eax, 39
    0x0f, 0x05, // syscall
    0x73, 0x1f, // jnc bad
    0x4c, 0x29, 0xe8, // sub rax, r13
    0x48, 0x09, 0xc3, // or rbx, rax
    0x41, 0x83, 0xe3, 0x01, // and r11d, 1
    0x74, 0x13, // jz bad
    0x48, 0x39, 0xe5, // cmp rbp, rsp
    0x75, 0x0e, // jne bad
    0x49, 0xff, 0xcf, // dec r15
    0x75, 0xc2, // jnz again
    0xb8, 0x01, 0x00, 0x00, 0x00, // mov eax, 1
    0x0f, 0x05, // syscall
    0x0f, 0x0b, // ud2
    0x0f, 0x0b, // bad: ud2
];

struct Rig {
    memory: Arc<HostMemory>,
    platform: Arc<dyn Platform>,
    space: Arc<dyn GuestSpace>,
}

fn rig() -> Rig {
    let memory = HostMemory::with_len(1 << 30).unwrap();
    poke(&memory, 0, GUEST);
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
    space.apply(&[map(CODE, 0, code), map(DATA, PAGE, data)]).unwrap();
    Rig { memory, platform, space }
}

struct Guest {
    thread: Box<dyn GuestThread>,
    regs: Registers,
    /// What the kernel would answer.
    pid: u32,
    ppid: u32,
}

impl Rig {
    fn guest(&self, pid: u32, ppid: u32) -> Guest {
        let thread = self.platform.new_thread(&self.space).unwrap();
        Guest { thread, regs: UserRegs::default().into(), pid, ppid }
    }

    /// Has the guest make its calls, the first of which is `asks`. Returns how many of them came to the kernel.
    fn calls_seen(&self, g: &mut Guest, asks: u64) -> u64 {
        let first = if asks & 0xffff_ffff == GETPPID { g.ppid } else { g.pid };
        g.regs.set(UserRegs {
            rip: CODE,
            eflags: 0x202,
            rsp: DATA + PAGE,
            r12: first.into(),
            r13: g.pid.into(),
            r14: asks,
            r15: ROUNDS,
            ..UserRegs::default()
        });
        let mut seen = 0;
        loop {
            let trap = block_on(&self.platform, poll_fn(|cx| g.thread.poll_run(cx, &mut g.regs))).unwrap();
            assert_eq!(trap, Trap::Syscall, "{:x?}", g.regs);
            match g.regs.number() {
                GETPID => g.regs.set_result(g.pid.into()),
                GETPPID => g.regs.set_result(g.ppid.into()),
                1 => {
                    assert_eq!(g.regs.get().rbx, 0, "a wrong answer");
                    return seen;
                }
                other => panic!("call {other}"),
            }
            seen += 1;
        }
    }
}

impl Guest {
    fn identify(&mut self) {
        let epoch = self.thread.kicker().identity_epoch();
        let identity = Identity { pid: Some(self.pid), ppid: Some(self.ppid), ..Identity::default() };
        self.thread.set_identity(&identity, epoch);
    }
}

#[test]
fn what_is_known_is_answered_without_the_kernel() {
    let r = rig();
    let mut g = r.guest(7, 3);
    assert_eq!(r.calls_seen(&mut g, GETPPID), 2 * ROUNDS);
    g.identify();
    assert_eq!(r.calls_seen(&mut g, GETPPID), 0);
    // Zero is a number as others are.
    g.ppid = 0;
    g.identify();
    assert_eq!(r.calls_seen(&mut g, GETPPID), 0);
    g.thread.kicker().forget_identity();
    assert_eq!(r.calls_seen(&mut g, GETPPID), 2 * ROUNDS);
    // The kernel still sees the code that was mapped.
    assert!((0u64..).zip(GUEST).all(|(at, byte)| peek(&r.memory, at) == *byte));
}

#[test]
fn what_was_forgotten_before_it_is_told_is_not_answered() {
    let r = rig();
    let mut g = r.guest(7, 3);
    r.calls_seen(&mut g, GETPPID);
    g.identify();
    g.thread.kicker().forget_identity();
    assert_eq!(r.calls_seen(&mut g, GETPPID), 2 * ROUNDS);
    // Only a part is known.
    let epoch = g.thread.kicker().identity_epoch();
    g.thread.set_identity(&Identity { pid: Some(g.pid), ..Identity::default() }, epoch);
    assert_eq!(r.calls_seen(&mut g, GETPPID), ROUNDS);
}

#[test]
fn each_thread_is_told_its_own_wherever_it_sits() {
    let r = rig();
    let mut guests: Vec<Guest> = (0..6).map(|n| r.guest(100 + n, 50 + n)).collect();
    for g in &mut guests {
        r.calls_seen(g, GETPPID);
        g.identify();
    }
    for round in 0..20 {
        for (i, g) in guests.iter_mut().enumerate() {
            // Some of them leave their seat to the others.
            assert_eq!(r.calls_seen(g, GETPPID), 0);
            if (i + round) % 3 > 0 {
                g.thread.kicker().rest();
            }
            if (i + round) % 7 == 0 {
                g.thread.kicker().forget_identity();
                g.pid += 1000;
                g.identify();
            }
        }
    }
}

#[test]
fn kicks_find_the_registers_of_the_guest() {
    let r = rig();
    let mut g = r.guest(7, 3);
    r.calls_seen(&mut g, GETPPID);
    g.identify();
    let kick = g.thread.kicker();
    let kicker = std::thread::spawn(move || {
        for i in 0..400u64 {
            std::thread::sleep(Duration::from_micros(20 + i % 37));
            kick.kick();
        }
    });
    let forever = UserRegs {
        rip: CODE,
        eflags: 0x202,
        rsp: DATA + PAGE,
        r12: 3,
        r13: 7,
        r14: GETPPID,
        r15: u64::MAX,
        ..UserRegs::default()
    };
    g.regs.set(forever);
    let mut kicks = 0;
    while !kicker.is_finished() || kicks < 10 {
        if kicker.is_finished() {
            g.thread.kicker().kick();
        }
        let trap = block_on(&r.platform, poll_fn(|cx| g.thread.poll_run(cx, &mut g.regs))).unwrap();
        let regs = g.regs.get();
        match trap {
            Trap::Kicked => {
                kicks += 1;
                let inside = regs.rip.wrapping_sub(CODE) < GUEST.len() as u64;
                assert!(inside && regs.rsp == DATA + PAGE && regs.rbx == 0, "{regs:x?}");
                // All are loaded anew.
                g.regs.get_mut().r10 = kicks;
            }
            // A kick had the call that was being answered made by the kernel.
            Trap::Syscall if g.regs.number() == GETPID => g.regs.set_result(7),
            Trap::Syscall if g.regs.number() == GETPPID => g.regs.set_result(3),
            other => panic!("{other:?} {regs:x?}"),
        }
    }
    kicker.join().unwrap();
}

#[test]
fn odd_numbers_are_the_kernels() {
    let r = rig();
    let mut g = r.guest(7, 7);
    r.calls_seen(&mut g, GETPPID);
    g.identify();
    let start = UserRegs { rip: CODE, eflags: 0x202, rsp: DATA + PAGE, r12: 1, ..UserRegs::default() };
    for number in [GETPID + 256, GETPID << 8, 0xffff_ff27, 255, 0] {
        g.regs.set(UserRegs { r14: number, r15: 1, ..start });
        let trap = block_on(&r.platform, poll_fn(|cx| g.thread.poll_run(cx, &mut g.regs))).unwrap();
        assert_eq!((trap, g.regs.number()), (Trap::Syscall, number));
    }
}
