//! Operations on memory.

use abi::mm;

use super::Arg::{Named, Of, Slot, UpTo};
use super::{Spec, call, op};

const PROT: super::Arg = Named(&[3, 1, 0, 2, 5, 7], mm::PROT);
const FLAGS: super::Arg = Named(&[2, 1, 34, 33, 3, 0], mm::MAP_FLAGS);
const REGION: super::Arg = UpTo(3);
const PAGE: super::Arg = Of(&[0, 1, 2, 3, 5]);
const PAGES: super::Arg = Of(&[1, 2, 3, 4, 8, 0]);
const BYTE: super::Arg = Of(&[0, 1, 99, 100, 4095]);

pub(super) const OPS: &[Spec] = &[
    op("map", call::mmap, 10, &[REGION, PAGES, PROT, FLAGS, Slot, PAGE]),
    op("map_over", call::mmap, 4, &[REGION, PAGE, PAGES, PROT, FLAGS, Slot, PAGE]),
    op("unmap", call::munmap, 3, &[REGION, PAGE, PAGES]),
    op("protect", call::mprotect, 5, &[REGION, PAGE, PAGES, PROT]),
    op(
        "advise",
        call::madvise,
        3,
        &[REGION, PAGE, PAGES, Named(&[4, 0, 3, 8, 9, 10, 18, 19, 99], mm::MADVICE)],
    ),
    op("sync", call::msync, 2, &[REGION, PAGE, PAGES, Named(&[4, 1, 2, 5, 6, 0], mm::MSYNC_FLAGS)]),
    op("remap", call::mremap, 3, &[REGION, PAGES, PAGES]),
    op("peek", call::mmap, 10, &[REGION, PAGE, BYTE]),
    op("poke", call::mmap, 10, &[REGION, PAGE, BYTE, UpTo(200)]),
    op("digest", call::mmap, 8, &[REGION]),
    // May move, fixed, keeps the old mapping.
    op("remap2", call::mremap, 4, &[REGION, PAGES, PAGES, Of(&[1, 3, 5, 7, 2, 4, 0]), REGION]),
    op("mlock", call::mlock2, 1, &[REGION, PAGE, PAGES, Of(&[0, 1, 2])]),
    op("munlock", call::munlock, 1, &[REGION, PAGE, PAGES]),
    op("fallocate", call::fallocate, 2, &[Slot, Of(&[0, 3]), Of(&[0, 4096, 5000]), Of(&[4096, 100, 9000])]),
    op("memfd", call::memfd_create, 2, &[Slot, super::Arg::Path, Of(&[2])]),
    op("add_seals", call::memfd_create, 1, &[Slot, Of(&[2, 4, 8, 16])]),
    op("incore", call::mincore, 1, &[REGION, PAGE, PAGES]),
    op("read_into", call::read, 4, &[Slot, REGION, PAGE, Of(&[10, 4096, 9000])]),
    op("write_from", call::write, 4, &[Slot, REGION, PAGE, Of(&[10, 4096, 9000])]),
    op("brk", call::brk, 1, &[Of(&[1, 16, -1000])]),
    op("open", call::openat, 3, &[Slot, super::Arg::Path, Of(&[0o102, 0, 1, 2]), super::Arg::Mode]),
    op("ftruncate", call::ftruncate, 3, &[Slot, Of(&[0, 100, 4096, 9000])]),
    op("write", call::write, 2, &[Slot, Of(&[100, 5000]), UpTo(200)]),
    op("pread", call::pread64, 2, &[Slot, Of(&[100, 9000]), Of(&[0, 4096])]),
    op("fork", call::clone, 3, &[Of(&[0]), UpTo(4), Of(&[0, 3])]),
];
