//! Operations on names.

use abi::fs::{open, poll, stat};

use super::Arg::{Bits, Mode, Named, Of, Path, Slot, UpTo, Word};
use super::{Spec, call, op};

const STAT_FLAGS: super::Arg = Bits(&[0x100, 0x1000], open::AT_FLAGS);
const IDS: super::Arg = Of(&[0, 1000, 1001, -1]);
const XATTRS: super::Arg = Word(&["user.one", "user.two", "trusted.t", "other.x", "user.", "one"]);
const TIMES: super::Arg = Of(&[0, 1000, 99_999]);
const NANOS: super::Arg = Of(&[0, 5, 999_999_999, 1_000_000_000, open::UTIME_NOW, open::UTIME_OMIT]);
const WATCHED: super::Arg =
    Bits(&[0xfff, 0x2, 0x100, 0x8, 0x20, 0x0100_0000, 0x2000_0000], poll::INOTIFY_EVENTS);

pub(super) const OPS: &[Spec] = &[
    op(
        "open",
        call::openat,
        6,
        &[Slot, Path, Bits(&[0o1, 0o2, 0o100, 0o200, 0o1000, 0o200000], open::OPEN_FLAGS), Mode],
    ),
    op("close", call::close, 2, &[Slot]),
    op("mkdir", call::mkdir, 6, &[Path, Mode]),
    op("mkdirat", call::mkdirat, 2, &[Slot, Path, Mode]),
    op("rmdir", call::rmdir, 4, &[Path]),
    op("unlink", call::unlink, 5, &[Path]),
    op("unlinkat", call::unlinkat, 3, &[Slot, Path, Named(&[0, 0x200, 1], open::AT_FLAGS)]),
    op("rename", call::rename, 7, &[Path, Path]),
    op("renameat2", call::renameat2, 5, &[Path, Path, Named(&[0, 1, 2, 3, 8], open::RENAME_FLAGS)]),
    op("link", call::link, 5, &[Path, Path]),
    op("linkat", call::linkat, 2, &[Slot, Path]),
    op("symlink", call::symlink, 5, &[Path, Path]),
    op("readlink", call::readlink, 3, &[Path, Of(&[100, 1, 0, -1])]),
    op("truncate", call::truncate, 2, &[Path, Of(&[0, 10, 5000, -1])]),
    op("access", call::access, 3, &[Path, UpTo(8)]),
    op("faccessat2", call::faccessat2, 2, &[Path, UpTo(8), Bits(&[0x100, 0x200, 0x1000], open::AT_FLAGS)]),
    op("chmod", call::chmod, 4, &[Path, Mode]),
    op("fchmod", call::fchmod, 2, &[Slot, Mode]),
    op("chown", call::chown, 3, &[Path, IDS, IDS]),
    op("lchown", call::lchown, 2, &[Path, IDS, IDS]),
    op("chdir", call::chdir, 3, &[Path]),
    op("fchdir", call::fchdir, 2, &[Slot]),
    op("getcwd", call::getcwd, 2, &[]),
    op("umask", call::umask, 2, &[Mode]),
    op("mknod", call::mknod, 2, &[Path, Of(&[0o010644, 0o100600, 0o140600, 0o040700, 0o020600, 0o644])]),
    op("stat", call::newfstatat, 6, &[Path, STAT_FLAGS]),
    op("fstat", call::fstat, 4, &[Slot]),
    op("statx", call::statx, 2, &[Path, STAT_FLAGS, Of(&[0x7ff, 0])]),
    op("utimens", call::utimensat, 3, &[Path, TIMES, NANOS, TIMES, NANOS, Of(&[0, 0x100])]),
    op("list", call::getdents64, 4, &[Slot]),
    op("dents", call::getdents64, 2, &[Slot, Of(&[4096, 100, 24, 10])]),
    op("lseek", call::lseek, 2, &[Slot, Of(&[0, 1, 2, 3, 100]), Of(&[0, 1, 2])]),
    op("fchown", call::fchown, 2, &[Slot, IDS, IDS]),
    op("futimens", call::utimensat, 2, &[Slot, TIMES, NANOS, TIMES, NANOS, Of(&[0, 0x1000])]),
    op("linkat2", call::linkat, 3, &[Slot, Path, Slot, Path, Bits(&[0x400, 0x1000, 0x100], open::AT_FLAGS)]),
    op("renameat", call::renameat2, 3, &[Slot, Path, Slot, Path, Named(&[0, 1, 2, 4], open::RENAME_FLAGS)]),
    op("fstatat", call::newfstatat, 2, &[Slot, Path, STAT_FLAGS]),
    op("fchmodat2", call::fchmodat2, 2, &[Slot, Path, Mode, STAT_FLAGS]),
    op("fchownat", call::fchownat, 2, &[Slot, Path, IDS, IDS, STAT_FLAGS]),
    op("fsetxattr", call::fsetxattr, 2, &[Slot, XATTRS, Of(&[0, 5, 100]), UpTo(200), Of(&[0, 1, 2])]),
    op("fgetxattr", call::fgetxattr, 1, &[Slot, XATTRS, Of(&[100, 3, 0])]),
    op("setresuid", call::setresuid, 2, &[IDS, IDS, IDS]),
    op("setresgid", call::setresgid, 1, &[IDS, IDS, IDS]),
    op("write", call::write, 2, &[Slot, Of(&[100, 5000, 0]), UpTo(200)]),
    op("ftruncate", call::ftruncate, 1, &[Slot, Of(&[0, 10, 5000])]),
    op("mknod", call::mknod, 1, &[Path, Of(&[0o010644, 0o100600])]),
    op("statfs", call::statfs, 1, &[Path]),
    op(
        "setxattr",
        call::lsetxattr,
        3,
        &[Path, XATTRS, Of(&[0, 5, 100]), UpTo(200), Named(&[0, 1, 2, 3], stat::XATTR_FLAGS)],
    ),
    op("getxattr", call::lgetxattr, 2, &[Path, XATTRS, Of(&[100, 3, 0])]),
    op("listxattr", call::llistxattr, 2, &[Path]),
    op("removexattr", call::lremovexattr, 1, &[Path, XATTRS]),
    op("inotify", call::inotify_init1, 2, &[Slot, Of(&[0, 0o2000000])]),
    op("watch", call::inotify_add_watch, 4, &[Slot, Path, WATCHED]),
    op("unwatch", call::inotify_rm_watch, 1, &[Slot, Of(&[1, 2, 9])]),
    op("events", call::inotify_init1, 3, &[Slot]),
];
