//! The backends run machine code: each test runs on each of them.
#![cfg(all(feature = "ptrace", feature = "systrap"))]

mod common;
#[path = "common/peek.rs"]
mod peek;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use abi::Errno;
use common::{block_on, poke};
use kcore::addr::{GuestAddr, GuestRange};
use kcore::frame::FileOffset;
use peek::peek;
use platform::host::HostMemory;
use platform::ptrace::{PtracePlatform, PtraceSpace};
use platform::systrap::{SystrapPlatform, SystrapSpace};
use platform::{Access, GuestSpace, GuestThread, MapOp, Platform, Registers, Trap, UserRegs};

const CODE: u64 = 0x40_0000;
const DATA: u64 = 0x60_0000;
const PAGE: u64 = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    Ptrace,
    Systrap,
}

impl Backend {
    fn start(self, memory: &Arc<HostMemory>) -> Arc<dyn Platform> {
        match self {
            Backend::Ptrace => PtracePlatform::new(memory).unwrap(),
            Backend::Systrap => SystrapPlatform::new(memory).unwrap(),
        }
    }
}

macro_rules! on_each_backend {
    ($($test:ident),*) => {
        mod ptrace {
            $(#[test] fn $test() { super::$test(super::Backend::Ptrace); })*
        }
        mod systrap {
            $(#[test] fn $test() { super::$test(super::Backend::Systrap); })*
        }
    };
}

on_each_backend!(
    system_calls,
    faults_and_mapping_changes,
    exceptions,
    protection_keys,
    kicks,
    rest_is_no_answer,
    spaces_and_threads,
    killed_while_running,
    floating_point_state
);

impl Rig {
    fn run(&self, t: &mut Box<dyn GuestThread>, regs: &mut UserRegs) -> Result<Trap, Errno> {
        let mut all = Registers::from(*regs);
        let trap = block_on(&self.platform, poll_fn(|cx| t.poll_run(cx, &mut all)));
        *regs = all.get();
        trap
    }
    /// What a fault says on a backend that may not know.
    fn fault(&self, at: u64, access: Access) -> Result<Trap, Errno> {
        let access = if self.platform.caps().precise_faults { access } else { Access::UNKNOWN };
        Ok(Trap::Fault { at: GuestAddr(at), access })
    }
}

fn range(start: u64, len: u64) -> GuestRange {
    GuestRange::from_len(GuestAddr(start), len).unwrap()
}

fn map(start: u64, offset: u64, access: Access) -> MapOp {
    MapOp::Map {
        range: range(start, PAGE),
        offset: FileOffset(offset),
        access,
        populate: false,
        private: true,
    }
}

struct Rig {
    memory: Arc<HostMemory>,
    platform: Arc<dyn Platform>,
    space: Arc<dyn GuestSpace>,
}

/// Page 0 of the memory file holds `code`, mapped at `CODE`; page 1 is data, mapped at `DATA`.
fn rig(backend: Backend, code: &[u8]) -> Rig {
    let memory = HostMemory::with_len(1 << 30).unwrap();
    poke(&memory, 0, code);
    let platform = backend.start(&memory);
    let space = platform.new_space().unwrap();
    let ops = [map(CODE, 0, Access::READ | Access::EXEC), map(DATA, PAGE, Access::READ | Access::WRITE)];
    space.apply(&ops).unwrap();
    Rig { memory, platform, space }
}

fn at(rip: u64) -> UserRegs {
    UserRegs { rip, eflags: 0x202, rsp: DATA + PAGE, ..UserRegs::default() }
}

fn stub_pid(s: &Arc<dyn GuestSpace>) -> i32 {
    let any = &**s as &dyn core::any::Any;
    let ptrace = any.downcast_ref::<PtraceSpace>().map(PtraceSpace::stub_pid);
    ptrace.or_else(|| any.downcast_ref::<SystrapSpace>().map(SystrapSpace::stub_pid)).unwrap()
}

fn threads(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

fn eventually(what: &str, mut f: impl FnMut() -> bool) {
    let start = Instant::now();
    while !f() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn system_calls(backend: Backend) {
    // mov eax, 39; syscall; mov [rdi], al; syscall; jmp $-2... (the loop calls with what the kernel left)
    let r = rig(backend, &[0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x88, 0x07, 0x0f, 0x05, 0xeb, 0xfc]);
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let mut regs = UserRegs { rdi: DATA, r12: 0x1234_5678_9abc_def0, fs_base: 0x7000_1234, ..at(CODE) };
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
    assert_eq!((regs.orig_rax, regs.rip, regs.rcx), (39, CODE + 7, CODE + 7));
    assert_eq!((regs.r12, regs.fs_base, regs.cs), (0x1234_5678_9abc_def0, 0x7000_1234, 0x33));
    regs.rax = 0x77;
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
    assert_eq!((regs.orig_rax, peek(&r.memory, PAGE)), (0x77, 0x77));
    // Restart codes of the host mean nothing.
    for nr in [(-512i64) as u64, (-516i64) as u64, 0, 231, 12345] {
        regs.rax = nr;
        assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
        assert_eq!((regs.orig_rax, regs.rip), (nr, CODE + 11));
    }
}

fn faults_and_mapping_changes(backend: Backend) {
    // mov al, [rsi]; mov [rsi], al; syscall
    let r = rig(backend, &[0x8a, 0x06, 0x88, 0x06, 0x0f, 0x05]);
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let at_fault = DATA + 5 * PAGE + 8;
    let mut regs = UserRegs { rsi: at_fault, ..at(CODE) };
    assert_eq!(r.run(&mut t, &mut regs), r.fault(at_fault, Access::READ));
    assert_eq!(regs.rip, CODE);
    poke(&r.memory, 2 * PAGE + 8, &[9]);
    r.space.apply(&[map(DATA + 5 * PAGE, 2 * PAGE, Access::READ)]).unwrap();
    assert_eq!(r.run(&mut t, &mut regs), r.fault(at_fault, Access::WRITE));
    assert_eq!((regs.rip, regs.rax & 0xff), (CODE + 2, 9));
    // With holes on both sides.
    let wide = range(DATA, 16 * PAGE);
    r.space.apply(&[MapOp::Protect { range: wide, access: Access::READ | Access::WRITE }]).unwrap();
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
    r.space.apply(&[MapOp::Unmap { range: wide }]).unwrap();
    regs.rip = CODE;
    assert_eq!(r.run(&mut t, &mut regs), r.fault(at_fault, Access::READ));
    // Nothing of the sentry or the host's vDSO is there.
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", stub_pid(&r.space))).unwrap();
    let foreign = |l: &&str| {
        let own = ["picket-memory", "picket-stub", "[vsyscall]"];
        !own.iter().any(|o| l.contains(o)) && !l.starts_with("7ffffff00000-")
    };
    assert_eq!(maps.lines().filter(foreign).count(), 0, "{maps}");
    regs.rip = 0x10;
    assert_eq!(r.run(&mut t, &mut regs), r.fault(0x10, Access::EXEC));
}

fn exceptions(backend: Backend) {
    // 0: ud2; 2: div by ecx=0; 4: int3; 5: hlt; 6: int 0x80; 8: nop
    let r = rig(backend, &[0x0f, 0x0b, 0xf7, 0xf1, 0xcc, 0xf4, 0xcd, 0x80, 0x90, 0x90]);
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let mut expect = |rip, regs: UserRegs, signal, rip_after| {
        let mut regs = UserRegs { rip, ..regs };
        match r.run(&mut t, &mut regs) {
            Ok(Trap::Exception(e)) => assert_eq!((e.signal, regs.rip), (signal, rip_after), "{e:?}"),
            other => panic!("{other:?}"),
        }
    };
    expect(CODE, at(0), libc::SIGILL, CODE);
    expect(CODE + 2, at(0), libc::SIGFPE, CODE + 2);
    expect(CODE + 4, at(0), libc::SIGTRAP, CODE + 5);
    expect(CODE + 5, at(0), libc::SIGSEGV, CODE + 5);
    expect(CODE + 6, UserRegs { rax: 20, ..at(0) }, libc::SIGSEGV, CODE + 6);
    // Single step.
    let traced = at(0);
    expect(CODE + 8, UserRegs { eflags: traced.eflags | 0x100, ..traced }, libc::SIGTRAP, CODE + 9);
    // Beyond the end of the memory file nothing can be mapped.
    assert_eq!(r.space.apply(&[map(DATA, 1 << 30, Access::READ)]), Err(Errno::EINVAL));
}

/// The guest locks itself out by a register that it may write where there are protection keys.
fn protection_keys(backend: Backend) {
    const OSPKE: u32 = 1 << 4;
    if core::arch::x86_64::__cpuid_count(7, 0).ecx & OSPKE == 0 {
        return;
    }
    // mov eax, 2; xor ecx, ecx; xor edx, edx; wrpkru; mov [rdi], eax
    let code = [0xb8, 2, 0, 0, 0, 0x31, 0xc9, 0x31, 0xd2, 0x0f, 0x01, 0xef, 0x89, 0x07];
    let r = rig(backend, &code);
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let mut regs = UserRegs { rdi: DATA, ..at(CODE) };
    peek(&r.memory, PAGE);
    match r.run(&mut t, &mut regs) {
        Ok(Trap::Exception(e)) => {
            assert_eq!((e.signal, e.code, e.addr, e.trapno), (libc::SIGSEGV, 4, DATA, 14));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(regs.rip, CODE + 12);
}

/// On one processor, so that a thread is told to rest just as it goes to sleep by itself.
fn rest_is_no_answer(backend: Backend) {
    let mut one = rustix::thread::CpuSet::new();
    one.set(0);
    rustix::thread::sched_setaffinity(None, &one).unwrap();
    // inc qword [DATA]; syscall; jmp back
    let r = rig(backend, &[0x48, 0xff, 0x04, 0x25, 0, 0, 0x60, 0, 0x0f, 0x05, 0xeb, 0xf4]);
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let kick = t.kicker();
    let mut regs = at(CODE);
    for n in 1..=200u8 {
        assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
        for _ in 0..n {
            kick.rest();
            if let Some(s) = r.platform.sleeper() {
                s.sleep(s.epoch(), Some(0), false);
            }
        }
        std::thread::sleep(Duration::from_micros(300));
        assert_eq!(peek(&r.memory, PAGE), n, "the guest runs while it should wait");
    }
}

fn kicks(backend: Backend) {
    let r = rig(backend, &[0xeb, 0xfe, 0x0f, 0x05, 0xeb, 0xfc]); // jmp $; (2) syscall; jmp (2)
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let kick = t.kicker();
    let mut regs = at(CODE);
    kick.kick();
    kick.kick();
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Kicked));
    for _ in 0..20 {
        let kick = kick.clone();
        let helper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(2));
            kick.kick();
        });
        assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Kicked));
        assert_eq!(regs.rip, CODE);
        helper.join().unwrap();
    }
    // Against system calls: every kick is reported once, and no call is lost.
    regs.rip = CODE + 2;
    let kicks = 300;
    let helper = std::thread::spawn({
        let (kick, done) = (kick.clone(), Arc::new(()));
        move || {
            for _ in 0..kicks {
                kick.kick();
                std::thread::sleep(Duration::from_micros(100));
            }
            drop(done);
        }
    });
    let (mut calls, mut kicked) = (0, 0);
    while !helper.is_finished() || calls <= 100 {
        match r.run(&mut t, &mut regs).unwrap() {
            Trap::Syscall => calls += 1,
            Trap::Kicked => kicked += 1,
            other => panic!("{other:?} at {:#x}", regs.rip),
        }
        assert!(regs.rip == CODE + 4 || regs.rip == CODE + 2 || regs.rip == CODE + 6 - 2, "{:#x}", regs.rip);
    }
    assert!(kicked > 0 && kicked <= kicks, "{calls} {kicked}");
    let _ = r.run(&mut t, &mut regs);
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
}

fn spaces_and_threads(backend: Backend) {
    // mov [rdi], al; syscall
    let mut r = rig(backend, &[0x88, 0x07, 0x0f, 0x05]);
    let other = r.platform.new_space().unwrap();
    // The same code, other data, as after a fork.
    other
        .apply(&[
            map(CODE, 0, Access::READ | Access::EXEC),
            map(DATA, 2 * PAGE, Access::READ | Access::WRITE),
        ])
        .unwrap();
    let mut a = r.platform.new_thread(&r.space).unwrap();
    let mut b = r.platform.new_thread(&other).unwrap();
    assert_eq!(r.run(&mut a, &mut UserRegs { rax: 1, rdi: DATA, ..at(CODE) }), Ok(Trap::Syscall));
    assert_eq!(r.run(&mut b, &mut UserRegs { rax: 2, rdi: DATA, ..at(CODE) }), Ok(Trap::Syscall));
    assert_eq!((peek(&r.memory, PAGE), peek(&r.memory, 2 * PAGE)), (1, 2));
    // Many threads in one space.
    let mut many: Vec<_> = (0..40).map(|_| r.platform.new_thread(&r.space).unwrap()).collect();
    for (i, t) in many.iter_mut().enumerate() {
        let mut regs = UserRegs { rax: i as u64, rdi: DATA + i as u64, ..at(CODE) };
        assert_eq!(r.run(t, &mut regs), Ok(Trap::Syscall));
    }
    assert_eq!((0..40).map(|i| peek(&r.memory, PAGE + i)).collect::<Vec<_>>(), (0..40).collect::<Vec<u8>>());
    let pid = stub_pid(&r.space);
    assert_eq!(threads(pid), 42);
    drop(many);
    // Some may be kept for the next ones.
    eventually("threads end", || threads(pid) <= 18);
    // execve: another space, an old kicker.
    let kick = a.kicker();
    a.set_space(&other).unwrap();
    eventually("the thread moves", || threads(pid) <= 18);
    assert_eq!(r.run(&mut a, &mut UserRegs { rax: 5, rdi: DATA, ..at(CODE) }), Ok(Trap::Syscall));
    assert_eq!(peek(&r.memory, 2 * PAGE), 5);
    kick.kick();
    assert_eq!(r.run(&mut a, &mut at(CODE)), Ok(Trap::Kicked));
    // The stub dies with its space.
    let own = core::mem::replace(&mut r.space, other.clone());
    drop(own);
    eventually("the stub ends", || threads(pid) == 0);
    // Killed from outside.
    let pid = stub_pid(&other);
    // SAFETY: the call takes no pointers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    eventually("the stub is reaped", || threads(pid) == 0);
    assert_eq!(r.run(&mut b, &mut at(CODE)), Err(Errno::ESRCH));
    assert_eq!(other.apply(&[map(DATA, 0, Access::READ)]), Err(Errno::ESRCH));
    let foreign = backend.start(&HostMemory::with_len(PAGE).unwrap()).new_space().unwrap();
    assert_eq!(r.platform.new_thread(&foreign).err(), Some(Errno::EINVAL));
}

fn killed_while_running(backend: Backend) {
    let r = rig(backend, &[0xeb, 0xfe]);
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let pid = stub_pid(&r.space);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        // SAFETY: the call takes no pointers.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    });
    assert_eq!(r.run(&mut t, &mut at(CODE)), Err(Errno::ESRCH));
    killer.join().unwrap();
    // Dropped while it runs.
    let space = r.platform.new_space().unwrap();
    space.apply(&[map(CODE, 0, Access::READ | Access::EXEC)]).unwrap();
    let mut t = r.platform.new_thread(&space).unwrap();
    let mut regs = Registers::from(at(CODE));
    assert!(t.poll_run(&mut Context::from_waker(Waker::noop()), &mut regs).is_pending());
    std::thread::sleep(Duration::from_millis(5));
    drop(t);
    let mut t = r.platform.new_thread(&space).unwrap();
    assert!(t.poll_run(&mut Context::from_waker(Waker::noop()), &mut regs).is_pending());
    drop(t);
    eventually("threads end", || threads(stub_pid(&space)) == 1);
}

fn floating_point_state(backend: Backend) {
    // movaps [rdi], xmm0; stmxcsr [rdi+16]; fnstcw [rdi+20]; pcmpeqd xmm0, xmm0; syscall; movaps [rdi], xmm0; syscall
    let code = [
        0x0f, 0x29, 0x07, 0x0f, 0xae, 0x5f, 0x10, 0xd9, 0x7f, 0x14, 0x66, 0x0f, 0x76, 0xc0, 0x0f, 0x05, 0x0f,
        0x29, 0x07, 0x0f, 0x05,
    ];
    let r = rig(backend, &code);
    let caps = r.platform.caps().clone();
    assert!(caps.xfeatures & 3 == 3 && caps.xsave_size >= 576, "{caps:?}");
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let mut regs = UserRegs { rdi: DATA, ..at(CODE) };
    let fresh = t.fpu().clone();
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
    let seen: Vec<u8> = (0..22).map(|i| peek(&r.memory, PAGE + i)).collect();
    assert_eq!(seen[..16], [0; 16]);
    assert_eq!(seen[16..], [0x80, 0x1f, 0, 0, 0x7f, 0x03]);
    let state = t.fpu();
    assert_eq!(state.0.len(), caps.xsave_size);
    assert_eq!(state.0[160..176], [0xff; 16]);
    let saved = state.clone();
    // Unchanged state survives the look at it.
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
    assert_eq!(peek(&r.memory, PAGE + 3), 0xff);
    // A changed one is loaded, also into another thread.
    for (state, byte) in [(saved, 0xff), (fresh, 0)] {
        let mut t = r.platform.new_thread(&r.space).unwrap();
        *t.fpu() = state;
        let mut regs = UserRegs { rdi: DATA, ..at(CODE + 16) };
        assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
        assert_eq!(peek(&r.memory, PAGE + 3), byte);
    }
    // Nonsense is made acceptable.
    t.fpu().0.fill(0xff);
    regs.rip = CODE;
    assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
}

#[test]
#[ignore = "a measurement"]
fn round_trip_time() {
    for backend in [Backend::Ptrace, Backend::Systrap] {
        measure(backend);
    }
}

fn measure(backend: Backend) {
    let r = rig(backend, &[0x0f, 0x05, 0xeb, 0xfc]);
    let mut t = r.platform.new_thread(&r.space).unwrap();
    let mut regs = at(CODE);
    let n = 20_000;
    let start = Instant::now();
    for _ in 0..n {
        assert_eq!(r.run(&mut t, &mut regs), Ok(Trap::Syscall));
    }
    println!("system call: {:?}", start.elapsed() / n);
    let start = Instant::now();
    for i in 0..n {
        r.space.apply(&[map(DATA, u64::from(i % 2) * PAGE, Access::READ)]).unwrap();
    }
    println!("apply: {:?}", start.elapsed() / n);
    let start = Instant::now();
    for _ in 0..200 {
        let s = r.platform.new_space().unwrap();
        s.apply(&[map(CODE, 0, Access::READ | Access::EXEC)]).unwrap();
        let mut t = r.platform.new_thread(&s).unwrap();
        assert_eq!(r.run(&mut t, &mut at(CODE)), Ok(Trap::Syscall));
    }
    println!("new space and thread: {:?}", start.elapsed() / 200);
}
