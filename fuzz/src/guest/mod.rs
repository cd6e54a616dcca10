//! A whole kernel whose guests execute no instructions: their system calls come from a script, and time passes only when all sleep.

mod platform;
mod time;
mod tree;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use kcore::cred::Credentials;
use kcore::frame::FrameStore;
use kcore::machine::Machine;
use kernel::{ExecRequest, Host, Kernel, exec};
use mm::{FrameAllocator, VecMemory};
use task::rlimit::Rlimits;
use task::signal::{SigInfo, Signal};
use vfs::anon::FifoTable;
use vfs::fs::devfs::DeviceRegistry;
use vfs::{FdTable, FsContext, Vfs};

use self::platform::{Scripted, Shared};
use self::time::Idle;
pub use self::time::{Chance, VirtualClock};

/// Where a guest's memory is: readable and writable.
pub const ARENA: u64 = 0x1_0000;
/// How much of it there is.
pub const ARENA_LEN: usize = 0x1_0000;
/// Pages of the whole sandbox.
const PAGES: u64 = 4096;

/// A system call to make.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number.
    pub nr: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What guests do next, given the results of the last calls, the latest first; `None` ends the process that asks.
pub type Script = Box<dyn FnMut(&[u64; 8]) -> Option<Call> + Send>;

/// Runs `script` in a process whose memory begins with `arena`, as the child of an init that waits for all processes to end. The
/// processes that it makes go on with the same script, in turn. Those that wait for ever are killed.
///
/// Panics if something is left when all have ended.
pub fn run(arena: &[u8], script: Script) {
    let frames = FrameAllocator::new(Arc::new(VecMemory::new(PAGES)));
    let before = frames.used_pages();
    let kernel = run_kernel(frames.clone(), arena, script);
    assert!(kernel.upgrade().is_none(), "nothing holds the kernel when the last process has ended");
    assert_eq!(frames.used_pages(), before, "all pages come back");
}

fn run_kernel(frames: Arc<FrameAllocator>, arena: &[u8], script: Script) -> Weak<Kernel> {
    let clock = Arc::new(VirtualClock::default());
    let entropy = Arc::new(Chance::default());
    let idle = Arc::new(Idle::new(clock.clone()));
    let special = Arc::new(DeviceRegistry::new(entropy.clone(), Some(Arc::new(FifoTable::new()))));
    let vfs = Vfs { clock: clock.clone(), special };
    let host = Host {
        platform: Scripted::new(Shared::new(script)),
        frames,
        machine: Machine::plain(2, PAGES * kcore::addr::PAGE_SIZE),
        clock,
        entropy,
        idle: idle.clone(),
        trace: trace(),
    };
    let kernel = Kernel::new(host, vfs, "fuzz");
    let weak = Arc::downgrade(&kernel);
    let killed = weak.clone();
    idle.when_stuck(move || kill_all(&killed));
    let ns = tree::new(&kernel, arena);
    let cred = Credentials::root(kernel.user_ns().clone());
    let (files, fs) = (FdTable::new(), FsContext::new(ns));
    let (path, args) = (b"/init".to_vec(), vec![b"init".to_vec()]);
    let request = ExecRequest { path, args, env: Vec::new(), files, fs, cred, rlimits: Rlimits::default() };
    kernel.start(exec(&kernel, request).expect("the scripted program can be executed"));
    kernel.executor().work();
    weak
}

/// Kills all processes but init.
fn kill_all(kernel: &Weak<Kernel>) {
    let Some(kernel) = kernel.upgrade() else { return };
    let processes = kernel.processes();
    for group in processes.groups().iter().filter(|g| g.tgid().0 != 1 && !g.is_dead()) {
        processes.send_to_group(group, SigInfo::kernel(Signal::KILL), true).ok();
    }
}

/// System calls go to standard error if `PICKET_TRACE` is in the environment.
fn trace() -> Option<Arc<dyn kernel::TraceSink>> {
    struct Stderr(Mutex<()>);
    impl kernel::TraceSink for Stderr {
        fn text(&self, text: &str) {
            let _guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            eprint!("{text}");
        }
    }
    std::env::var_os("PICKET_TRACE").map(|_| Arc::new(Stderr(Mutex::new(()))) as Arc<dyn kernel::TraceSink>)
}
