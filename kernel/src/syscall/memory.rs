//! System calls on the address space.

use abi::Errno;
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::id::Fd;
use mm::{FileMapping, MmapRequest, Prot};
use vfs::consts::MS_NOEXEC;

use super::SysResult;
use crate::current::CurrentTask;

const MAP_SHARED: u32 = 1;
const MAP_PRIVATE: u32 = 2;
const MAP_SHARED_VALIDATE: u32 = 3;
const MAP_TYPE: u32 = 0xf;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_GROWSDOWN: u32 = 0x100;
const MAP_LOCKED: u32 = 0x2000;
const MAP_NORESERVE: u32 = 0x4000;
const MAP_POPULATE: u32 = 0x8000;
const MAP_NONBLOCK: u32 = 0x1_0000;
const MAP_HUGETLB: u32 = 0x4_0000;
const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;

/// The bits of `PROT_*` that x86-64 knows; Linux ignores others.
fn prot(raw: u32) -> Prot {
    Prot::from_bits_truncate(raw.to_le_bytes()[0])
}

/// `mmap(2)`.
pub(super) fn mmap(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    len: u64,
    raw_prot: u32,
    flags: u32,
    fd: Fd,
    offset: u64,
) -> SysResult {
    let shared = match flags & MAP_TYPE {
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    if !offset.is_multiple_of(PAGE_SIZE) || len == 0 {
        return Err(Errno::EINVAL);
    }
    if flags & MAP_HUGETLB != 0 {
        // As on a machine whose pool of huge pages is empty.
        return Err(Errno::ENOMEM);
    }
    let noreplace = flags & MAP_FIXED_NOREPLACE != 0;
    let file = if flags & MAP_ANONYMOUS != 0 {
        None
    } else {
        Some(file_mapping(cx, fd, offset, shared, prot(raw_prot))?)
    };
    let at = cx.task.mm().mmap(MmapRequest {
        addr,
        len,
        prot: prot(raw_prot),
        shared,
        fixed: flags & MAP_FIXED != 0 || noreplace,
        noreplace,
        grows_down: flags & MAP_GROWSDOWN != 0,
        populate: flags & MAP_POPULATE != 0 && flags & MAP_NONBLOCK == 0,
        noreserve: flags & MAP_NORESERVE != 0,
        locked: flags & MAP_LOCKED != 0,
        file,
        name: None,
    })?;
    Ok(at.0)
}

/// What an open file allows. Errors: `EBADF`, `EACCES`, `EPERM` on a `noexec` mount, `ENODEV`.
fn file_mapping(
    cx: &CurrentTask,
    fd: Fd,
    offset: u64,
    shared: bool,
    prot: Prot,
) -> Result<FileMapping, Errno> {
    let file = cx.task.files().get_open(fd)?;
    if !file.readable() || (shared && prot.contains(Prot::WRITE) && !file.writable()) {
        return Err(Errno::EACCES);
    }
    let mut max_prot = Prot::READ | Prot::WRITE | Prot::EXEC;
    if shared && !file.writable() {
        max_prot.remove(Prot::WRITE);
    }
    if file.path().is_some_and(|p| p.mount.flags() & MS_NOEXEC != 0) {
        if prot.contains(Prot::EXEC) {
            return Err(Errno::EPERM);
        }
        max_prot.remove(Prot::EXEC);
    }
    let object = file.mappable().ok_or(Errno::ENODEV)?;
    Ok(FileMapping { object, offset, max_prot })
}

/// `munmap(2)`.
pub(super) fn munmap(cx: &mut CurrentTask, addr: GuestAddr, len: u64) -> SysResult {
    cx.task.mm().munmap(addr, len).map(|()| 0)
}

/// `mprotect(2)`.
pub(super) fn mprotect(cx: &mut CurrentTask, addr: GuestAddr, len: u64, raw_prot: u32) -> SysResult {
    cx.task.mm().mprotect(addr, len, prot(raw_prot)).map(|()| 0)
}

/// `brk(2)`, the system call: the break, which is the old one if it could not be changed.
pub(super) fn brk(cx: &mut CurrentTask, addr: GuestAddr) -> SysResult {
    Ok(cx.task.mm().brk((!addr.is_null()).then_some(addr)).0)
}

/// `mremap(2)`.
pub(super) fn mremap(
    cx: &mut CurrentTask,
    old: GuestAddr,
    old_len: u64,
    new_len: u64,
    flags: u32,
    new: GuestAddr,
) -> SysResult {
    cx.task.mm().mremap(old, old_len, new_len, flags, new).map(|a| a.0)
}

/// `msync(2)`.
pub(super) fn msync(cx: &mut CurrentTask, addr: GuestAddr, len: u64, flags: u32) -> SysResult {
    cx.task.mm().msync(addr, len, flags).map(|()| 0)
}

/// `madvise(2)`.
pub(super) fn madvise(cx: &mut CurrentTask, addr: GuestAddr, len: u64, advice: i32) -> SysResult {
    cx.task.mm().madvise(addr, len, advice).map(|()| 0)
}
