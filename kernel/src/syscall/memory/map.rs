//! Mappings: `mmap(2)`, `munmap(2)`, `mprotect(2)`, `mremap(2)`, `mseal(2)`, `brk(2)`, `msync(2)`.

use abi::Errno;
use abi::mm::{
    MAP_32BIT, MAP_ABOVE4G, MAP_ANONYMOUS, MAP_DENYWRITE, MAP_EXECUTABLE, MAP_FIXED, MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE, MAP_PRIVATE,
    MAP_SHARED, MAP_SHARED_VALIDATE, MAP_STACK, MAP_TYPE, PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ,
    PROT_SEM, PROT_WRITE,
};
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::id::Fd;
use mm::{FileMapping, MmapRequest, Prot};
use vfs::consts::MS_NOEXEC;

use super::limited;
use crate::current::CurrentTask;
use crate::personality;
use crate::syscall::SysResult;

/// The flags that `MAP_SHARED_VALIDATE` takes: those from before it came (`LEGACY_MAP_MASK`).
const LEGACY: u32 = MAP_TYPE
    | MAP_FIXED
    | MAP_ANONYMOUS
    | MAP_DENYWRITE
    | MAP_EXECUTABLE
    | MAP_GROWSDOWN
    | MAP_LOCKED
    | MAP_NORESERVE
    | MAP_POPULATE
    | MAP_NONBLOCK
    | MAP_STACK
    | MAP_HUGETLB
    | MAP_32BIT
    | MAP_ABOVE4G
    | 0x3f << 26;

/// The bits of `PROT_*` that x86-64 knows; `mmap` ignores others.
fn prot(raw: u32) -> Prot {
    Prot::from_bits_truncate(raw.to_le_bytes()[0])
}

/// `mmap(2)`.
pub(in crate::syscall) fn mmap(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    len: u64,
    raw_prot: u32,
    flags: u32,
    fd: Fd,
    offset: u64,
) -> SysResult {
    if !offset.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let anonymous = flags & MAP_ANONYMOUS != 0;
    // A descriptor that is none is reported before anything else.
    let file = if anonymous { None } else { Some(cx.task.files().get_open(fd)?) };
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let shared = match flags & MAP_TYPE {
        MAP_SHARED => true,
        MAP_SHARED_VALIDATE if anonymous => return Err(Errno::EINVAL),
        MAP_SHARED_VALIDATE if flags & !LEGACY != 0 => return Err(Errno::EOPNOTSUPP),
        MAP_SHARED_VALIDATE => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL),
    };
    if anonymous && flags & MAP_HUGETLB != 0 {
        // As on a machine whose pool of huge pages is empty.
        return Err(Errno::ENOMEM);
    }
    let noreplace = flags & MAP_FIXED_NOREPLACE != 0;
    let locked = flags & MAP_LOCKED != 0;
    let mm = limited(cx);
    if locked && mm.limits().memlock_bytes == 0 {
        return Err(Errno::EPERM);
    }
    let mut read_only = false;
    let file = match file {
        Some(file) if file.ops().maps_zeros() && file.readable() => {
            read_only = shared && !file.writable();
            None
        }
        Some(file) => Some(file_mapping(&file, offset, shared, prot(raw_prot))?),
        None => None,
    };
    if read_only && prot(raw_prot).contains(Prot::WRITE) {
        return Err(Errno::EACCES);
    }
    let possible = file.as_ref().map_or(Prot::EXEC, |f| f.max_prot);
    let at = mm.mmap(MmapRequest {
        addr,
        len,
        prot: prot(raw_prot) | personality::implied(&cx.task.core, prot(raw_prot), possible),
        shared,
        fixed: flags & MAP_FIXED != 0 || noreplace,
        noreplace,
        low: flags & MAP_32BIT != 0,
        grows_down: flags & MAP_GROWSDOWN != 0,
        populate: flags & MAP_POPULATE != 0 && flags & MAP_NONBLOCK == 0,
        noreserve: flags & MAP_NORESERVE != 0,
        locked,
        read_only,
        file,
        name: None,
    })?;
    Ok(at.0)
}

/// What an open file allows. Errors: `EACCES`, `EPERM` on a `noexec` mount and for files without a name, `ENODEV`.
fn file_mapping(file: &vfs::OpenFile, offset: u64, shared: bool, prot: Prot) -> Result<FileMapping, Errno> {
    if !file.readable() || (shared && prot.contains(Prot::WRITE) && !file.writable()) {
        return Err(Errno::EACCES);
    }
    let mut max_prot = Prot::READ | Prot::WRITE | Prot::EXEC;
    if shared && !file.writable() {
        max_prot.remove(Prot::WRITE);
    }
    // What has no name, a pipe or a socket, lies in a file system from which nothing is executed.
    if file.path().is_none_or(|p| p.mount.flags() & MS_NOEXEC != 0) {
        if prot.contains(Prot::EXEC) {
            return Err(Errno::EPERM);
        }
        max_prot.remove(Prot::EXEC);
    }
    let object = file.mappable().ok_or(Errno::ENODEV)?;
    Ok(FileMapping { object, offset, max_prot, owner: file.arc().map(|f| f as mm::Owner) })
}

/// `munmap(2)`.
pub(in crate::syscall) fn munmap(cx: &mut CurrentTask, addr: GuestAddr, len: u64) -> SysResult {
    cx.task.mm().munmap(addr, len).map(|()| 0)
}

/// `mprotect(2)`. Errors: `EINVAL` for unknown bits, or `PROT_GROWSDOWN` where no stack is; as [`mm::AddressSpace::mprotect`].
pub(in crate::syscall) fn mprotect(
    cx: &mut CurrentTask,
    addr: GuestAddr,
    len: u64,
    raw_prot: u32,
) -> SysResult {
    const GROWS: u32 = PROT_GROWSDOWN | PROT_GROWSUP;
    let plain = raw_prot & !GROWS;
    if raw_prot & GROWS == GROWS || !addr.is_page_aligned() {
        return Err(Errno::EINVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
    let end = addr.checked_add(len).ok_or(Errno::ENOMEM)?;
    if plain & !(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM) != 0 {
        return Err(Errno::EINVAL);
    }
    let mm = limited(cx);
    let start = match raw_prot & GROWS {
        0 => addr,
        // From the start of the stack that the range begins in.
        PROT_GROWSDOWN => mm.stack_at(addr, end)?,
        // No mapping of x86-64 grows upwards.
        _ => return Err(if mm.vma_at(addr).is_some() { Errno::EINVAL } else { Errno::ENOMEM }),
    };
    let prot = prot(plain);
    let implied = personality::implied(&cx.task.core, prot, Prot::EXEC);
    mm.mprotect(start, end.0 - start.0, prot, implied).map(|()| 0)
}

/// `brk(2)`, the system call: the break, which is the old one if it could not be changed.
pub(in crate::syscall) fn brk(cx: &mut CurrentTask, addr: GuestAddr) -> SysResult {
    Ok(limited(cx).brk((!addr.is_null()).then_some(addr)).0)
}

/// `mremap(2)`.
pub(in crate::syscall) fn mremap(
    cx: &mut CurrentTask,
    old: GuestAddr,
    old_len: u64,
    new_len: u64,
    flags: u32,
    new: GuestAddr,
) -> SysResult {
    limited(cx).mremap(old, old_len, new_len, flags, new).map(|a| a.0)
}

/// `msync(2)`.
pub(in crate::syscall) fn msync(cx: &mut CurrentTask, addr: GuestAddr, len: u64, flags: u32) -> SysResult {
    cx.task.mm().msync(addr, len, flags).map(|()| 0)
}

/// `mseal(2)`. Errors: `EINVAL` for flags; as [`mm::AddressSpace::mseal`].
pub(in crate::syscall) fn mseal(cx: &mut CurrentTask, addr: GuestAddr, len: u64, flags: u64) -> SysResult {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    cx.task.mm().mseal(addr, len).map(|()| 0)
}

/// `remap_file_pages(2)`. Errors: `EINVAL` for a protection, for a range that is none, or not in a shared file mapping.
pub(in crate::syscall) fn remap_file_pages(
    cx: &mut CurrentTask,
    start: GuestAddr,
    len: u64,
    prot: u64,
    page: u64,
    flags: u32,
) -> SysResult {
    if prot != 0 {
        return Err(Errno::EINVAL);
    }
    limited(cx).remap_file_pages(start, len, page, flags & MAP_NONBLOCK == 0).map(|()| 0)
}
