//! Puts a kernel together, runs one command in it, and takes it apart.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use abi::Errno;
use anyhow::{Context, Result, anyhow, bail};
use kcore::cred::Credentials;
use kcore::frame::FrameStore;
use kcore::host::{Clock, Entropy};
use kcore::id::Fd;
use kernel::{ExecRequest, ExitStatus, Host, Kernel, TraceSink, exec};
use mm::FrameAllocator;
use platform::Platform;
use platform::host::{HostClock, HostEntropy, HostMemory, host_machine, install_parker};
use platform::ptrace::PtracePlatform;
use platform::systrap::SystrapPlatform;
use vfs::anon::FifoTable;
use vfs::fs::devfs::DeviceRegistry;
use vfs::{FdTable, FsContext, MountNamespace, OpCtx, Vfs, ops};

use crate::cli::{Options, PlatformName};
use crate::host::{FutexIdle, StdioFiles};
use crate::tree::{Builder, Root};

/// Threads that poll guest threads.
const WORKERS: usize = 2;

struct StderrTrace(Mutex<std::io::Stderr>);

impl TraceSink for StderrTrace {
    fn line(&self, line: &str) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell if standard error is closed.
        writeln!(out, "{line}").ok();
    }
}

/// Runs `command` on `root`.
///
/// Returns its status as shells do: 128 and the signal's number if a signal ended it, 127 if it was not found, 126 if it could not be
/// executed. Errors: one that says what is missing or refused.
pub(crate) fn run(options: &Options, root: &Root, command: &[OsString]) -> Result<ExitCode> {
    install_parker();
    let memory = HostMemory::new().map_err(|e| anyhow!("the host refuses memory for the guest: {e}"))?;
    let platform: Arc<dyn Platform> = match options.platform {
        PlatformName::Ptrace => PtracePlatform::new(&memory)?,
        PlatformName::Systrap => SystrapPlatform::new(&memory)?,
    };
    let frames = FrameAllocator::new(memory);
    let clock: Arc<dyn Clock> = Arc::new(HostClock);
    let entropy: Arc<dyn Entropy> = Arc::new(HostEntropy);
    let vfs = Vfs {
        clock: clock.clone(),
        special: Arc::new(DeviceRegistry::new(entropy.clone(), Some(Arc::new(FifoTable::new())))),
    };
    let ns = mounts(options, root, &frames, &clock)?;
    let trace: Option<Arc<dyn TraceSink>> =
        options.strace.then(|| Arc::new(StderrTrace(Mutex::new(std::io::stderr()))) as Arc<dyn TraceSink>);
    let machine = host_machine();
    let idle = platform.sleeper().unwrap_or_else(|| Arc::new(FutexIdle::default()));
    let host = Host { platform, frames, machine, clock, entropy, idle, trace };
    let kernel = Kernel::new(host, vfs, &options.hostname);

    let cred = Credentials::root(kernel.user_ns().clone());
    let fs = FsContext::new(ns);
    enter_workdir(&kernel, &fs, &cred, options, matches!(root, Root::Host))?;
    let env = environment(options);
    let path = match find_program(&kernel, &fs, &cred, &command[0], &env) {
        Ok(path) => path,
        Err(e) => return Ok(cannot_run(&command[0], e)),
    };
    let files = FdTable::new();
    for (n, file) in StdioFiles::open()? {
        files.replace(Fd(n), file, false, 3)?;
    }
    let args = command.iter().map(|a| a.as_bytes().to_vec()).collect();
    let request = ExecRequest { path, args, env, files, fs, cred };
    let current = match exec(&kernel, request) {
        Ok(c) => c,
        Err(e) => return Ok(cannot_run(&command[0], e)),
    };
    kernel.start(current);
    std::thread::scope(|scope| {
        for _ in 1..WORKERS {
            scope.spawn(|| kernel.executor().work());
        }
        kernel.executor().work();
    });
    match kernel.exit_status() {
        Some(ExitStatus::Exited(code)) => Ok(ExitCode::from(code)),
        Some(ExitStatus::Signaled { signal, .. }) => {
            Ok(ExitCode::from(128 + u8::try_from(signal.number()).unwrap_or(0)))
        }
        None => bail!("the kernel stopped before the command ended"),
    }
}

fn cannot_run(program: &OsString, e: Errno) -> ExitCode {
    eprintln!("sentry-bin: cannot run {}: {}", program.display(), e.text());
    ExitCode::from(if e == Errno::ENOENT { 127 } else { 126 })
}

/// The sandbox's tree: the root, `/dev`, and what the command line adds, in this order.
fn mounts(
    options: &Options,
    root: &Root,
    frames: &Arc<FrameAllocator>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<MountNamespace>> {
    let store: Arc<dyn FrameStore> = frames.clone();
    let tree = Builder::new(root, &store, clock)?;
    tree.add_devices()?;
    for place in &options.tmpfs {
        tree.add_tmpfs(place)?;
    }
    for bind in &options.binds {
        tree.add_bind(bind)?;
    }
    Ok(tree.namespace())
}

fn enter_workdir(
    kernel: &Kernel,
    fs: &FsContext,
    cred: &Credentials,
    options: &Options,
    keep_current: bool,
) -> Result<()> {
    let dir = match &options.workdir {
        Some(d) => d.clone(),
        None if keep_current => std::env::current_dir().context("the current directory is gone")?,
        None => return Ok(()),
    };
    let view = fs.view();
    let ctx = OpCtx::new(kernel.vfs(), &view, cred);
    let place = ops::lookup(&ctx, dir.as_os_str().as_bytes(), true)
        .map_err(|e| anyhow!("cannot enter {} in the sandbox: {}", dir.display(), e.text()))?;
    fs.set_cwd(place);
    Ok(())
}

fn environment(options: &Options) -> Vec<Vec<u8>> {
    let mut env: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    for e in &options.env {
        let bytes = e.as_bytes();
        let (name, value) = match bytes.iter().position(|b| *b == b'=') {
            Some(i) => {
                (OsString::from_vec(bytes[..i].to_vec()), Some(OsString::from_vec(bytes[i + 1..].to_vec())))
            }
            None => (e.clone(), std::env::var_os(e)),
        };
        env.retain(|(n, _)| *n != name);
        env.extend(value.map(|v| (name, v)));
    }
    env.into_iter().map(|(n, v)| [n.as_bytes(), b"=", v.as_bytes()].concat()).collect()
}

/// The path of a command: itself if it has a slash, or else the first match in the sandbox along `PATH`.
fn find_program(
    kernel: &Kernel,
    fs: &FsContext,
    cred: &Credentials,
    name: &OsString,
    env: &[Vec<u8>],
) -> Result<Vec<u8>, Errno> {
    let name = name.as_bytes();
    if name.contains(&b'/') {
        return Ok(name.to_vec());
    }
    let path = env.iter().find_map(|e| e.strip_prefix(b"PATH=")).unwrap_or(b"/usr/local/bin:/usr/bin:/bin");
    let view = fs.view();
    let ctx = OpCtx::new(kernel.vfs(), &view, cred);
    for dir in path.split(|b| *b == b':') {
        let candidate = [if dir.is_empty() { b"." } else { dir }, b"/", name].concat();
        if let Ok(place) = ops::lookup(&ctx, &candidate, true)
            && place.inode().attr().is_ok_and(|a| !a.is_dir() && a.mode & 0o111 != 0)
        {
            return Ok(candidate);
        }
    }
    Err(Errno::ENOENT)
}
