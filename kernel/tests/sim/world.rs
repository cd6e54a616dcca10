//! A kernel on a simulated machine, and how scenarios run in it under many seeds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};

use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::FrameStore;
use kcore::host::{Clock, Entropy, MemoryFile, Nanos};
use kcore::id::Fd;
use kcore::io::{IoResult, IoSource, SliceSource};
use kcore::machine::Machine as Hardware;
use kernel::{ExecRequest, ExitStatus, Host, Kernel, TraceSink, exec};
use mm::FrameAllocator;
use platform::sim::{End, Guest, Machine, Sim, SimMemory, Waiter, drive};
use vfs::anon::FifoTable;
use vfs::consts::{O_CREAT, O_WRONLY};
use vfs::fs::devfs::{DeviceRegistry, populate};
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::ops::{self, OpenHow};
use vfs::{FdTable, FileOps, FileSystem, FsContext, MountIds, MountNamespace, OpCtx, OpenFile, Vfs};

/// Steps after which a scenario counts as endless.
const STEPS: u64 = 200_000;

/// A kernel that is not running yet.
pub struct World {
    pub sim: Sim,
    kernel: Arc<Kernel>,
    fs: Arc<FsContext>,
    files: Arc<FdTable>,
    output: Arc<Output>,
    memory: Weak<SimMemory>,
}

/// How a run of a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub end: Result<End, String>,
    pub status: Option<ExitStatus>,
    pub output: String,
    /// Equal for equal runs.
    pub fingerprint: u64,
    pub now: Nanos,
}

#[derive(Default)]
struct Output(Mutex<Vec<u8>>);

impl FileOps for Output {
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let mut buf = vec![0; src.remaining()];
        let n = src.read(&mut buf)?;
        self.0.lock().unwrap().extend_from_slice(&buf[..n]);
        Ok(n)
    }
}

/// Puts system calls into the simulation's trace.
struct Calls(Sim);

impl TraceSink for Calls {
    fn text(&self, text: &str) {
        for part in text.lines() {
            self.0.note(part);
        }
    }
}

impl World {
    /// A machine whose behaviour follows from `seed`, with a tmpfs as its root. `trace` keeps what happens.
    pub fn new(seed: u64, trace: bool) -> World {
        let sim = Sim::new(seed).unwrap();
        if trace {
            sim.record();
        }
        let memory = sim.memory();
        let weak = Arc::downgrade(&memory);
        let frames = FrameAllocator::new(memory);
        let clock: Arc<dyn Clock> = Arc::new(sim.clone());
        let entropy: Arc<dyn Entropy> = Arc::new(sim.clone());
        let store: Arc<dyn FrameStore> = frames.clone();
        let ids = Arc::new(MountIds::default());
        let tmpfs =
            || TmpFs::new(ids.next_dev(), clock.clone(), store.clone(), TmpFsOptions::default()).unwrap();
        let vfs = Vfs {
            clock: clock.clone(),
            special: Arc::new(DeviceRegistry::new(entropy.clone(), Some(Arc::new(FifoTable::new())))),
        };
        let ns = MountNamespace::new(ids.clone(), tmpfs(), 0, "root");
        let fs = FsContext::new(ns.clone());
        {
            let cred = Credentials::root(Arc::new(UserNamespace::default()));
            let view = fs.view();
            let cx = OpCtx::new(&vfs, &view, &cred);
            let dev = tmpfs();
            populate(&dev.root()).unwrap();
            let at = ops::mkdir(&cx, b"/dev", 0o755).unwrap();
            ns.mount(dev, &at, 0, "dev").unwrap();
        }
        let host = Host {
            platform: Arc::new(sim.clone()),
            frames,
            machine: Hardware::plain(2, 1 << 28),
            clock,
            entropy,
            idle: Arc::new(sim.clone()),
            trace: trace.then(|| Arc::new(Calls(sim.clone())) as Arc<dyn TraceSink>),
        };
        let kernel = Kernel::new(host, vfs, "sim");
        let output = Arc::new(Output::default());
        let files = FdTable::new();
        for n in 0..3 {
            files.replace(Fd(n), OpenFile::new(output.clone(), 2, None), false, 3).unwrap();
        }
        World { sim, kernel, fs, files, output, memory: weak }
    }

    /// Gives the first process a file of the test's own.
    pub fn provide(&self, fd: i32, file: Arc<dyn FileOps>) {
        self.files.replace(Fd(fd), OpenFile::new(file, 2, None), false, 100).unwrap();
    }
    /// Puts a program into the file system.
    pub fn install<F, Fut>(&self, path: &str, f: F)
    where
        F: Fn(Guest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        let cred = Credentials::root(self.kernel.user_ns().clone());
        let view = self.fs.view();
        let cx = OpCtx::new(self.kernel.vfs(), &view, &cred);
        let how = OpenHow { flags: O_CREAT | O_WRONLY, mode: 0o755, resolve: 0 };
        let file = ops::open(&cx, path.as_bytes(), &how).unwrap();
        let bytes = self.sim.program(f);
        assert_eq!(file.write(&mut SliceSource::new(&bytes)).unwrap(), bytes.len());
    }

    /// Runs `main` as the first process until all is over.
    pub fn run<F, Fut>(self, main: F) -> Outcome
    where
        F: Fn(Guest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        self.install("/main", main);
        let World { sim, kernel, fs, files, output, memory } = self;
        let cred = Credentials::root(kernel.user_ns().clone());
        let args = vec![b"main".to_vec()];
        let request = ExecRequest {
            path: b"/main".to_vec(),
            args,
            env: Vec::new(),
            files,
            fs,
            cred,
            rlimits: task::rlimit::Rlimits::default(),
        };
        kernel.start(exec(&kernel, request).unwrap());
        let machine = OnSim(kernel);
        let end = catch_unwind(AssertUnwindSafe(|| drive(&sim, &machine, STEPS))).map_err(|e| message(&*e));
        let outcome = Outcome {
            status: machine.0.exit_status(),
            output: String::from_utf8_lossy(&output.0.lock().unwrap()).into_owned(),
            fingerprint: sim.fingerprint(),
            now: sim.monotonic(),
            end,
        };
        drop(machine);
        if outcome.end == Ok(End::Ended { left: Vec::new() }) {
            // The simulation's handle is the only one left.
            assert_eq!(memory.strong_count(), 1, "something of the kernel outlives it");
            assert!(sim.memory().len() > 0);
        }
        outcome
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

/// A kernel to [`drive`].
struct OnSim(Arc<Kernel>);

impl Machine for OnSim {
    fn step(&self, choose: &mut dyn FnMut(&[u64]) -> usize) -> Option<u64> {
        self.0.executor().step(choose)
    }
    fn fire_timers(&self) {
        self.0.executor().fire_timers();
    }
    fn next_deadline(&self) -> Option<Nanos> {
        self.0.timers().next_deadline()
    }
    fn has_ended(&self) -> bool {
        self.0.exit_status().is_some()
    }
    fn ask(&self) {
        self.0.ask_waits();
    }
    fn answers(&self) -> Vec<Waiter> {
        let waiting = self.0.take_waits();
        waiting.iter().map(|w| Waiter { name: w.task.0, what: w.to_string() }).collect()
    }
}
