//! Mounts: [`mount(2)`](https://man7.org/linux/man-pages/man2/mount.2.html),
//! [`umount(2)`](https://man7.org/linux/man-pages/man2/umount.2.html),
//! [`pivot_root(2)`](https://man7.org/linux/man-pages/man2/pivot_root.2.html).

use alloc::string::String;
use alloc::sync::Arc;
use core::ffi::c_char;

use abi::Errno;
use abi::fs::mount::{
    MS_BIND, MS_MGC_MSK, MS_MGC_VAL, MS_MOVE, MS_NOATIME, MS_NODIRATIME, MS_PRIVATE, MS_REC, MS_RELATIME,
    MS_REMOUNT, MS_SHARED, MS_SILENT, MS_SLAVE, MS_STRICTATIME, MS_UNBINDABLE,
};
use kcore::addr::{GuestAddr, PAGE_SIZE};
use kcore::user::{UserMemory, UserPtr, read_c_string};
use vfs::fs::devpts::{DevPts, DevPtsOptions};
use vfs::fs::tmpfs::{TmpFs, TmpFsOptions};
use vfs::{FileSystem, OpCtx, Path, ops};

use super::SysResult;
use super::path::{AT_FDCWD, Caller, Name, done};
use crate::current::CurrentTask;
use crate::task::Resources;
use crate::{procfs, sysfs};

const PROPAGATION: u32 = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
const ATIME: u32 = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;

/// A string that is neither a path nor a name; `None` for the null pointer. Errors: `EFAULT`, `EINVAL` if it is too long or not text.
fn read_text(cx: &CurrentTask, ptr: UserPtr<c_char>) -> Result<Option<String>, Errno> {
    if ptr.is_null() {
        return Ok(None);
    }
    let bytes = read_c_string(&**cx.task.mm(), ptr.addr(), PAGE_SIZE as usize);
    let bytes = bytes.map_err(|e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e })?;
    String::from_utf8(bytes.into_vec()).map(Some).map_err(|_| Errno::EINVAL)
}

/// Types of file systems, as `/proc/filesystems` and `sysfs(2)` tell them.
pub(crate) const FILE_SYSTEMS: [&str; 7] =
    ["sysfs", "tmpfs", "proc", "devtmpfs", "devpts", "mqueue", "overlay"];

/// [`sysfs(2)`](https://man7.org/linux/man-pages/man2/sysfs.2.html). Errors: `EINVAL` for options, names and numbers that are not known,
/// `EFAULT`.
pub(super) fn sysfs(cx: &mut CurrentTask, option: u32, arg: u64, buf: GuestAddr) -> SysResult {
    match option {
        1 => {
            let name = cx.read_path(UserPtr::new(GuestAddr(arg)))?;
            let at = FILE_SYSTEMS.iter().position(|n| n.as_bytes() == &name[..]);
            Ok(at.ok_or(Errno::EINVAL)? as u64)
        }
        2 => {
            let name = usize::try_from(arg).ok().and_then(|n| FILE_SYSTEMS.get(n)).ok_or(Errno::EINVAL)?;
            let bytes = [name.as_bytes(), b"\0"].concat();
            if cx.task.mm().copy_out(buf, &bytes) < bytes.len() { Err(Errno::EFAULT) } else { Ok(0) }
        }
        3 => Ok(FILE_SYSTEMS.len() as u64),
        _ => Err(Errno::EINVAL),
    }
}

/// `mount(2)`.
pub(super) fn mount(
    cx: &mut CurrentTask,
    source: UserPtr<c_char>,
    target: Name,
    kind: UserPtr<c_char>,
    flags: u64,
    data: UserPtr<c_char>,
) -> SysResult {
    let kind = read_text(cx, kind)?;
    let source = read_text(cx, source)?;
    let options = read_text(cx, data)?.unwrap_or_default();
    let target = cx.read_path_at(target, 0)?;
    // The upper half has no flags, and Linux ignores it.
    let mut flags = (flags & 0xffff_ffff) as u32;
    if flags & MS_MGC_MSK == MS_MGC_VAL {
        flags &= !MS_MGC_MSK;
    }
    let who = Caller::new(cx);
    let ctx = who.at(cx, AT_FDCWD, &target)?;
    let at = ops::lookup(&ctx, &target, true)?;
    who.view.ns.check_admin(who.cred)?;
    let from = || source_place(cx, &who, source.as_deref());
    if flags & MS_REMOUNT != 0 {
        let flags = with_atime(flags, at.mount.flags());
        return done(match flags & MS_BIND {
            0 => ops::remount(&ctx, &at, flags, &options),
            _ => ops::reconfigure(&ctx, &at, flags),
        });
    }
    if flags & MS_BIND != 0 {
        return done(ops::bind(&ctx, &from()?, &at, flags & MS_REC != 0).map(drop));
    }
    if flags & PROPAGATION != 0 {
        return done(set_propagation(&ctx, &at, flags));
    }
    if flags & MS_MOVE != 0 {
        return done(ops::move_mount(&ctx, &from()?, &at));
    }
    let fs = new_file_system(cx, &who, &kind.ok_or(Errno::EINVAL)?, &options)?;
    let source = source.as_deref().unwrap_or("none");
    done(ops::mount(&ctx, fs, &at, with_atime(flags, MS_RELATIME), source).map(drop))
}

/// What is to be bound or moved. Errors: `EINVAL` without a path, those of `path_resolution(7)`.
fn source_place(cx: &CurrentTask, who: &Caller, source: Option<&str>) -> Result<Path, Errno> {
    let path = source.filter(|s| !s.is_empty()).ok_or(Errno::EINVAL)?.as_bytes();
    ops::lookup(&who.at(cx, AT_FDCWD, path)?, path, true)
}

/// The flags with how access times are kept: as `before` says if they do not say it, and relative if they do not say which way.
fn with_atime(flags: u32, before: u32) -> u32 {
    match flags & ATIME {
        0 => flags | before & ATIME,
        f if f & MS_STRICTATIME != 0 => flags & !(MS_RELATIME | MS_NOATIME),
        f if f & MS_NOATIME != 0 => flags & !MS_RELATIME,
        _ => flags | MS_RELATIME,
    }
}

fn set_propagation(ctx: &OpCtx<'_>, at: &Path, flags: u32) -> Result<(), Errno> {
    let kind = flags & !(MS_REC | MS_SILENT);
    if kind & !PROPAGATION != 0 || !kind.is_power_of_two() {
        return Err(Errno::EINVAL);
    }
    ops::set_propagation(ctx, at, kind, flags & MS_REC != 0)
}

/// A new file system of type `kind`. Errors: `ENODEV` for an unknown type, `EINVAL` for unknown options.
fn new_file_system(
    cx: &CurrentTask,
    who: &Caller,
    kind: &str,
    options: &str,
) -> Result<Arc<dyn FileSystem>, Errno> {
    let kernel = cx.kernel();
    let dev = who.view.ns.ids().next_dev();
    let clock = kernel.vfs().clock.clone();
    match kind {
        "tmpfs" => {
            let memory = kernel.memory_use().total;
            let mut o = TmpFsOptions::for_memory(memory);
            (o.uid, o.gid) = (who.cred.fsuid, who.cred.fsgid);
            let o = o.parse(options, memory)?;
            let fs: Arc<dyn FileSystem> = TmpFs::new(dev, clock, kernel.host().frames.clone(), o)?;
            Ok(fs)
        }
        "mqueue" => Ok(cx.task.parts().ipc.mqueue.clone()),
        "devpts" => Ok(DevPts::new(dev, clock, DevPtsOptions::parse(options)?)),
        "sysfs" => Ok(sysfs::new(kernel, dev)),
        "proc" => procfs::new(kernel, cx.task.core().pid_ns(), dev, options),
        _ => Err(Errno::ENODEV),
    }
}

/// `umount2(2)`.
pub(super) fn umount2(cx: &mut CurrentTask, path: Name, flags: u32) -> SysResult {
    let path = cx.read_path_at(path, 0)?;
    let who = Caller::new(cx);
    done(ops::umount(&who.at(cx, AT_FDCWD, &path)?, &path, flags))
}

/// `pivot_root(2)`: tasks whose root or working directory was the old root get the new one.
pub(super) fn pivot_root(cx: &mut CurrentTask, new_root: Name, put_old: Name) -> SysResult {
    let who = Caller::new(cx);
    who.view.ns.check_admin(who.cred)?;
    let place = |name: Name| {
        let path = cx.read_path_at(name, 0)?;
        ops::lookup(&who.at(cx, AT_FDCWD, &path)?, &path, true)
    };
    let (new_root, put_old) = (place(new_root)?, place(put_old)?);
    let old = ops::pivot_root(&who.at(cx, AT_FDCWD, b"")?, &new_root, &put_old)?;
    for task in cx.kernel().processes().tasks() {
        let Some(fs) = task.resources::<Resources>().and_then(Resources::fs) else { continue };
        fs.update(|view| {
            for place in [&mut view.root, &mut view.cwd] {
                if place.same(&old) {
                    *place = new_root.clone();
                }
            }
        });
    }
    Ok(0)
}
