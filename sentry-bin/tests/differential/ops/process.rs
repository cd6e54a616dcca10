//! Operations with signals, processes, credentials and limits.

use abi::fs::open;
use abi::signal::number as signal;
use abi::task::{clone, limits, prctl};

use super::Arg::{Bits, Named, Of, Path, Slot, UpTo, Word};
use super::{Spec, call, op};

/// Those that a program may handle, two of real time, one that cannot be, and numbers that are none.
const SIGNAL: super::Arg = Named(&[10, 12, 34, 35, 17, 23, 15, 1, 13, 28, 9, 0, 65, -1], signal::SIGNALS);
const MASK: super::Arg = Of(&[0, 0x200, 0xa00, 0x6_0000_0000, 0x1_0200, 0x6_0001_0a00, -1]);
const SA: super::Arg =
    Bits(&[0x1, 0x2, 0x1000_0000, 0x4000_0000, 0x8000_0000, 0x0800_0000], signal::SA_FLAGS);
const CLONE: super::Arg = Bits(&[0x200, 0x400], clone::CLONE_FLAGS);
/// Sets of the capabilities that cases have: all, some, none, one that they have not.
const CAPS: super::Arg = Of(&[0x1fb, 0xff, 0x3, 0, 0x2_0000]);
const IDS: super::Arg = Of(&[0, 1000, 1001, -1]);
/// What always stops: the others may be blocked, or do nothing in an orphaned group.
const STOP: super::Arg = Named(&[19], signal::SIGNALS);
const FORK: super::Arg = Of(&[0, 0, 3, 255, 256 + 15, 256 + 9]);

pub(super) const SIGNALS: &[Spec] = &[
    op("action", call::rt_sigaction, 10, &[SIGNAL, Of(&[2, 0, 1]), SA, MASK]),
    op("mask", call::rt_sigprocmask, 8, &[Named(&[0, 1, 2, 3], signal::SIG_HOW), MASK]),
    op("pending", call::rt_sigpending, 4, &[]),
    op("kill", call::kill, 6, &[SIGNAL]),
    op("kill_group", call::kill, 1, &[SIGNAL]),
    op("tgkill", call::tgkill, 5, &[SIGNAL]),
    op("queue", call::rt_sigqueueinfo, 6, &[SIGNAL, UpTo(9)]),
    op("take", call::rt_sigtimedwait, 5, &[MASK]),
    op("suspend", call::rt_sigsuspend, 3, &[MASK]),
    op("altstack", call::sigaltstack, 1, &[Of(&[8192, 65536, 100, 0]), Of(&[0, 2, 4, 1])]),
    op("signalfd", call::signalfd4, 2, &[Slot, MASK]),
    op("signalfd_read", call::signalfd4, 2, &[Slot]),
    op("fork", call::clone, 4, &[CLONE, UpTo(4), FORK]),
    op("fork_info", call::waitid, 2, &[CLONE, UpTo(4), FORK]),
    op("fork_stopped", call::clone, 2, &[STOP, UpTo(4), FORK]),
    op("poll", call::poll, 2, &[Slot, Of(&[1]), Slot, Of(&[1])]),
    op("pipe", call::pipe2, 1, &[Slot, Slot, Of(&[0])]),
    op("close", call::close, 1, &[Slot]),
    op("write", call::write, 2, &[Slot, Of(&[10, 100]), UpTo(200)]),
];

pub(super) const OPS: &[Spec] = &[
    op("fork", call::clone, 12, &[CLONE, UpTo(6), FORK]),
    op("fork_info", call::waitid, 2, &[CLONE, UpTo(4), FORK]),
    op("fork_stopped", call::clone, 2, &[STOP, UpTo(4), FORK]),
    op("fork_group", call::setpgid, 2, &[UpTo(3), UpTo(4), FORK]),
    op(
        "wait_bad",
        call::waitid,
        2,
        &[Of(&[0, 1, 2, 3, 9]), UpTo(2), Of(&[4, 5, 0x0100_0004, 0, 0x8000_0005, 3])],
    ),
    op("setfsgid", call::setfsgid, 1, &[IDS]),
    op("setregid", call::setregid, 1, &[IDS, IDS]),
    op("setgid", call::setgid, 1, &[IDS]),
    op("capabilities", call::capget, 2, &[]),
    op("capset", call::capset, 2, &[CAPS, CAPS, Of(&[0, 1, 0xff])]),
    op("stat", call::newfstatat, 2, &[Path, Of(&[0, 0x100])]),
    op("chown", call::chown, 2, &[Path, IDS, IDS]),
    op("rename", call::rename, 2, &[Path, Path]),
    op("link", call::link, 1, &[Path, Path]),
    op("access", call::access, 2, &[Path, UpTo(7)]),
    op("truncate", call::truncate, 1, &[Path, Of(&[0, 10])]),
    op(
        "utimens",
        call::utimensat,
        1,
        &[Path, Of(&[1000]), Of(&[5, open::UTIME_NOW]), Of(&[1000]), Of(&[5]), Of(&[0])],
    ),
    op("wait_any", call::wait4, 2, &[Of(&[0, 2, 8])]),
    op("ids", call::getresuid, 4, &[]),
    op("setresuid", call::setresuid, 4, &[IDS, IDS, IDS]),
    op("setresgid", call::setresgid, 2, &[IDS, IDS, IDS]),
    op("setuid", call::setuid, 2, &[IDS]),
    op("setreuid", call::setreuid, 2, &[IDS, IDS]),
    op("setfsuid", call::setfsuid, 1, &[IDS]),
    op("setgroups", call::setgroups, 2, &[UpTo(2), IDS, IDS]),
    op("getgroups", call::getgroups, 2, &[Of(&[64, 0, 1])]),
    op("setpgid", call::setpgid, 2, &[UpTo(1)]),
    op("setsid", call::setsid, 2, &[]),
    op(
        "setrlimit",
        call::setrlimit,
        4,
        &[Named(&[1, 7, 4, 99], limits::RLIMITS), Of(&[0, 5, 10, 3000]), Of(&[5, 10, 4096, 3000])],
    ),
    op("getrlimit", call::getrlimit, 2, &[Named(&[1, 99], limits::RLIMITS)]),
    op(
        "prctl",
        call::prctl,
        4,
        &[Named(&[3, 4, 7, 8, 36, 38, 39, 1], prctl::PRCTL), UpTo(3), Of(&[0, 0, 1])],
    ),
    op("name", call::prctl, 2, &[Word(&["short", "exactly-15-byte", "longer-than-16-bytes"])]),
    op("nice", call::setpriority, 2, &[Of(&[0, 5, 19, 25, -5])]),
    op("exec", call::execve, 4, &[Path]),
    op("unshare", call::unshare, 2, &[CLONE]),
    op("open", call::openat, 5, &[Slot, Path, Of(&[0, 0o101, 0o102, 2]), super::Arg::Mode]),
    op("write", call::write, 4, &[Slot, Of(&[10, 4096]), UpTo(200)]),
    op("dup", call::dup, 3, &[Slot, Slot]),
    op("close", call::close, 2, &[Slot]),
    op("chdir", call::chdir, 2, &[Path]),
    op("getcwd", call::getcwd, 1, &[]),
    op("umask", call::umask, 1, &[super::Arg::Mode]),
    op("mkdir", call::mkdir, 2, &[Path, super::Arg::Mode]),
    op("unlink", call::unlink, 2, &[Path]),
    op("chmod", call::chmod, 2, &[Path, super::Arg::Mode]),
    op("action", call::rt_sigaction, 2, &[SIGNAL, Of(&[2, 1, 0]), SA, MASK]),
];
