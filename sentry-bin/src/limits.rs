//! What the command takes over from the process that starts `sentry-bin`, beside its user: limits and umask.

use rustix::fs::Mode;
use rustix::process::{Resource as Host, getrlimit, umask};
use task::rlimit::{INFINITY, Resource, Rlimit, Rlimits};

/// The limits and the umask of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) rlimits: Rlimits,
    pub(crate) umask: u32,
}

/// This process's own, to be asked for before it changes them, and while it has no other threads: the umask is read by setting it.
pub(crate) fn own() -> Limits {
    let mask = umask(Mode::empty());
    umask(mask);
    let rlimits = Rlimits::from_fn(|r| {
        let limit = getrlimit(of_host(r));
        Rlimit { cur: limit.current.unwrap_or(INFINITY), max: limit.maximum.unwrap_or(INFINITY) }
    });
    Limits { rlimits, umask: mask.as_raw_mode() }
}

fn of_host(r: Resource) -> Host {
    match r {
        Resource::Cpu => Host::Cpu,
        Resource::Fsize => Host::Fsize,
        Resource::Data => Host::Data,
        Resource::Stack => Host::Stack,
        Resource::Core => Host::Core,
        Resource::Rss => Host::Rss,
        Resource::Nproc => Host::Nproc,
        Resource::Nofile => Host::Nofile,
        Resource::Memlock => Host::Memlock,
        Resource::As => Host::As,
        Resource::Locks => Host::Locks,
        Resource::Sigpending => Host::Sigpending,
        Resource::Msgqueue => Host::Msgqueue,
        Resource::Nice => Host::Nice,
        Resource::Rtprio => Host::Rtprio,
        Resource::Rttime => Host::Rttime,
    }
}
