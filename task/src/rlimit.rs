//! Resource limits, `getrlimit(2)`.

use abi::Errno;

/// No limit.
pub const INFINITY: u64 = u64::MAX;

/// A limited resource, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of getrlimit(2)")]
pub enum Resource {
    Cpu = 0,
    Fsize,
    Data,
    Stack,
    Core,
    Rss,
    Nproc,
    Nofile,
    Memlock,
    As,
    Locks,
    Sigpending,
    Msgqueue,
    Nice,
    Rtprio,
    Rttime,
}

impl Resource {
    /// All, in order of number.
    pub const ALL: [Resource; 16] = {
        use Resource::*;
        [
            Cpu, Fsize, Data, Stack, Core, Rss, Nproc, Nofile, Memlock, As, Locks, Sigpending, Msgqueue,
            Nice, Rtprio, Rttime,
        ]
    };
    /// The resource of this number.
    ///
    /// Errors: `EINVAL`.
    pub fn new(n: u32) -> Result<Resource, Errno> {
        Resource::ALL.get(n as usize).copied().ok_or(Errno::EINVAL)
    }
}

/// A soft and a hard limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rlimit {
    /// What is enforced.
    pub cur: u64,
    /// How far `cur` may be raised.
    pub max: u64,
}

/// The limits of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rlimits([Rlimit; 16]);

impl Default for Rlimits {
    /// What Linux gives to init on a machine with a few GiB.
    fn default() -> Self {
        let mut l = [Rlimit { cur: INFINITY, max: INFINITY }; 16];
        let mut set = |r: Resource, cur, max| l[r as usize] = Rlimit { cur, max };
        set(Resource::Stack, 8 << 20, INFINITY);
        set(Resource::Core, 0, INFINITY);
        set(Resource::Nproc, 31_000, 31_000);
        set(Resource::Nofile, 1024, 1_048_576);
        set(Resource::Memlock, 8 << 20, 8 << 20);
        set(Resource::Sigpending, 31_000, 31_000);
        set(Resource::Msgqueue, 819_200, 819_200);
        set(Resource::Nice, 0, 0);
        set(Resource::Rtprio, 0, 0);
        Rlimits(l)
    }
}

impl Rlimits {
    /// Limits that `of` says.
    pub fn from_fn(of: impl FnMut(Resource) -> Rlimit) -> Rlimits {
        Rlimits(Resource::ALL.map(of))
    }
    /// The limits of `r`.
    pub fn get(&self, r: Resource) -> Rlimit {
        self.0[r as usize]
    }
    /// Sets limits and returns the old ones; `may_raise` if the caller has `CAP_SYS_RESOURCE`.
    ///
    /// Errors: `EINVAL` if `cur > max`; `EPERM` for a higher hard limit without `may_raise`.
    pub fn set(&mut self, r: Resource, new: Rlimit, may_raise: bool) -> Result<Rlimit, Errno> {
        let slot = &mut self.0[r as usize];
        if new.cur > new.max {
            return Err(Errno::EINVAL);
        }
        if new.max > slot.max && !may_raise {
            return Err(Errno::EPERM);
        }
        Ok(core::mem::replace(slot, new))
    }
}
