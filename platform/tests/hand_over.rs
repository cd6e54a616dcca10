//! Threads of two processes that take turns: the one that goes to sleep wakes the other.
#![cfg(feature = "systrap")]

mod common;
#[path = "common/landlord.rs"]
mod landlord;

use std::future::poll_fn;
use std::sync::Arc;

use common::{block_on, poke};
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use landlord::Generous;
use platform::host::HostMemory;
use platform::systrap::SystrapPlatform;
use platform::{Access, GuestSpace, GuestThread, MapOp, Platform, Registers, Trap, UserRegs};

const PAGE: u64 = 4096;
/// `mov eax, 39; syscall; jmp` to the beginning, not at the beginning of the page.
const CALL: (u64, [u8; 9]) = (0x10, [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]);
struct Rig {
    platform: Arc<dyn Platform>,
    /// Where each process has its page of code.
    codes: [u64; 2],
    spaces: [Arc<dyn GuestSpace>; 2],
}

struct Guest {
    thread: Box<dyn GuestThread>,
    regs: Registers,
}

fn rig(codes: [u64; 2]) -> Rig {
    let memory = HostMemory::with_len(1 << 30).unwrap();
    poke(&memory, CALL.0, &CALL.1);
    let platform: Arc<dyn Platform> = SystrapPlatform::new(&memory).unwrap();
    let spaces = codes.map(|code| {
        let space = platform.new_space().unwrap();
        space.set_landlord(Box::new(Generous));
        let range = GuestRange::from_len(GuestAddr(code), PAGE).unwrap();
        let access = Access::READ | Access::EXEC;
        let op = MapOp::Map { range, offset: FileOffset(0), access, populate: false, private: true };
        space.apply(&[op]).unwrap();
        space
    });
    Rig { platform, codes, spaces }
}

impl Rig {
    fn guests(&self) -> [Guest; 2] {
        [0, 1].map(|i| self.guest(i))
    }

    fn guest(&self, i: usize) -> Guest {
        let thread = self.platform.new_thread(&self.spaces[i]).unwrap();
        let regs = UserRegs {
            rip: self.codes[i] + CALL.0,
            eflags: 0x202,
            cs: 0x33,
            ss: 0x2b,
            ..UserRegs::default()
        };
        Guest { thread, regs: regs.into() }
    }

    fn call(&self, guest: &mut Guest) {
        let Guest { thread, regs } = guest;
        let trap = block_on(&self.platform, poll_fn(|cx| thread.poll_run(cx, regs)));
        assert_eq!((trap, regs.number()), (Ok(Trap::Syscall), 39));
        assert!(self.codes.contains(&(regs.get().rip - CALL.0 - 7)));
    }

    fn take_turns(&self, [a, b]: [&mut Guest; 2], turns: usize) {
        for turn in 0..turns {
            self.call(a);
            a.thread.kicker().rest();
            self.call(b);
            // Sometimes the first goes on at once, whether or not it has done what it was told.
            if turn % 3 != 0 {
                b.thread.kicker().rest();
            }
        }
    }
}

/// The host's number of the process that has its page of code there.
fn process_with(code: u64) -> i32 {
    let shows = format!("{code:08x}-");
    let is_it = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains(&shows))
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let children = tasks.filter_map(|t| std::fs::read_to_string(t.unwrap().path().join("children")).ok());
    let mut pids =
        children.flat_map(|c| c.split_whitespace().map(|n| n.parse().unwrap()).collect::<Vec<_>>());
    pids.find(is_it).unwrap()
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: the call takes no pointers.
    assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
}

#[test]
fn who_is_to_go_on_wakes_up() {
    let r = rig([0x40_0000, 0x41_0000]);
    let [mut a, mut b] = r.guests();
    r.take_turns([&mut a, &mut b], 500);
}

#[test]
fn one_that_does_not_do_what_it_is_told_holds_nobody_up() {
    let r = rig([0x51_7000, 0x52_7000]);
    let [mut a, mut b] = r.guests();
    r.take_turns([&mut a, &mut b], 10);
    let process = process_with(r.codes[0]);
    for _ in 0..50 {
        r.call(&mut b);
        b.thread.kicker().rest();
        r.call(&mut a);
        // It polls still, but will not see that it is to wake the other.
        signal(process, libc::SIGSTOP);
        a.thread.kicker().rest();
        r.call(&mut b);
        signal(process, libc::SIGCONT);
    }
}
