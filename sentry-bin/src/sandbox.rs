//! Puts a kernel together, runs one command in it, and takes it apart.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread::JoinHandle;

use abi::Errno;
use anyhow::{Context, Result, anyhow, bail};
use kcore::cred::Credentials;
use kcore::frame::FrameStore;
use kcore::host::{Clock, Entropy};
use kcore::id::Fd;
use kcore::machine::Machine;
use kernel::{CurrentTask, ExecRequest, ExitStatus, Host, Kernel, TraceSink, exec};
use mm::FrameAllocator;
use platform::Platform;
use platform::host::{
    CounterClock, HostEntropy, HostMemory, HostSignals, close_others, give_memory_back, host_machine,
    inherited, install_parker, was_closed,
};
use rustix::stdio::{stderr, stdin, stdout};
use vfs::anon::FifoTable;
use vfs::fs::devfs::DeviceRegistry;
use vfs::{FdTable, FsContext, MountNamespace, Vfs};

use crate::backend;
use crate::cli::{Options, PlatformName};
use crate::confine::{Confinement, Side};
use crate::debug_log;
use crate::host::{FutexIdle, Streams, Thrifty};
use crate::signals::{self, Forwarder};
use crate::terminal::{self, Console};
use crate::tree::{Builder, HostTrees, Root, is_changed};
use crate::user::Caller;
use crate::{limits, panic, program, thread};

/// Threads that poll guest threads.
const WORKERS: usize = 2;
/// Descriptors that can be passed.
const MAX_FD: usize = 1024;

/// What the host tells of itself before the confinement.
struct HostFacts {
    machine: Machine,
    clock: Arc<dyn Clock>,
    directory: Result<PathBuf>,
    caller: Caller,
}

struct StderrTrace(Mutex<std::io::Stderr>);

impl TraceSink for StderrTrace {
    fn text(&self, text: &str) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell if standard error is closed.
        out.write_all(text.as_bytes()).ok();
    }
}

/// Runs `command` on `root`.
///
/// Returns its status as shells do: 128 and the signal's number if a signal ended it, 127 if it was not found, 126 if it could not be
/// executed. Errors: one that says what is missing or refused.
pub(crate) fn run(options: &Options, root: &Root, command: &[OsString]) -> Result<ExitCode> {
    // First, while no other descriptors are open.
    let passed = passed(&options.pass_fds)?;
    let limits = limits::own();
    // A host without this call is one on which they stay.
    close_others(&passed.iter().map(|(_, fd)| fd).collect::<Vec<_>>()).ok();
    let with_terminal = terminal::is_wanted();
    // Threads and processes inherit what is blocked.
    let signals = signals::block(with_terminal || !options.unconfined)?;
    let caller = Caller::here()?;
    let mut confinement = match Confinement::begin(options, is_changed(root, &options.binds))? {
        Side::Guardian(status) => return Ok(status),
        Side::Sentry(confinement) => confinement,
    };
    if let Some(file) = &options.debug_log {
        debug_log::start(file, &options.debug_level)?;
    }
    tracing::info!(command = ?command[0], "a sandbox starts");
    // What is asked of the host's own files comes before it has no names any more.
    let (machine, clock) = (host_machine(), Arc::new(CounterClock::new()));
    let here = HostFacts { machine, clock, directory: program::current_dir(), caller };
    let trees = HostTrees::open(root, &options.binds, confinement.has_one_user())?;
    confinement.enter(&trees.all())?;
    install_parker();
    let memory = HostMemory::new().map_err(|e| anyhow!("the host refuses memory for the guest: {e}"))?;
    let (platform, name) = backend::choose(options.platform, &memory)?;
    let (kernel, devices, ns) = boot(options, root, here.machine, here.clock, &trees, (platform, memory))?;
    let fs = FsContext::new(ns);
    if matches!(root, Root::Host) {
        fs.set_umask(limits.umask);
    }
    let (cred, home) = match (&options.user, root) {
        (Some(user), _) => {
            let user = user.resolve(kernel.vfs(), &fs.view(), kernel.user_ns())?;
            (user.cred, user.home)
        }
        (None, Root::Host) => (here.caller.credentials(kernel.user_ns()), None),
        (None, Root::Directory(..)) => (Credentials::root(kernel.user_ns().clone()), None),
    };
    match (&options.workdir, root) {
        (Some(dir), _) => program::enter(kernel.vfs(), &fs, &cred, dir)?,
        (None, Root::Host) => program::enter(kernel.vfs(), &fs, &cred, &here.directory?)?,
        (None, Root::Directory(..)) => {}
    }
    let env = program::environment(&options.env, home.as_deref());
    let path = match program::find(kernel.vfs(), &fs, &cred, &command[0], &env) {
        Ok(path) => path,
        Err(e) => return Ok(cannot_run(&command[0], e)),
    };
    let console = match with_terminal {
        true => Some(Console::new(kernel.vfs(), &fs, &cred)?),
        false => None,
    };
    let files = descriptors(console.as_ref(), &passed)?;
    let args = command.iter().map(|a| a.as_bytes().to_vec()).collect();
    let rlimits = limits.rlimits;
    let current = match exec(&kernel, ExecRequest { path, args, env, files, fs, cred, rlimits }) {
        Ok(c) => c,
        Err(e) => return Ok(cannot_run(&command[0], e)),
    };
    if let Some(console) = &console {
        devices.set_console(console.terminal());
        console.terminal().adopt_caller(&current);
    }
    serve(&kernel, current, console, signals, confinement, name)
}

/// A kernel without tasks, its devices, and the tree that tasks will see. Errors: one line.
fn boot(
    options: &Options,
    root: &Root,
    machine: Machine,
    clock: Arc<dyn Clock>,
    trees: &HostTrees,
    (platform, memory): (Arc<dyn Platform>, Arc<HostMemory>),
) -> Result<(Arc<Kernel>, Arc<DeviceRegistry>, Arc<MountNamespace>)> {
    let frames = FrameAllocator::new(memory);
    let entropy: Arc<dyn Entropy> = Arc::new(HostEntropy);
    let devices = Arc::new(DeviceRegistry::new(entropy.clone(), Some(Arc::new(FifoTable::new()))));
    let vfs = Vfs { clock: clock.clone(), special: devices.clone() };
    let trace: Option<Arc<dyn TraceSink>> =
        options.strace.then(|| Arc::new(StderrTrace(Mutex::new(std::io::stderr()))) as Arc<dyn TraceSink>);
    let idle = platform.sleeper().unwrap_or_else(|| Arc::new(FutexIdle::default()));
    let idle = Arc::new(Thrifty::new(idle));
    let host = Host { platform, frames, machine, clock, entropy, idle, trace };
    let kernel = Kernel::new(host, vfs, &options.hostname);
    let ns = mounts(options, root, trees, &kernel)?;
    Ok((kernel, devices, ns))
}

/// Copies of the descriptors that `--pass-fd` names. Errors: one line for one that is not open.
fn passed(fds: &[i32]) -> Result<Vec<(i32, OwnedFd)>> {
    let copy = |fd: &i32| Ok((*fd, inherited(*fd).with_context(|| format!("cannot pass descriptor {fd}"))?));
    fds.iter().map(copy).collect()
}

/// The first process's descriptors: the standard streams, those that are terminals here being its own terminal, and those passed.
/// Errors: one line.
fn descriptors(console: Option<&Console>, passed: &[(i32, OwnedFd)]) -> Result<Arc<FdTable>> {
    let files = FdTable::new();
    let streams = Streams::new()?;
    for (n, stream) in (0..).zip([stdin(), stdout(), stderr()]) {
        if was_closed(n) {
            continue;
        }
        if let Some(file) = streams.file(stream)? {
            files.replace(Fd(n), file, false, MAX_FD)?;
        }
    }
    for (n, file) in console.iter().flat_map(|c| c.streams()) {
        files.replace(Fd(n), file, false, MAX_FD)?;
    }
    for (n, fd) in passed {
        if let Some(file) = streams.file(fd.as_fd())? {
            files.replace(Fd(*n), file, false, MAX_FD)?;
        }
    }
    Ok(files)
}

/// Runs the first process to its end. Errors: the host's.
fn serve(
    kernel: &Arc<Kernel>,
    current: CurrentTask,
    console: Option<Console>,
    signals: HostSignals,
    mut confinement: Confinement,
    platform: PlatformName,
) -> Result<ExitCode> {
    let init = current.task().core().group().clone();
    // A command expects to be ended by the signals that end it elsewhere.
    init.set_unkillable(false);
    let tty = console.as_ref().map(|c| c.terminal().clone());
    let joined = console.map(Console::join).transpose()?;
    let raw = joined.as_ref().map(|j| j.raw().clone());
    let guardian = confinement.take_guardian();
    let forwarder = Forwarder { kernel: kernel.clone(), init, terminal: tty.zip(raw.clone()), guardian };
    let forwarding = forwarder.start(signals)?;
    panic::exit_after(raw);
    // The others wait for work that there is only when all host calls of their start are made.
    let start = Arc::new(Barrier::new(WORKERS));
    let worker = || {
        let (kernel, start) = (kernel.clone(), start.clone());
        thread::start("picket-worker", move || {
            start.wait();
            kernel.executor().work();
        })
    };
    let workers: Vec<JoinHandle<()>> = (1..WORKERS).map(|_| worker()).collect::<Result<_>>()?;
    confinement.close(platform)?;
    give_memory_back();
    kernel.start(current);
    start.wait();
    kernel.executor().work();
    for w in workers {
        // One that panicked has ended this process.
        w.join().ok();
    }
    forwarding.finish();
    if let Some(joined) = joined {
        joined.finish();
    }
    tracing::info!(status = ?kernel.exit_status(), "the sandbox ends");
    match kernel.exit_status() {
        Some(ExitStatus::Exited(code)) => Ok(ExitCode::from(code)),
        Some(ExitStatus::Signaled { signal, .. }) => {
            Ok(ExitCode::from(128 + u8::try_from(signal.number()).unwrap_or(0)))
        }
        None => bail!("the kernel stopped before the command ended"),
    }
}

fn cannot_run(program: &OsString, e: Errno) -> ExitCode {
    let hint = match e {
        Errno::ENOENT => {
            " (it is looked for in the sandbox; a script's or program's interpreter may be missing, too)"
        }
        Errno::ENOEXEC => " (neither an x86-64 ELF program nor a script)",
        _ => "",
    };
    eprintln!("sentry-bin: cannot run {}: {}{hint}", program.display(), e.text());
    ExitCode::from(if e == Errno::ENOENT { 127 } else { 126 })
}

/// The sandbox's tree: the root, `/dev`, and what the command line adds, in this order.
fn mounts(
    options: &Options,
    root: &Root,
    trees: &HostTrees,
    kernel: &Arc<Kernel>,
) -> Result<Arc<MountNamespace>> {
    let store: Arc<dyn FrameStore> = kernel.host().frames.clone();
    let tree = Builder::new(root, trees.root(), &store, &kernel.host().clock)?;
    tree.add_devices()?;
    tree.add_proc(kernel)?;
    tree.add_sys(kernel)?;
    for place in &options.tmpfs {
        tree.add_tmpfs(place)?;
    }
    for (bind, host) in options.binds.iter().zip(trees.binds()) {
        tree.add_bind(bind, host)?;
    }
    Ok(tree.namespace())
}
