//! What `prctl(2)` tells and changes of the address space: `PR_SET_MM`, `PR_GET_AUXV`, `PR_SET_VMA`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange};
use kcore::cred::Cap;
use kcore::id::Fd;
use kcore::user::{UserMemory, UserPtr, read_c_string};
use mm::AddressSpace;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::SysResult;
use crate::current::CurrentTask;
use crate::image::Executable;

/// Words of an auxiliary vector that can be set (`AT_VECTOR_SIZE`).
const AUXV_WORDS: usize = 52;

/// `PR_GET_AUXV`: its length, of which as much is stored as fits. Errors: `EINVAL` for other arguments than 0, `EFAULT`.
pub(super) fn get_auxv(cx: &CurrentTask, out: u64, len: u64, rest: [u64; 2]) -> SysResult {
    if rest != [0, 0] {
        return Err(Errno::EINVAL);
    }
    let auxv = cx.task.parts().memory.image.auxv();
    let bytes: Vec<u8> = auxv.iter().flat_map(|w| w.to_le_bytes()).collect();
    let n = bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
    if cx.task.mm().copy_out(GuestAddr(out), &bytes[..n]) < n {
        return Err(Errno::EFAULT);
    }
    Ok(bytes.len() as u64)
}

/// `PR_SET_VMA_ANON_NAME`: names anonymous memory. Errors: `EINVAL` for another attribute or a name that is too long or has
/// characters that maps cannot show; `ENOMEM`, `EBADF`, `EFAULT`.
pub(super) fn set_vma(cx: &CurrentTask, attribute: u64, start: u64, len: u64, name: u64) -> SysResult {
    const PR_SET_VMA_ANON_NAME: u64 = 0;
    const NAME_LEN: usize = 80;
    if attribute != PR_SET_VMA_ANON_NAME {
        return Err(Errno::EINVAL);
    }
    let name: Option<Arc<str>> = if name == 0 {
        None
    } else {
        let long = |e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e };
        let bytes = read_c_string(&**cx.task.mm(), GuestAddr(name), NAME_LEN).map_err(long)?;
        if bytes.iter().any(|c| !(0x20..0x7f).contains(c) || b"\\`$[]".contains(c)) {
            return Err(Errno::EINVAL);
        }
        Some(core::str::from_utf8(&bytes).map_err(|_| Errno::EINVAL)?.into())
    };
    cx.task.mm().set_anon_name(GuestAddr(start), len, name.as_ref()).map(|()| 0)
}

/// `struct prctl_mm_map`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct MmMap {
    code: [u64; 2],
    data: [u64; 2],
    start_brk: u64,
    brk: u64,
    start_stack: u64,
    args: [u64; 2],
    env: [u64; 2],
    auxv: u64,
    auxv_size: u32,
    exe_fd: u32,
}

const NO_FD: u32 = u32::MAX;

/// `PR_SET_MM`: changes what procfs tells of the program. Errors: `EPERM` without `CAP_SYS_RESOURCE` (`PR_SET_MM_MAP` asks for
/// it only to name another program), `EINVAL` for an address that is not mapped or another option, `EFAULT`.
pub(super) fn set_mm(cx: &CurrentTask, option: u64, addr: u64, arg: u64, last: u64) -> SysResult {
    const EXE_FILE: u64 = 13;
    const AUXV: u64 = 12;
    const MAP: u64 = 14;
    const MAP_SIZE: u64 = 15;
    if last != 0 || arg != 0 && !matches!(option, AUXV | MAP | MAP_SIZE) {
        return Err(Errno::EINVAL);
    }
    let privileged = cx.task.cred().has_cap_in(Cap::SysResource, cx.kernel().user_ns());
    match option {
        MAP_SIZE => return cx.put(GuestAddr(addr), &(size_of::<MmMap>() as u32)).map(|()| 0),
        MAP => return set_map(cx, GuestAddr(addr), arg),
        _ if !privileged => return Err(Errno::EPERM),
        EXE_FILE => return set_exe(cx, i32::try_from(addr).map_err(|_| Errno::EBADF)?),
        AUXV => return set_auxv(cx, GuestAddr(addr), arg),
        _ => {}
    }
    let mm = cx.task.mm();
    check_address(mm, addr)?;
    set_one(mm, option, addr).map(|()| 0)
}

/// Errors: `EINVAL` for an address beyond guest memory.
fn check_address(mm: &AddressSpace, addr: u64) -> Result<(), Errno> {
    let layout = mm.layout();
    if addr >= layout.min.0 && addr < layout.max.0 { Ok(()) } else { Err(Errno::EINVAL) }
}

fn range(start: u64, end: u64) -> Result<GuestRange, Errno> {
    GuestRange::new(GuestAddr(start), GuestAddr(end)).ok_or(Errno::EINVAL)
}

fn with_start(r: GuestRange, start: u64) -> Result<GuestRange, Errno> {
    range(start, r.end().0)
}

fn with_end(r: GuestRange, end: u64) -> Result<GuestRange, Errno> {
    range(r.start().0, end)
}

fn set_one(mm: &AddressSpace, option: u64, addr: u64) -> Result<(), Errno> {
    let mapped = mm.vma_at(GuestAddr(addr)).is_some();
    match option {
        1 => mm.set_code_range(with_start(mm.code_range(), addr)?),
        2 => mm.set_code_range(with_end(mm.code_range(), addr)?),
        3 => mm.set_data_range(with_start(mm.data_range(), addr)?),
        4 => mm.set_data_range(with_end(mm.data_range(), addr)?),
        5 if mapped => mm.set_stack_start(GuestAddr(addr)),
        8 if mapped => mm.set_arg_range(with_start(mm.arg_range(), addr)?),
        9 if mapped => mm.set_arg_range(with_end(mm.arg_range(), addr)?),
        10 if mapped => mm.set_env_range(with_start(mm.env_range(), addr)?),
        11 if mapped => mm.set_env_range(with_end(mm.env_range(), addr)?),
        5 | 8..=11 => return Err(Errno::EFAULT),
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

fn set_exe(cx: &CurrentTask, fd: i32) -> SysResult {
    let file = cx.task.files().get(Fd(fd))?;
    let path = file.path().cloned().ok_or(Errno::EACCES)?;
    let attr = path.inode().attr()?;
    if attr.mode & vfs::consts::S_IFMT != vfs::consts::S_IFREG || attr.mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    cx.task.parts().memory.image.set_exe(Executable::new(path)?);
    Ok(0)
}

fn set_auxv(cx: &CurrentTask, at: GuestAddr, bytes: u64) -> SysResult {
    let words = usize::try_from(bytes / 8).map_err(|_| Errno::EINVAL)?;
    if words > AUXV_WORDS {
        return Err(Errno::EINVAL);
    }
    let mut auxv = UserPtr::<u64>::new(at).read_vec(&**cx.task.mm(), words)?;
    // It ends with AT_NULL whatever the caller says.
    auxv.resize(AUXV_WORDS, 0);
    if let Some(end) = auxv.get_mut(AUXV_WORDS - 2..) {
        end.fill(0);
    }
    cx.task.parts().memory.image.set_auxv(auxv);
    Ok(0)
}

fn set_map(cx: &CurrentTask, at: GuestAddr, size: u64) -> SysResult {
    if usize::try_from(size) != Ok(size_of::<MmMap>()) {
        return Err(Errno::EINVAL);
    }
    let mm = cx.task.mm();
    let map = UserPtr::<MmMap>::new(at).read(&**mm)?;
    let all = [map.code, map.data, [map.start_brk, map.brk], map.args, map.env];
    for addr in all.iter().flatten().chain([&map.start_stack]) {
        check_address(mm, *addr)?;
    }
    let [code, data, _, args, env] = all.map(|[a, b]| range(a, b));
    let (code, data, args, env) = (code?, data?, args?, env?);
    // The heap stays where it is: it can only be said again.
    if range(map.start_brk, map.brk)? != mm.brk_range() {
        return Err(Errno::EINVAL);
    }
    if map.exe_fd != NO_FD {
        let cred = cx.task.cred();
        if !cred.has_cap_in(Cap::CheckpointRestore, &cred.user_ns)
            && !cred.has_cap_in(Cap::SysAdmin, &cred.user_ns)
        {
            return Err(Errno::EPERM);
        }
        set_exe(cx, map.exe_fd.cast_signed())?;
    }
    if map.auxv_size != 0 {
        set_auxv(cx, GuestAddr(map.auxv), map.auxv_size.into())?;
    }
    mm.set_code_range(code);
    mm.set_data_range(data);
    mm.set_arg_range(args);
    mm.set_env_range(env);
    mm.set_stack_start(GuestAddr(map.start_stack));
    Ok(0)
}
