//! System calls of guest code that `systrap` rewrites: the guest must not notice.
#![cfg(feature = "systrap")]

mod common;
#[path = "common/landlord.rs"]
mod landlord;
#[path = "common/peek.rs"]
mod peek;

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{block_on, poke};
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use landlord::Generous;
use peek::peek;
use platform::host::HostMemory;
use platform::systrap::{SystrapPlatform, SystrapSpace};
use platform::{Access, GuestSpace, GuestThread, Landlord, MapOp, Platform, Registers, Trap, UserRegs};

const PAGE_OF_CODE: u64 = 0x40_0000;
/// Not at the page's beginning, where what comes before an instruction cannot be seen.
const CODE: u64 = PAGE_OF_CODE + START;
const START: u64 = 0x10;
const DATA: u64 = 0x60_0000;
const PAGE: u64 = 4096;
const RX: Access = Access::READ.union(Access::EXEC);
const RW: Access = Access::READ.union(Access::WRITE);

/// `mov eax, 39; syscall; syscall; cmp rax, -4096; jmp` to the beginning.
const LOOP: [u8; 17] =
    [0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0xeb, 0xef];
/// Where its two calls return to.
const FIRST: u64 = CODE + 7;
const SECOND: u64 = CODE + 9;
/// Numbers of calls that are counted begin above all that the host knows: `uretprobe` passes its filters, and ends in `SIGILL`.
const FIRST_NUMBER: u64 = 1000;

struct Rig {
    memory: Arc<HostMemory>,
    platform: Arc<dyn Platform>,
    space: Arc<dyn GuestSpace>,
}

fn range(start: u64) -> GuestRange {
    GuestRange::from_len(GuestAddr(start), PAGE).unwrap()
}

fn map(start: u64, offset: u64, access: Access, private: bool) -> MapOp {
    MapOp::Map { range: range(start), offset: FileOffset(offset), access, populate: false, private }
}

fn new_space(platform: &Arc<dyn Platform>) -> Arc<dyn GuestSpace> {
    let space = platform.new_space().unwrap();
    space.set_landlord(Box::new(Generous));
    space.apply(&[map(PAGE_OF_CODE, 0, RX, true), map(DATA, PAGE, RW, true)]).unwrap();
    space
}

/// Page 0 of the memory file holds `code`, shown at `CODE`; page 1 is data, mapped at `DATA`.
fn rig(code: &[u8]) -> Rig {
    let memory = HostMemory::with_len(1 << 30).unwrap();
    poke(&memory, START, code);
    let platform: Arc<dyn Platform> = SystrapPlatform::new(&memory).unwrap();
    let space = new_space(&platform);
    Rig { memory, platform, space }
}

fn at(rip: u64) -> UserRegs {
    UserRegs { rip, eflags: 0x202, rsp: DATA + PAGE, cs: 0x33, ss: 0x2b, ..UserRegs::default() }
}

fn rewritten(space: &Arc<dyn GuestSpace>) -> usize {
    (&**space as &dyn core::any::Any).downcast_ref::<SystrapSpace>().unwrap().rewritten_pages()
}

impl Rig {
    fn thread(&self) -> Box<dyn GuestThread> {
        self.platform.new_thread(&self.space).unwrap()
    }

    fn run(&self, t: &mut Box<dyn GuestThread>, regs: &mut UserRegs) -> Trap {
        let mut all = Registers::from(*regs);
        let trap = block_on(&self.platform, poll_fn(|cx| t.poll_run(cx, &mut all))).unwrap();
        *regs = all.get();
        trap
    }

    /// Runs the loop until its calls are rewritten.
    fn warm_up(&self, t: &mut Box<dyn GuestThread>, regs: &mut UserRegs) {
        for i in 0..20 {
            assert_eq!(self.run(t, regs), Trap::Syscall);
            assert_eq!(regs.rip, if i % 2 == 0 { FIRST } else { SECOND });
            regs.rax = 39;
        }
        assert_eq!(rewritten(&self.space), 1);
    }
}

#[test]
fn registers_are_as_the_instruction_leaves_them() {
    let r = rig(&LOOP);
    let mut t = r.thread();
    let seed = UserRegs {
        r8: 8,
        r9: 9,
        r10: 10,
        r12: 12,
        r13: 13,
        r14: 14,
        r15: 15,
        rbx: 16,
        rbp: 17,
        rdi: 18,
        rsi: 19,
        rdx: 20,
        fs_base: 0x7000_1234,
        ..at(CODE)
    };
    // Carry, parity, adjust, zero, sign, direction, overflow.
    for flags in [0x202, 0x203, 0x206, 0x212, 0x242, 0x282, 0x602, 0xa02, 0xed7] {
        let mut regs = UserRegs { eflags: flags, rip: CODE, ..seed };
        for _ in 0..8 {
            assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
            let wanted =
                UserRegs { eflags: flags, r11: flags, rcx: FIRST, rip: FIRST, orig_rax: 39, rax: 39, ..seed };
            assert_eq!(regs, wanted);
            regs.rax = 0x1234_5678_9abc;
            assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
            let rax = 0x1234_5678_9abc;
            assert_eq!(regs, UserRegs { rcx: SECOND, rip: SECOND, orig_rax: rax, rax, ..wanted });
            // Changed by the kernel, as for a signal's handler.
            regs = UserRegs { eflags: flags, rip: CODE, ..seed };
        }
    }
    assert_eq!(rewritten(&r.space), 1);
    // The memory itself is as it was.
    assert_eq!((0..17).map(|i| peek(&r.memory, START + i)).collect::<Vec<_>>(), LOOP);
}

#[test]
fn flags_after_a_call_are_those_before() {
    // The loop, but then: pushfq; pop [rdi]... in place of the jump. A result of zero compares above.
    let mut code = LOOP[..7].to_vec();
    code.extend([0x9c, 0x8f, 0x07, 0xeb, 0xf4]);
    let r = rig(&code);
    let mut t = r.thread();
    for flags in [0x202u64, 0x203, 0x206, 0x212, 0x242, 0x282, 0x602, 0xa02, 0xed7] {
        let mut regs = UserRegs { eflags: flags, rdi: DATA, ..at(CODE) };
        for _ in 0..6 {
            assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        }
        let seen = u64::from(peek(&r.memory, PAGE)) | u64::from(peek(&r.memory, PAGE + 1)) << 8;
        assert_eq!(seen, flags);
    }
    assert_eq!(rewritten(&r.space), 1);
}

#[test]
fn threads_return_into_rewritten_code() {
    let r = rig(&LOOP);
    let (mut a, mut b, mut c) = (r.thread(), r.thread(), r.thread());
    let (mut regs_b, mut regs_c) = (at(CODE + 7), at(CODE + 9));
    // One waits in the second call while another has it rewritten; a third comes to the same place by a jump.
    assert_eq!(r.run(&mut b, &mut regs_b), Trap::Syscall);
    assert_eq!(regs_b.rip, SECOND);
    r.warm_up(&mut a, &mut at(CODE));
    assert_eq!(r.run(&mut b, &mut regs_b), Trap::Syscall);
    assert_eq!((regs_b.rip, regs_b.orig_rax), (FIRST, 39));
    assert_eq!(r.run(&mut c, &mut regs_c), Trap::Syscall);
    assert_eq!(regs_c.rip, FIRST);
    // And by a jump of its own: jmp rsi.
    poke(&r.memory, START + 0x800, &[0xff, 0xe6]);
    r.space.wrote(range(PAGE_OF_CODE));
    r.warm_up(&mut a, &mut at(CODE));
    let mut regs = UserRegs { rsi: SECOND, ..at(CODE + 0x800) };
    assert_eq!(r.run(&mut c, &mut regs), Trap::Syscall);
    assert_eq!((regs.rip, regs.orig_rax), (FIRST, 39));
}

#[test]
fn kicks_are_told_once_wherever_they_strike() {
    let r = rig(&LOOP);
    let mut t = r.thread();
    let mut regs = UserRegs { rbx: 77, ..at(CODE) };
    r.warm_up(&mut t, &mut regs);
    let (kick, done) = (t.kicker(), Arc::new(AtomicBool::new(false)));
    let helper = std::thread::spawn({
        let done = done.clone();
        move || {
            for i in 0..2000 {
                kick.kick();
                std::thread::sleep(Duration::from_micros(i % 50));
            }
            done.store(true, Ordering::SeqCst);
        }
    });
    let (mut kicked, mut calls, mut last) = (0, FIRST_NUMBER, SECOND);
    while !done.load(Ordering::SeqCst) || calls < FIRST_NUMBER + 100 {
        match r.run(&mut t, &mut regs) {
            Trap::Syscall => {
                // Neither lost nor twice.
                assert_eq!(regs.rip, if last == FIRST { SECOND } else { FIRST });
                assert_eq!(regs.orig_rax, if last == FIRST { calls } else { 39 });
                last = regs.rip;
                calls += 1;
                regs.rax = calls;
            }
            Trap::Kicked => kicked += 1,
            other => panic!("{other:?} at {:#x}", regs.rip),
        }
        assert_eq!((regs.rbx, regs.rsp), (77, DATA + PAGE));
    }
    helper.join().unwrap();
    assert!(kicked > 0 && kicked <= 2000);
    assert_eq!(rewritten(&r.space), 1);
}

#[test]
fn originals_come_back() {
    let r = rig(&LOOP);
    let mut t = r.thread();
    let mut regs = at(CODE);
    let write = MapOp::Protect { range: range(PAGE_OF_CODE), access: RX | RW };
    let again = MapOp::Protect { range: range(PAGE_OF_CODE), access: RX };
    let unmap_trampolines = MapOp::Unmap { range: range(PAGE_OF_CODE + 0x2000_0000) };
    let map_over = map(PAGE_OF_CODE + 0x2000_0000, 2 * PAGE, RW, true);
    type Change<'a> = &'a dyn Fn();
    let changes: [Change; 5] = [
        &|| r.space.apply(&[write, again]).unwrap(),
        &|| r.space.apply(&[map(PAGE_OF_CODE, 0, RX, true)]).unwrap(),
        &|| r.space.apply(&[unmap_trampolines]).unwrap(),
        &|| r.space.apply(&[map_over]).unwrap(),
        &|| r.space.wrote(range(PAGE_OF_CODE)),
    ];
    for change in changes {
        r.warm_up(&mut t, &mut regs);
        // The thread waits in a trampoline which goes away.
        change();
        assert_eq!(rewritten(&r.space), 0);
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        assert_eq!((regs.rip, regs.orig_rax), (FIRST, 39));
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        assert_eq!(regs.rip, SECOND);
        r.space.apply(&[unmap_trampolines]).unwrap();
    }
    // Single steps are the guest's own.
    r.warm_up(&mut t, &mut regs);
    regs.eflags |= 0x100;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let trap = r.run(&mut t, &mut regs);
        seen.push((matches!(trap, Trap::Exception(e) if e.signal == libc::SIGTRAP), regs.rip));
    }
    assert_eq!(seen, [(true, CODE + 15), (true, CODE), (true, CODE + 5)]);
    assert_eq!(rewritten(&r.space), 0);
}

/// They may go before the thread jumps there, while it is there, and after its call has been answered.
#[test]
fn trampolines_go_while_a_thread_runs() {
    let r = rig(&LOOP);
    let mut t = r.thread();
    let mut regs = UserRegs { rbx: 77, ..at(CODE) };
    r.warm_up(&mut t, &mut regs);
    let done = Arc::new(AtomicBool::new(false));
    let helper = std::thread::spawn({
        let (done, space) = (done.clone(), r.space.clone());
        let trampolines = PAGE_OF_CODE + 0x2000_0000;
        move || {
            for i in 0..1500 {
                space.apply(&[map(trampolines, 2 * PAGE, RW, true)]).unwrap();
                space.apply(&[MapOp::Unmap { range: range(trampolines) }]).unwrap();
                std::thread::sleep(Duration::from_micros(i % 97));
            }
            done.store(true, Ordering::SeqCst);
        }
    });
    let (mut calls, mut last) = (FIRST_NUMBER, SECOND);
    while !done.load(Ordering::SeqCst) {
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall, "at {:#x}", regs.rip);
        assert_eq!(regs.rip, if last == FIRST { SECOND } else { FIRST });
        assert_eq!(regs.orig_rax, if last == FIRST { calls } else { 39 });
        last = regs.rip;
        calls += 1;
        regs.rax = calls;
        assert_eq!((regs.rbx, regs.rsp), (77, DATA + PAGE));
    }
    helper.join().unwrap();
}

#[test]
fn threads_on_their_way_to_a_trampoline_find_it_gone() {
    let r = rig(&LOOP);
    let (mut t, mut regs) = (r.thread(), at(CODE));
    r.warm_up(&mut t, &mut regs);
    let trampolines = PAGE_OF_CODE + 0x2000_0000;
    // No code any more, as far as the guest has mapped anything there.
    r.space.apply(&[map(trampolines, 2 * PAGE, RW, true)]).unwrap();
    let (mut before, mut after) = (0, 0);
    for there in trampolines..trampolines + PAGE {
        regs = UserRegs { rax: 39, ..at(there) };
        match r.run(&mut t, &mut regs) {
            Trap::Syscall if regs.rip == FIRST => before += 1,
            Trap::Syscall if regs.rip == SECOND => after += 1,
            Trap::Fault { at: GuestAddr(address), access: Access::EXEC } => {
                assert_eq!((address, regs.rip), (there, there));
            }
            // Within an instruction, where no thread can be.
            Trap::Exception(_) if (CODE + 10..CODE + 15).contains(&regs.rip) => {}
            other => panic!("{other:?} for {there:#x}: {:#x}", regs.rip),
        }
        if rewritten(&r.space) > 0 {
            r.space.apply(&[map(trampolines, 2 * PAGE, RW, true)]).unwrap();
        }
    }
    assert!(before > 0 && after > 0, "{before} {after}");
    // Code of the guest's own is no trampoline.
    r.space.apply(&[map(trampolines, 0, RX, false)]).unwrap();
    regs = at(trampolines + START);
    assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
    assert_eq!(regs.rip, trampolines + START + 7);
}

#[test]
fn what_others_can_change_is_left_alone() {
    let r = rig(&LOOP);
    for (access, private) in [(RX, false), (RX | RW, true)] {
        r.space.apply(&[map(PAGE_OF_CODE, 0, access, private)]).unwrap();
        let (mut t, mut regs) = (r.thread(), at(CODE));
        for _ in 0..20 {
            assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        }
        assert_eq!(rewritten(&r.space), 0);
    }
}

#[test]
fn a_guest_may_use_gs() {
    let r = rig(&LOOP);
    // wrgsbase rdi; jmp to the loop
    poke(&r.memory, START + 0x800, &[0xf3, 0x48, 0x0f, 0xae, 0xdf, 0xe9, 0xf6, 0xf7, 0xff, 0xff]);
    let mut t = r.thread();
    r.warm_up(&mut t, &mut at(CODE));
    for base in [DATA, 0x1_0000] {
        let mut regs = UserRegs { rdi: base, ..at(CODE + 0x800) };
        for i in 0..6 {
            assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
            assert_eq!((regs.gs_base, regs.rip), (base, if i % 2 == 0 { FIRST } else { SECOND }));
        }
        assert!((0..PAGE).all(|i| peek(&r.memory, PAGE + i) == 0));
        // Set by the kernel, and back again.
        regs = UserRegs { gs_base: DATA, ..at(CODE) };
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        assert_eq!((regs.gs_base, regs.rip), (DATA, FIRST));
        regs = at(CODE);
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        assert_eq!((regs.gs_base, regs.rip), (0, FIRST));
    }
    assert_eq!(rewritten(&r.space), 1);
}

#[test]
fn floating_point_state_is_there_when_asked_for() {
    // The loop with pcmpeqd xmm0, xmm0 before it, and at 0x900: movups [rdi], xmm0; jmp to the loop.
    let r = rig(&LOOP);
    poke(&r.memory, START + 0x800, &[0x66, 0x0f, 0x76, 0xc0, 0xe9, 0xf7, 0xf7, 0xff, 0xff]);
    poke(&r.memory, START + 0x900, &[0x0f, 0x11, 0x07, 0xe9, 0xf8, 0xf6, 0xff, 0xff]);
    let mut t = r.thread();
    r.warm_up(&mut t, &mut at(CODE));
    let mut regs = UserRegs { rdi: DATA, ..at(CODE + 0x800) };
    assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
    assert_eq!(t.fpu().0[160..176], [0xff; 16]);
    assert_eq!(t.fpu().0[..2], [0x7f, 0x03]);
    // The look has changed nothing; a change is loaded.
    for byte in [0xff, 0x5a] {
        if byte == 0x5a {
            t.fpu().0[160..176].fill(byte);
        }
        regs.rip = CODE + 0x900;
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        assert_eq!((peek(&r.memory, PAGE), peek(&r.memory, PAGE + 15)), (byte, byte));
    }
    // Also of a thread that sleeps, and nonsense is made acceptable.
    t.kicker().rest();
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(t.fpu().0[160..176], [0x5a; 16]);
    t.fpu().0.fill(0xff);
    regs.rip = CODE;
    assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
}

#[test]
fn spaces_share_what_is_rewritten() {
    let r = rig(&LOOP);
    let mut t = r.thread();
    r.warm_up(&mut t, &mut at(CODE));
    // As after a fork: the first call that traps is enough for both.
    let child = new_space(&r.platform);
    let mut t = r.platform.new_thread(&child).unwrap();
    let mut regs = at(CODE);
    for _ in 0..4 {
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
    }
    assert_eq!((rewritten(&child), rewritten(&r.space)), (1, 1));
    // The page now holds something else, and the copy is not used for it.
    poke(&r.memory, START + 1, &[40]);
    let other = new_space(&r.platform);
    let mut t = r.platform.new_thread(&other).unwrap();
    let mut regs = at(CODE);
    for i in 0..20 {
        assert_eq!(r.run(&mut t, &mut regs), Trap::Syscall);
        assert!(i % 2 != 0 || regs.orig_rax == 40);
    }
    assert_eq!(rewritten(&other), 1);
}

/// `mov eax, number; syscall; jmp` to the first.
fn call_site(number: u8) -> [u8; 9] {
    [0xb8, number, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]
}

type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// Grants what is asked for, and has something done at the next question.
struct Meddling(Meanwhile);
impl Landlord for Meddling {
    fn reserve(&self, _: GuestRange) -> bool {
        if let Some(f) = self.0.lock().unwrap().take() {
            f();
        }
        true
    }
}

#[test]
fn spaces_that_rewrite_at_once_keep_their_trampolines() {
    let sites = [0x100, 0x200, 0x300].map(|at| PAGE_OF_CODE + at);
    let r = Arc::new(rig(&[]));
    for (site, number) in sites.iter().zip([1, 2, 3]) {
        poke(&r.memory, site - PAGE_OF_CODE, &call_site(number));
    }
    let repeat = |r: &Rig, t: &mut Box<dyn GuestThread>, site: u64, times: u32| {
        let mut regs = at(site);
        for _ in 0..times {
            assert_eq!(r.run(t, &mut regs), Trap::Syscall);
            assert_eq!(regs.rip, site + 7);
        }
        regs
    };
    let mut a = r.thread();
    repeat(&r, &mut a, sites[0], 4);

    // While another space looks for a place for the trampoline of the second call, this one rewrites the third.
    let space = r.platform.new_space().unwrap();
    let meanwhile = Meanwhile::default();
    space.set_landlord(Box::new(Meddling(meanwhile.clone())));
    space.apply(&[map(PAGE_OF_CODE, 0, RX, true), map(DATA, PAGE, RW, true)]).unwrap();
    let other = Rig { memory: r.memory.clone(), platform: r.platform.clone(), space };
    let mut b = other.thread();
    repeat(&other, &mut b, sites[0], 2);
    repeat(&other, &mut b, sites[1], 2);
    let this = r.clone();
    *meanwhile.lock().unwrap() = Some(Box::new(move || {
        repeat(&this, &mut this.thread(), sites[2], 4);
    }));
    repeat(&other, &mut b, sites[1], 2);

    // A thread waits in the third call while the second, which the other space has rewritten, comes here too.
    let mut c = r.thread();
    let mut regs = repeat(&r, &mut c, sites[2], 4);
    repeat(&r, &mut a, sites[1], 6);
    regs.rax = 0x1234;
    assert_eq!(r.run(&mut c, &mut regs), Trap::Syscall);
    assert_eq!((regs.rip, regs.orig_rax), (sites[2] + 7, 3));
}

#[test]
fn a_place_of_other_trampolines_is_not_used_again() {
    let r = rig(&LOOP);
    let (mut t, mut regs) = (r.thread(), at(CODE));
    r.warm_up(&mut t, &mut regs);
    let trampolines = PAGE_OF_CODE + 0x2000_0000;
    // The program changes its code: what comes after is called first now.
    r.space.apply(&[MapOp::Protect { range: range(PAGE_OF_CODE), access: RW }]).unwrap();
    assert_eq!(rewritten(&r.space), 0);
    poke(&r.memory, 0x200, &call_site(2));
    r.space.apply(&[MapOp::Protect { range: range(PAGE_OF_CODE), access: RX }]).unwrap();
    let mut other = at(PAGE_OF_CODE + 0x200);
    for _ in 0..6 {
        assert_eq!(r.run(&mut t, &mut other), Trap::Syscall);
    }
    assert_eq!(rewritten(&r.space), 1);
    // A thread that was stopped in the first of the old trampolines, which are aligned so.
    let mut seen = Vec::new();
    for there in (trampolines..trampolines + PAGE).step_by(64) {
        let mut regs = UserRegs { rax: 39, ..at(there) };
        if r.run(&mut t, &mut regs) == Trap::Syscall {
            seen.push(regs.rip);
        }
    }
    assert!(seen.contains(&FIRST), "{seen:x?}");
}
