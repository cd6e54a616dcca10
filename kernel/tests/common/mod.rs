//! A kernel on ptrace with a tmpfs as its root, and C programs compiled to run in it.
//! With `PICKET_TRACE` in the environment, system calls are printed as they end.

#![expect(unreachable_pub, reason = "a module of test binaries")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use kcore::cred::{Credentials, UserNamespace};
use kcore::frame::FrameStore;
use kcore::host::{Clock, Entropy, Nanos};
use kcore::id::Fd;
use kcore::io::{IoResult, IoSource, SliceSource};
use kernel::{ExecRequest, ExitStatus, Host, Kernel, TraceSink, exec};
use mm::FrameAllocator;
use platform::Sleeper;
use platform::host::{CounterClock, HostEntropy, HostMemory, host_machine, install_parker};
use platform::ptrace::PtracePlatform;
use task::rlimit::Rlimits;
use vfs::anon::FifoTable;
use vfs::consts::{O_CREAT, O_WRONLY};
use vfs::fs::devfs::{DeviceRegistry, populate};
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::ops::{self, OpenHow};
use vfs::{FdTable, FileOps, FileSystem, FsContext, MountIds, MountNamespace, OpCtx, OpenFile, Vfs};

/// What a program wrote and how it ended.
pub struct Outcome {
    pub output: String,
    pub status: ExitStatus,
    pub trace: String,
}

#[derive(Default)]
struct Sleep(Mutex<u32>, Condvar);

impl Sleeper for Sleep {
    fn epoch(&self) -> u32 {
        *self.0.lock().unwrap()
    }
    fn sleep(&self, epoch: u32, timeout: Option<Nanos>, _last: bool) {
        let now = self.0.lock().unwrap();
        if *now == epoch {
            // Woken by a change; the bound is only for a test that would otherwise hang for ever.
            let limit = Duration::from_nanos(timeout.unwrap_or(1_000_000_000));
            drop(self.1.wait_timeout(now, limit).unwrap());
        }
    }
    fn wake(&self) {
        *self.0.lock().unwrap() += 1;
        self.1.notify_all();
    }
}

#[derive(Default)]
struct Lines(Mutex<String>);

impl TraceSink for Lines {
    fn text(&self, text: &str) {
        if std::env::var_os("PICKET_TRACE").is_some() {
            eprint!("{text}");
        }
        self.0.lock().unwrap().push_str(text);
    }
}

#[derive(Default)]
struct Collect(Mutex<Vec<u8>>);

impl FileOps for Collect {
    fn write(&self, _: &OpenFile, _: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let mut buf = vec![0; src.remaining()];
        let n = src.read(&mut buf)?;
        self.0.lock().unwrap().extend_from_slice(&buf[..n]);
        Ok(n)
    }
}

/// Compiles `tests/guests/NAME.c` into a static program.
pub fn compile(name: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(name).with_extension("c");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}{}", flags.concat()));
    let status = Command::new("gcc")
        .args(["-O1", "-o"])
        .arg(&out)
        .arg(source)
        .args(flags)
        .status()
        .expect("gcc is installed");
    assert!(status.success(), "{name}.c compiles");
    out
}

/// Runs the host's static `program` as `/program` with `args` in a fresh kernel.
pub fn run(program: &Path, args: &[&str]) -> Outcome {
    install_parker();
    let memory = HostMemory::new().unwrap();
    let platform = PtracePlatform::new(&memory).unwrap();
    let frames = FrameAllocator::new(memory);
    let clock: Arc<dyn Clock> = Arc::new(CounterClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(HostEntropy);
    let store: Arc<dyn FrameStore> = frames.clone();
    let ids = Arc::new(MountIds::default());
    let tmpfs = || TmpFs::new(ids.next_dev(), clock.clone(), store.clone(), TmpFsOptions::default()).unwrap();
    let vfs = Vfs {
        clock: clock.clone(),
        special: Arc::new(DeviceRegistry::new(entropy.clone(), Some(Arc::new(FifoTable::new())))),
    };
    let ns = MountNamespace::new(ids.clone(), tmpfs(), 0, "root");
    let cred = Credentials::root(Arc::new(UserNamespace::default()));
    let fs = FsContext::new(ns.clone());
    {
        let view = fs.view();
        let cx = OpCtx::new(&vfs, &view, &cred);
        let how = OpenHow { flags: O_CREAT | O_WRONLY, mode: 0o755, resolve: 0 };
        let file = ops::open(&cx, b"/program", &how).unwrap();
        let bytes = std::fs::read(program).unwrap();
        assert_eq!(file.write(&mut SliceSource::new(&bytes)).unwrap(), bytes.len());
        let dev = tmpfs();
        populate(&dev.root()).unwrap();
        let at = ops::mkdir(&cx, b"/dev", 0o755).unwrap();
        ns.mount(dev, &at, 0, "dev").unwrap();
    }
    let lines = Arc::new(Lines::default());
    let host = Host {
        platform,
        frames,
        machine: host_machine(),
        clock,
        entropy,
        idle: Arc::new(Sleep::default()),
        trace: Some(lines.clone()),
    };
    let kernel = Kernel::new(host, vfs, "test");
    let files = FdTable::new();
    let collect = Arc::new(Collect::default());
    for n in 0..3 {
        files.replace(Fd(n), OpenFile::new(collect.clone(), 2, None), false, 3).unwrap();
    }
    let args =
        std::iter::once("program").chain(args.iter().copied()).map(|a| a.as_bytes().to_vec()).collect();
    let env = vec![b"HOME=/".to_vec(), b"LC_ALL=C".to_vec()];
    let cred = Credentials::root(kernel.user_ns().clone());
    let request =
        ExecRequest { path: b"/program".to_vec(), args, env, files, fs, cred, rlimits: Rlimits::default() };
    let current = exec(&kernel, request).unwrap();
    kernel.start(current);
    std::thread::scope(|s| {
        s.spawn(|| kernel.executor().work());
        kernel.executor().work();
    });
    let output = String::from_utf8_lossy(&collect.0.lock().unwrap()).into_owned();
    let trace = lines.0.lock().unwrap().clone();
    Outcome { output, status: kernel.exit_status().unwrap(), trace }
}

/// Runs the program here and in a fresh kernel, and compares what it writes and how it ends.
pub fn same_as_here(program: &Path, args: &[&str]) {
    let host = Command::new(program).args(args).env_clear().env("LC_ALL", "C").output().unwrap();
    let outcome = run(program, args);
    let expected = String::from_utf8_lossy(&host.stdout);
    let first = expected.lines().zip(outcome.output.lines()).find(|(e, o)| e != o);
    assert_eq!(outcome.output, expected, "first difference (host, kernel): {first:?}\n{}", outcome.trace);
    let code = host.status.code().and_then(|c| u8::try_from(c).ok()).map(ExitStatus::Exited);
    assert_eq!(Some(outcome.status), code, "{}", outcome.trace);
}
