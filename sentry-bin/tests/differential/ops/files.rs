//! Operations on open files.

use abi::fs::{fcntl, open, poll};

use super::Arg::{Bits, Mode, Named, Of, Path, Slot, UpTo};
use super::{Spec, call, op};

const OPEN: super::Arg = Bits(
    &[
        0o1, 0o2, 0o100, 0o100, 0o200, 0o1000, 0o2000, 0o200000, 0o400000, 0o2000000, 0o10000000, 0o40000,
        0o20200000, 0o1000000,
    ],
    open::OPEN_FLAGS,
);
const SIZES: super::Arg = Of(&[100, 0, 1, 5, 4095, 4096, 4097, 10000, 70000]);
const OFFSETS: super::Arg = Of(&[0, 1, 50, 100, 4095, 4096, 5000, 100_000, -1]);
const EVENTS: super::Arg = Bits(&[0x1, 0x2, 0x4, 0x8, 0x10, 0x2000], poll::POLL_EVENTS);
const EPOLL: super::Arg = Bits(&[0x1, 0x4, 0x1, 0x2000, 1 << 30, 1 << 31, 1 << 28], poll::EPOLL_EVENTS);

pub(super) const OPS: &[Spec] = &[
    op("open", call::openat, 16, &[Slot, Path, OPEN, Mode]),
    op("openat", call::openat, 4, &[Slot, Slot, Path, OPEN, Mode]),
    op("openat2", call::openat2, 4, &[Slot, Path, OPEN, Mode, Bits(&[1, 2, 4, 8, 16], open::RESOLVE_FLAGS)]),
    op("close", call::close, 5, &[Slot]),
    op("read", call::read, 10, &[Slot, SIZES]),
    op("pread", call::pread64, 4, &[Slot, SIZES, OFFSETS]),
    op("write", call::write, 10, &[Slot, SIZES, UpTo(200)]),
    op("pwrite", call::pwrite64, 4, &[Slot, SIZES, OFFSETS, UpTo(200)]),
    op("readv", call::readv, 3, &[Slot, SIZES]),
    op("writev", call::writev, 3, &[Slot, SIZES, UpTo(200)]),
    op(
        "pwritev2",
        call::pwritev2,
        3,
        &[Slot, SIZES, OFFSETS, UpTo(200), Bits(&[2, 4, 16], fcntl::RWF_FLAGS)],
    ),
    op("read_fault", call::read, 1, &[Slot, Of(&[0, 1])]),
    op("write_fault", call::write, 1, &[Slot, Of(&[0, 1])]),
    op(
        "lseek",
        call::lseek,
        6,
        &[Slot, Of(&[0, 10, 4096, -5, 100_000]), Named(&[0, 1, 2, 3, 4, 9], open::SEEK)],
    ),
    op("ftruncate", call::ftruncate, 4, &[Slot, Of(&[0, 10, 100, 4096, 5000, -1])]),
    op(
        "fallocate",
        call::fallocate,
        3,
        &[Slot, Named(&[0, 1, 3, 8, 16, 17, 32], fcntl::FALLOC_FLAGS), OFFSETS, SIZES],
    ),
    op("fsync", call::fsync, 1, &[Slot]),
    op("fdatasync", call::fdatasync, 1, &[Slot]),
    op("fadvise", call::fadvise64, 1, &[Slot, OFFSETS, SIZES, UpTo(7)]),
    op("dup", call::dup, 3, &[Slot, Slot]),
    op("dup2", call::dup2, 3, &[Slot, Of(&[5, 0, 20, 1023, 1024, -1]), Slot]),
    op("dup3", call::dup3, 2, &[Slot, Of(&[5, 0, 20, 3, 4]), Slot, Of(&[0, 0o2000000, 1])]),
    op("flock", call::flock, 3, &[Slot, Bits(&[1, 2, 8], fcntl::FLOCK)]),
    op("close_range", call::close_range, 1, &[Of(&[3, 5, 0]), Of(&[3, 6, 0xffff_ffff]), Of(&[0, 2, 4, 9])]),
    op("dupfd", call::fcntl, 3, &[Slot, Slot, Of(&[0, 10, 1023, 1024, -1]), Named(&[0, 1030], fcntl::FCNTL)]),
    op("getfd", call::fcntl, 2, &[Slot]),
    op("setfd", call::fcntl, 2, &[Slot, Of(&[0, 1])]),
    op("getfl", call::fcntl, 2, &[Slot]),
    op("setfl", call::fcntl, 2, &[Slot, Bits(&[0o2000, 0o4000, 0o1000000], open::OPEN_FLAGS)]),
    op("pipe_size", call::pipe2, 2, &[Slot]),
    op("set_pipe_size", call::pipe2, 2, &[Slot, Of(&[4096, 65536, 100, 0, 10000, -1])]),
    op("get_seals", call::memfd_create, 1, &[Slot]),
    op("add_seals", call::memfd_create, 2, &[Slot, Bits(&[1, 2, 4, 8, 16, 64], fcntl::SEALS)]),
    op(
        "lock",
        call::fcntl,
        4,
        &[Slot, Named(&[5, 6, 36, 37], fcntl::FCNTL), UpTo(3), UpTo(2), OFFSETS, Of(&[0, 10, 100, -10])],
    ),
    op("fionread", call::ioctl, 2, &[Slot]),
    op("pipe", call::pipe2, 5, &[Slot, Slot, Of(&[0, 0o2000000, 0o40000])]),
    op("memfd", call::memfd_create, 2, &[Slot, Path, Bits(&[1, 2], fcntl::MEMFD_FLAGS)]),
    op("sendfile", call::sendfile, 3, &[Slot, Slot, Of(&[-1, 0, 50]), SIZES]),
    op(
        "copy_file_range",
        call::copy_file_range,
        3,
        &[Slot, Of(&[-1, 0, 50]), Slot, Of(&[-1, 0, 10]), SIZES, Of(&[0, 0, 1])],
    ),
    op("splice", call::splice, 3, &[Slot, Of(&[-1, 0]), Slot, Of(&[-1, 0]), SIZES]),
    op("tee", call::tee, 2, &[Slot, Slot, SIZES]),
    op("vmsplice", call::vmsplice, 2, &[Slot, SIZES, UpTo(200)]),
    op("readahead", call::readahead, 1, &[Slot, OFFSETS, SIZES]),
    op("sync_range", call::sync_file_range, 1, &[Slot, OFFSETS, SIZES, Of(&[0, 2, 7, 8])]),
    op("preadv2", call::preadv2, 3, &[Slot, SIZES, OFFSETS, Bits(&[1, 2, 4, 8, 16, 32], fcntl::RWF_FLAGS)]),
    // Non-blocking, close on exec or not, block size, size.
    op("ioctl", call::ioctl, 2, &[Slot, Of(&[0x5421, 0x5451, 0x5450, 2, 0x5460, 0x1234]), Of(&[0, 1])]),
    // Queries, and hints that need memory.
    op("fcntl", call::fcntl, 2, &[Slot, Of(&[1027, 1028, 1035, 1036, 99]), Of(&[0, 3, 16])]),
    op("socketpair", call::socketpair, 2, &[Slot, Slot, Of(&[1, 2, 5])]),
    op("poll", call::poll, 5, &[Slot, EVENTS, Slot, EVENTS]),
    op("select", call::select, 2, &[Slot]),
    op("epoll_create", call::epoll_create1, 3, &[Slot, Of(&[0, 0o2000000])]),
    op("epoll_ctl", call::epoll_ctl, 6, &[Slot, Named(&[1, 2, 3], poll::EPOLL_OPS), Slot, EPOLL]),
    op("epoll_wait", call::epoll_wait, 4, &[Slot, Of(&[8, 1, 0])]),
    op("eventfd", call::eventfd2, 3, &[Slot, Of(&[0, 1, 5]), Of(&[0, 1])]),
    op("event_write", call::eventfd2, 2, &[Slot, Of(&[1, 0, 3, -2, -1])]),
    op("timerfd", call::timerfd_create, 2, &[Slot, UpTo(2), Of(&[0, 0o2000000])]),
    op(
        "timerfd_set",
        call::timerfd_settime,
        2,
        &[Slot, Of(&[0, 1]), Of(&[0, 10_000]), Of(&[0, 100_000]), Of(&[0, 5, 1_000_000_000])],
    ),
    op("timerfd_get", call::timerfd_gettime, 1, &[Slot]),
];
