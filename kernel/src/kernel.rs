//! A kernel: everything that one sandbox shares.

use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use abi::Errno;
use kcore::cred::UserNamespace;
use kcore::frame::FrameStore;
use kcore::host::{Clock, Entropy};
use kcore::machine::Machine;
use kcore::sync::{LockClass, Mutex};
use kcore::timer::TimerQueue;
use mm::FrameAllocator;
use netstack::unix::{Transit, UnixDomain};
use platform::{Platform, Sleeper};
use task::futex::FutexTable;
use task::{ExitStatus, GroupId, ProcessTable, ThreadGroup};
use vfs::anon::{inotify, pipe};
use vfs::{Vfs, make_dev};

use crate::current::CurrentTask;
use crate::ipc::Ipc;
use crate::lock_waits::LockWaits;
use crate::log::LogLimit;
use crate::memfds::Memfds;
use crate::nameless::Nameless;
use crate::namespace::NamespaceNumbers;
use crate::run::run_task;
use crate::sched::Executor;
use crate::strace::{Strace, TraceSink};
use crate::usage::{Load, metered};
use crate::uts::UtsNamespace;
use crate::vdso::Vdso;
use crate::waits::Waits;

static INIT: LockClass = LockClass::new("init's status", 920);

/// First minor number of file systems that no mount namespace made: above all that those give.
const OWN_DEVICES: u32 = 1 << 19;

/// What a kernel runs on.
pub struct Host {
    /// Runs guest code.
    pub platform: Arc<dyn Platform>,
    /// Guest memory; the platform's stubs map the same file.
    pub frames: Arc<FrameAllocator>,
    /// The machine that guests see.
    pub machine: Machine,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// How workers sleep.
    pub idle: Arc<dyn Sleeper>,
    /// Where system calls are reported, if anywhere.
    pub trace: Option<Arc<dyn TraceSink>>,
}

/// One sandbox's kernel. A process may hold several; they share nothing.
pub struct Kernel {
    host: Host,
    vfs: Vfs,
    timers: Arc<TimerQueue>,
    executor: Executor,
    uts: Arc<UtsNamespace>,
    ipc: Arc<Ipc>,
    namespace_numbers: NamespaceNumbers,
    user_ns: Arc<UserNamespace>,
    processes: Arc<ProcessTable>,
    futexes: FutexTable,
    unix: Arc<UnixDomain>,
    init: Mutex<(Option<GroupId>, Option<ExitStatus>)>,
    nameless: Nameless,
    load: Load,
    strace: Option<Strace>,
    log_limit: LogLimit,
    lock_waits: LockWaits,
    waits: Waits,
    boot_id: String,
    logins: AtomicU32,
    devices: AtomicU32,
    lease_break_time: AtomicU32,
    inotify: Arc<inotify::Quotas>,
    pipe_max_size: AtomicUsize,
    memfds: Result<Memfds, Errno>,
    vdso: Result<Vdso, Errno>,
}

impl Kernel {
    /// A kernel without tasks.
    pub fn new(host: Host, vfs: Vfs, hostname: &str) -> Arc<Kernel> {
        let timers = Arc::new(TimerQueue::new());
        let executor = Executor::new(host.idle.clone(), timers.clone(), host.clock.clone());
        let user_ns = Arc::new(UserNamespace::default());
        let processes = ProcessTable::new(user_ns.clone());
        let load = Load::new(host.clock.monotonic());
        crate::trim::keep_freed(&host, &timers);
        let boot_id = uuid(&*host.entropy);
        let memfds = Memfds::new(&host);
        let store: Arc<dyn FrameStore> = host.frames.clone();
        let vdso = Vdso::new(&store, &*host.clock);
        let ipc = Ipc::new(user_ns.clone(), make_dev(0, OWN_DEVICES), host.clock.clone());
        let nameless = Nameless::new(&host.clock);
        let log_limit = LogLimit::new(host.clock.monotonic());
        tracing::debug!(hostname, memory = host.machine.memory, "a kernel starts");
        let strace = host.trace.clone().map(Strace::new);
        Arc::new(Kernel {
            host,
            vfs,
            timers,
            executor,
            ipc,
            namespace_numbers: NamespaceNumbers::default(),
            uts: UtsNamespace::new(user_ns.clone(), hostname.as_bytes()),
            user_ns,
            processes,
            futexes: FutexTable::new(),
            unix: UnixDomain::new(Transit::new()),
            init: Mutex::new(&INIT, (None, None)),
            nameless,
            load,
            strace,
            log_limit,
            lock_waits: LockWaits::default(),
            waits: Waits::default(),
            memfds,
            vdso,
            boot_id,
            logins: AtomicU32::new(1),
            devices: AtomicU32::new(OWN_DEVICES + 1),
            lease_break_time: AtomicU32::new(45),
            inotify: Arc::default(),
            pipe_max_size: AtomicUsize::new(pipe::MAX_SIZE),
        })
    }
    /// What it runs on.
    pub fn host(&self) -> &Host {
        &self.host
    }
    /// How much guests may cause to be logged.
    pub(crate) fn log_limit(&self) -> &LogLimit {
        &self.log_limit
    }
    /// The trace of system calls, if anybody wants it.
    pub(crate) fn strace(&self) -> Option<&Strace> {
        self.strace.as_ref()
    }
    /// Services of path operations.
    pub fn vfs(&self) -> &Vfs {
        &self.vfs
    }
    /// Armed deadlines.
    pub fn timers(&self) -> &Arc<TimerQueue> {
        &self.timers
    }
    /// Runs the tasks.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }
    /// The initial UTS namespace.
    pub fn uts(&self) -> &Arc<UtsNamespace> {
        &self.uts
    }
    /// The initial IPC namespace.
    pub(crate) fn ipc(&self) -> &Arc<Ipc> {
        &self.ipc
    }
    /// The numbers of namespaces.
    pub(crate) fn namespace_numbers(&self) -> &NamespaceNumbers {
        &self.namespace_numbers
    }
    /// The initial user namespace.
    pub fn user_ns(&self) -> &Arc<UserNamespace> {
        &self.user_ns
    }
    /// All tasks.
    pub fn processes(&self) -> &Arc<ProcessTable> {
        &self.processes
    }
    /// Who waits on which futex.
    pub fn futexes(&self) -> &FutexTable {
        &self.futexes
    }
    pub(crate) fn load(&self) -> &Load {
        &self.load
    }
    /// Who waits for whose record locks.
    pub(crate) fn lock_waits(&self) -> &LockWaits {
        &self.lock_waits
    }
    /// Who says what it waits for.
    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }
    /// Where memfds live. Errors: `ENOSPC` if there was no memory for that.
    pub(crate) fn memfds(&self) -> Result<&Memfds, Errno> {
        self.memfds.as_ref().map_err(|e| *e)
    }
    /// What programs call to know the time. Errors: `ENOMEM` if there was no memory for it.
    pub(crate) fn vdso(&self) -> Result<&Vdso, Errno> {
        self.vdso.as_ref().map_err(|e| *e)
    }
    /// Unix sockets.
    pub fn unix(&self) -> &Arc<UnixDomain> {
        &self.unix
    }
    /// A random identity of this kernel's life.
    pub(crate) fn boot_id(&self) -> &str {
        &self.boot_id
    }
    /// A device number for a file system that no mount namespace made.
    pub(crate) fn next_dev(&self) -> u64 {
        make_dev(0, self.devices.fetch_add(1, Ordering::Relaxed))
    }
    /// How much users may watch.
    pub(crate) fn inotify(&self) -> &Arc<inotify::Quotas> {
        &self.inotify
    }
    /// Bytes that a pipe may be made to hold by who is not privileged.
    pub(crate) fn pipe_max_size(&self) -> usize {
        self.pipe_max_size.load(Ordering::Relaxed)
    }
    /// Sets that, to at least `bytes`. Errors: `EINVAL` if no pipe is so large.
    pub(crate) fn set_pipe_max_size(&self, bytes: usize) -> Result<(), Errno> {
        self.pipe_max_size.store(pipe::whole_size(bytes).ok_or(Errno::EINVAL)?, Ordering::Relaxed);
        Ok(())
    }
    /// Seconds that the holder of a lease has to give it up; 0 for as many as it likes.
    pub(crate) fn lease_break_time(&self) -> u32 {
        self.lease_break_time.load(Ordering::Relaxed)
    }
    /// Sets that.
    pub(crate) fn set_lease_break_time(&self, seconds: u32) {
        self.lease_break_time.store(seconds, Ordering::Relaxed);
    }
    /// A number for a login.
    pub(crate) fn next_login_session(&self) -> u32 {
        self.logins.fetch_add(1, Ordering::Relaxed)
    }
    /// Where pipes, sockets and anonymous files live.
    pub(crate) fn nameless(&self) -> &Nameless {
        &self.nameless
    }
    /// Lets a task run. The first one's process is the kernel's init: its end stops the executor.
    pub fn start(self: &Arc<Kernel>, current: CurrentTask) {
        {
            let mut init = self.init.lock();
            if init.0.is_none() {
                init.0 = Some(current.task.core.group().id());
            }
        }
        let core = current.task.core.clone();
        core.set_start_time(self.host.clock.monotonic());
        self.executor.spawn(core.id().0, metered(self.clone(), core, run_task(current)));
    }
    /// How init ended; `None` while it lives.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.init.lock().1
    }
    pub(crate) fn process_died(&self, group: &ThreadGroup, status: ExitStatus) {
        let mut init = self.init.lock();
        if init.0 == Some(group.id()) {
            init.1 = Some(status);
            drop(init);
            self.executor.stop();
        }
    }
}

/// A random UUID (version 4, RFC 9562).
pub(crate) fn uuid(entropy: &dyn Entropy) -> String {
    let mut raw = [0; 16];
    entropy.fill(&mut raw);
    let n = u128::from_be_bytes(raw) & !(0xf << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62;
    let field =
        |shift: u32, width: usize| alloc::format!("{:0width$x}", n >> shift & ((1 << (4 * width)) - 1));
    [field(96, 8), field(80, 4), field(64, 4), field(48, 4), field(0, 12)].join("-")
}
