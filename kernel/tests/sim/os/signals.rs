//! Signals of simulated guests.

use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;
use platform::sim::{RESTORER, SignalArgs};

use super::{Os, Sys, timespec, words};

pub const SIGKILL: u64 = 9;
pub const SIGUSR1: u64 = 10;
pub const SIGSEGV: u64 = 11;
pub const SIGUSR2: u64 = 12;
pub const SIGPIPE: u64 = 13;
pub const SIGALRM: u64 = 14;
pub const SIGTERM: u64 = 15;
pub const SIGCHLD: u64 = 17;
pub const SIGCONT: u64 = 18;
pub const SIGSTOP: u64 = 19;
pub const SIGRTMIN: u64 = 34;

pub const SIG_IGN: u64 = 1;

pub const SA_SIGINFO: u64 = 4;
pub const SA_RESTORER: u64 = 0x0400_0000;
pub const SA_RESTART: u64 = 0x1000_0000;

/// What the kernel tells of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    pub number: u64,
    pub code: i32,
    /// The sender, or the child.
    pub pid: u64,
    /// The value of a queued signal, or the child's status.
    pub value: u64,
}

impl Info {
    fn parse(b: &[u8]) -> Info {
        let w = words(b);
        // Of a child's signal the status follows the user's number, as a queued value does.
        Info { number: w[0].into(), code: w[2].cast_signed(), pid: w[4].into(), value: w[6].into() }
    }
}

/// A set of signals.
pub fn set(signals: &[u64]) -> u64 {
    signals.iter().fold(0, |set, s| set | 1 << (s - 1))
}

impl Os {
    /// Sets what a signal does: a handler's address, or [`SIG_IGN`].
    pub async fn sigaction(&self, signal: u64, action: u64, flags: u64, mask: u64) {
        let act: Vec<u8> =
            [action, flags | SA_RESTORER, RESTORER.0, mask].iter().flat_map(|w| w.to_le_bytes()).collect();
        let at = self.arg(0, &act).await;
        assert_eq!(self.call(nr::rt_sigaction, [signal, at, 0, 8]).await, Ok(0));
    }
    /// Runs `f` at a signal.
    pub async fn handle<F, Fut>(&self, signal: u64, flags: u64, f: F)
    where
        F: Fn(Os, SignalArgs) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let run = move |g, args| {
            let f = f.clone();
            async move { f(Os::begin(g).await, args).await }
        };
        let handler = self.g.handler(run);
        self.sigaction(signal, handler.0, flags, 0).await;
    }
    async fn change_mask(&self, how: u64, set: u64) -> u64 {
        let at = self.arg(0, &set.to_le_bytes()).await;
        assert_eq!(self.call(nr::rt_sigprocmask, [how, at, at + 8, 8]).await, Ok(0));
        self.g.load_u64(GuestAddr(at + 8)).await
    }
    /// Blocks signals; returns the mask as it was.
    pub async fn block(&self, set: u64) -> u64 {
        self.change_mask(0, set).await
    }
    pub async fn set_mask(&self, set: u64) -> u64 {
        self.change_mask(2, set).await
    }
    /// Waits for a signal with another mask.
    pub async fn sigsuspend(&self, mask: u64) {
        let at = self.arg(0, &mask.to_le_bytes()).await;
        assert_eq!(self.call(nr::rt_sigsuspend, [at, 8]).await, Err(abi::Errno::EINTR));
    }
    /// Takes a pending signal of a set, waiting for it.
    pub async fn sigtimedwait(&self, set: u64, timeout: Option<u64>) -> Sys<Info> {
        let at = self.arg(0, &set.to_le_bytes()).await;
        let time = match timeout {
            Some(ns) => self.arg(16, &timespec(ns)).await,
            None => 0,
        };
        let info = at + 64;
        let number = self.call(nr::rt_sigtimedwait, [at, info, time, 8]).await?;
        let parsed = self.info(GuestAddr(info)).await;
        assert_eq!(parsed.number, number);
        Ok(parsed)
    }
    /// Reads a `siginfo_t`.
    pub async fn info(&self, at: GuestAddr) -> Info {
        Info::parse(&self.g.load(at, 128).await)
    }
    pub async fn kill(&self, pid: i64, signal: u64) -> Sys<u64> {
        self.call(nr::kill, [pid.cast_unsigned(), signal]).await
    }
    pub async fn tgkill(&self, pid: u64, tid: u64, signal: u64) -> Sys<u64> {
        self.call(nr::tgkill, [pid, tid, signal]).await
    }
    /// `sigqueue(3)`.
    pub async fn sigqueue(&self, pid: u64, signal: u64, value: u64) -> Sys<u64> {
        const SI_QUEUE: u32 = u32::MAX;
        let mut info = [0u8; 128];
        info[0..4].copy_from_slice(&(signal as u32).to_le_bytes());
        info[8..12].copy_from_slice(&SI_QUEUE.to_le_bytes());
        let own = self.getpid().await as u32;
        info[16..20].copy_from_slice(&own.to_le_bytes());
        info[24..32].copy_from_slice(&value.to_le_bytes());
        let at = self.arg(0, &info).await;
        self.call(nr::rt_sigqueueinfo, [pid, signal, at]).await
    }
    /// `setitimer(ITIMER_REAL)` with microseconds.
    pub async fn alarm_every(&self, us: u64) {
        let time: Vec<u8> = [0, us, 0, us].iter().flat_map(|w: &u64| w.to_le_bytes()).collect();
        let at = self.arg(0, &time).await;
        assert_eq!(self.call(nr::setitimer, [0, at, 0]).await, Ok(0));
    }
}
