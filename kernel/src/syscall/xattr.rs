//! Extended attributes, [`xattr(7)`](https://man7.org/linux/man-pages/man7/xattr.7.html).

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use abi::fs::open::AT_SYMLINK_NOFOLLOW;
use abi::fs::stat::{XATTR_CREATE, XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_REPLACE, XATTR_SIZE_MAX};
use kcore::addr::GuestAddr;
use kcore::cred::Credentials;
use kcore::id::Fd;
use kcore::user::{ShortString, UserMemory, UserPtr, read_c_string};
use vfs::{Path, ops};

use super::SysResult;
use super::path::{AT_FDCWD, Caller, Name, done};
use crate::current::CurrentTask;

/// Whose attributes are meant, and who asks. A file in no file system has no place.
pub(super) struct Target {
    cred: Arc<Credentials>,
    place: Option<Path>,
}

impl Target {
    /// What `path` leads to; of the flags `AT_SYMLINK_NOFOLLOW` matters. Errors: those of `path_resolution(7)`.
    fn named(cx: &CurrentTask, path: Name, flags: u32) -> Result<Target, Errno> {
        Target::at(cx, AT_FDCWD, path, flags)
    }
    /// What `path` leads to from `dir`. Errors: those of `path_resolution(7)`.
    pub(super) fn at(cx: &CurrentTask, dir: Fd, path: Name, flags: u32) -> Result<Target, Errno> {
        let path = cx.read_path_at(path, flags)?;
        let who = Caller::new(cx);
        let place = who.place(cx, dir, &path, flags)?;
        Ok(Target { cred: who.cred.clone(), place: Some(place) })
    }
    /// An open file. Errors: `EBADF`, also for `O_PATH`.
    fn open(cx: &CurrentTask, fd: Fd) -> Result<Target, Errno> {
        let place = cx.task.files().get_open(fd)?.path().cloned();
        Ok(Target { cred: cx.task.cred(), place })
    }
    /// Where attributes called `name` would be. Errors, for pipes and their like: `user_error` for `user.` ones, which only files and
    /// directories have, `EOPNOTSUPP` for others.
    fn place(&self, name: &[u8], user_error: Errno) -> Result<&Path, Errno> {
        let error = if name.starts_with(b"user.") { user_error } else { Errno::EOPNOTSUPP };
        self.place.as_ref().ok_or(error)
    }
    pub(super) fn get(&self, cx: &CurrentTask, name: &[u8], buf: GuestAddr, size: usize) -> SysResult {
        let value = ops::get_xattr(&self.cred, self.place(name, Errno::ENODATA)?, name)?;
        put(cx, &value, buf, size, XATTR_SIZE_MAX)
    }
    pub(super) fn list(&self, cx: &CurrentTask, buf: GuestAddr, size: usize) -> SysResult {
        let Some(place) = &self.place else { return Ok(0) };
        let mut all = Vec::new();
        for name in ops::list_xattr(&self.cred, place)? {
            all.extend_from_slice(&name);
            all.push(0);
        }
        put(cx, &all, buf, size, XATTR_LIST_MAX)
    }
    pub(super) fn set(&self, new: &NewValue) -> SysResult {
        let place = self.place(&new.name, Errno::EPERM)?;
        done(ops::set_xattr(&self.cred, place, &new.name, &new.value, new.flags))
    }
    pub(super) fn remove(&self, name: &[u8]) -> SysResult {
        done(ops::remove_xattr(&self.cred, self.place(name, Errno::EPERM)?, name))
    }
}

/// Stores `data` and says its length; a buffer of size 0 asks for the length alone. Errors: `ERANGE` if it is larger than the buffer,
/// `E2BIG` if it is larger than `max` and so than any buffer, `EFAULT`.
fn put(cx: &CurrentTask, data: &[u8], buf: GuestAddr, size: usize, max: usize) -> SysResult {
    if size > 0 {
        if data.len() > size.min(max) {
            return Err(if size >= max { Errno::E2BIG } else { Errno::ERANGE });
        }
        if cx.task.mm().copy_out(buf, data) < data.len() {
            return Err(Errno::EFAULT);
        }
    }
    Ok(data.len() as u64)
}

/// The name of an attribute. Errors: `EFAULT`; `ERANGE` if it is empty or too long.
pub(super) fn read_name(cx: &CurrentTask, name: Name) -> Result<Vec<u8>, Errno> {
    match read_c_string(&**cx.task.mm(), name.addr(), XATTR_NAME_MAX + 1) {
        Ok(n) if n.is_empty() => Err(Errno::ERANGE),
        Err(Errno::ENAMETOOLONG) => Err(Errno::ERANGE),
        r => r.map(ShortString::into_vec),
    }
}

/// What `setxattr(2)` sets.
pub(super) struct NewValue {
    name: Vec<u8>,
    value: Vec<u8>,
    flags: u32,
}

impl NewValue {
    /// Errors: `EINVAL` for unknown flags, `ERANGE` for the name, `E2BIG`, `EFAULT`.
    pub(super) fn read(
        cx: &CurrentTask,
        name: Name,
        value: GuestAddr,
        size: usize,
        flags: u32,
    ) -> Result<Self, Errno> {
        if flags & !(XATTR_CREATE | XATTR_REPLACE) != 0 {
            return Err(Errno::EINVAL);
        }
        let name = read_name(cx, name)?;
        if size > XATTR_SIZE_MAX {
            return Err(Errno::E2BIG);
        }
        let value = UserPtr::<u8>::new(value).read_vec(&**cx.task.mm(), size)?;
        Ok(NewValue { name, value, flags })
    }
}

/// `setxattr(2)`.
pub(super) fn setxattr(
    cx: &mut CurrentTask,
    path: Name,
    name: Name,
    value: GuestAddr,
    size: usize,
    flags: u32,
) -> SysResult {
    let new = NewValue::read(cx, name, value, size, flags)?;
    Target::named(cx, path, 0)?.set(&new)
}

/// `lsetxattr(2)`.
pub(super) fn lsetxattr(
    cx: &mut CurrentTask,
    path: Name,
    name: Name,
    value: GuestAddr,
    size: usize,
    flags: u32,
) -> SysResult {
    let new = NewValue::read(cx, name, value, size, flags)?;
    Target::named(cx, path, AT_SYMLINK_NOFOLLOW)?.set(&new)
}

/// `fsetxattr(2)`.
pub(super) fn fsetxattr(
    cx: &mut CurrentTask,
    fd: Fd,
    name: Name,
    value: GuestAddr,
    size: usize,
    flags: u32,
) -> SysResult {
    let new = NewValue::read(cx, name, value, size, flags)?;
    Target::open(cx, fd)?.set(&new)
}

/// `getxattr(2)`.
pub(super) fn getxattr(
    cx: &mut CurrentTask,
    path: Name,
    name: Name,
    buf: GuestAddr,
    size: usize,
) -> SysResult {
    let name = read_name(cx, name)?;
    Target::named(cx, path, 0)?.get(cx, &name, buf, size)
}

/// `lgetxattr(2)`.
pub(super) fn lgetxattr(
    cx: &mut CurrentTask,
    path: Name,
    name: Name,
    buf: GuestAddr,
    size: usize,
) -> SysResult {
    let name = read_name(cx, name)?;
    Target::named(cx, path, AT_SYMLINK_NOFOLLOW)?.get(cx, &name, buf, size)
}

/// `fgetxattr(2)`.
pub(super) fn fgetxattr(cx: &mut CurrentTask, fd: Fd, name: Name, buf: GuestAddr, size: usize) -> SysResult {
    let name = read_name(cx, name)?;
    Target::open(cx, fd)?.get(cx, &name, buf, size)
}

/// `listxattr(2)`.
pub(super) fn listxattr(cx: &mut CurrentTask, path: Name, buf: GuestAddr, size: usize) -> SysResult {
    Target::named(cx, path, 0)?.list(cx, buf, size)
}

/// `llistxattr(2)`.
pub(super) fn llistxattr(cx: &mut CurrentTask, path: Name, buf: GuestAddr, size: usize) -> SysResult {
    Target::named(cx, path, AT_SYMLINK_NOFOLLOW)?.list(cx, buf, size)
}

/// `flistxattr(2)`.
pub(super) fn flistxattr(cx: &mut CurrentTask, fd: Fd, buf: GuestAddr, size: usize) -> SysResult {
    Target::open(cx, fd)?.list(cx, buf, size)
}

/// `removexattr(2)`.
pub(super) fn removexattr(cx: &mut CurrentTask, path: Name, name: Name) -> SysResult {
    let name = read_name(cx, name)?;
    Target::named(cx, path, 0)?.remove(&name)
}

/// `lremovexattr(2)`.
pub(super) fn lremovexattr(cx: &mut CurrentTask, path: Name, name: Name) -> SysResult {
    let name = read_name(cx, name)?;
    Target::named(cx, path, AT_SYMLINK_NOFOLLOW)?.remove(&name)
}

/// `fremovexattr(2)`.
pub(super) fn fremovexattr(cx: &mut CurrentTask, fd: Fd, name: Name) -> SysResult {
    let name = read_name(cx, name)?;
    Target::open(cx, fd)?.remove(&name)
}
