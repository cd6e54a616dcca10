//! Extended attributes of files named relative to a directory: [`setxattrat(2)`] and its relatives.
//!
//! [`setxattrat(2)`]: https://man7.org/linux/man-pages/man2/setxattrat.2.html

use abi::Errno;
use abi::fs::open::{AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW};
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::id::Fd;
use kcore::user::UserPtr;

use super::SysResult;
use super::path::Name;
use super::xattr::{NewValue, Target, read_name};
use crate::current::CurrentTask;

/// `struct xattr_args`: where the value is, its size, and `XATTR_*` flags.
struct Args {
    value: GuestAddr,
    size: usize,
    flags: u32,
}

/// Errors: `EINVAL` for arguments that are too short, `E2BIG` for ones that are not known, `EFAULT`.
fn read_args(cx: &CurrentTask, at: GuestAddr, size: usize) -> Result<Args, Errno> {
    const SIZE: usize = 16;
    if size < SIZE {
        return Err(Errno::EINVAL);
    }
    if size as u64 > PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    let mem = &**cx.task.mm();
    let [value, rest] = UserPtr::<[u64; 2]>::new(at).read(mem)?;
    let later = at.checked_add(SIZE as u64).ok_or(Errno::EFAULT)?;
    if UserPtr::<u8>::new(later).read_vec(mem, size - SIZE)?.iter().any(|b| *b != 0) {
        return Err(Errno::E2BIG);
    }
    let [a, b, c, d, e, f, g, h] = rest.to_le_bytes();
    let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).map_err(|_| Errno::E2BIG)?;
    Ok(Args { value: GuestAddr(value), size, flags: u32::from_le_bytes([e, f, g, h]) })
}

/// What a path leads to from `dir`; with an empty path, `dir` itself. Errors: `EINVAL` for unknown flags, and those of the walk.
fn target(cx: &CurrentTask, dir: Fd, path: Name, flags: u32) -> Result<Target, Errno> {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    Target::at(cx, dir, path, flags)
}

/// `setxattrat(2)`. Errors: as `setxattr(2)`, and `EINVAL`, `E2BIG` for the arguments.
pub(super) fn setxattrat(
    cx: &mut CurrentTask,
    dir: Fd,
    path: Name,
    flags: u32,
    name: Name,
    args: GuestAddr,
    size: usize,
) -> SysResult {
    let args = read_args(cx, args, size)?;
    let new = NewValue::read(cx, name, args.value, args.size, args.flags)?;
    target(cx, dir, path, flags)?.set(&new)
}

/// `getxattrat(2)`. Errors: as `getxattr(2)`, and `EINVAL`, `E2BIG` for the arguments.
pub(super) fn getxattrat(
    cx: &mut CurrentTask,
    dir: Fd,
    path: Name,
    flags: u32,
    name: Name,
    args: GuestAddr,
    size: usize,
) -> SysResult {
    let args = read_args(cx, args, size)?;
    if args.flags != 0 {
        return Err(Errno::EINVAL);
    }
    let name = read_name(cx, name)?;
    target(cx, dir, path, flags)?.get(cx, &name, args.value, args.size)
}

/// `listxattrat(2)`. Errors: as `listxattr(2)`.
pub(super) fn listxattrat(
    cx: &mut CurrentTask,
    dir: Fd,
    path: Name,
    flags: u32,
    buf: GuestAddr,
    size: usize,
) -> SysResult {
    target(cx, dir, path, flags)?.list(cx, buf, size)
}

/// `removexattrat(2)`. Errors: as `removexattr(2)`.
pub(super) fn removexattrat(cx: &mut CurrentTask, dir: Fd, path: Name, flags: u32, name: Name) -> SysResult {
    let name = read_name(cx, name)?;
    target(cx, dir, path, flags)?.remove(&name)
}
