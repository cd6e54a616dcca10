//! `mount(2)` and `umount(2)` on places that were looked up.

use alloc::sync::Arc;

use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::context::OpCtx;
use crate::inode::FileSystem;
use crate::mount::{Mount, Unmount};
use crate::path::Path;
use crate::perm::MAY_EXEC;
use crate::walk::{Last, Walk};

/// Mounts a new file system at `at`. Errors: `EPERM`, `ENOENT`, `ENOTDIR`, `EBUSY`.
pub fn mount(
    ctx: &OpCtx<'_>,
    fs: Arc<dyn FileSystem>,
    at: &Path,
    flags: u32,
    source: &str,
) -> Result<Arc<Mount>, Errno> {
    ctx.view.ns.check_admin(ctx.cred)?;
    ctx.view.ns.mount(fs, at, flags, source)
}

/// Bind mount. Errors: as `mount`, `EINVAL`.
pub fn bind(ctx: &OpCtx<'_>, from: &Path, at: &Path, recursive: bool) -> Result<Arc<Mount>, Errno> {
    ctx.view.ns.check_admin(ctx.cred)?;
    ctx.view.ns.bind(from, at, recursive)
}

/// `MS_MOVE`. Errors: as `mount`, `EINVAL`, `ELOOP`.
pub fn move_mount(ctx: &OpCtx<'_>, from: &Path, at: &Path) -> Result<(), Errno> {
    ctx.view.ns.check_admin(ctx.cred)?;
    ctx.view.ns.move_mount(from, at)
}

/// The mount whose root `at` is. Errors: `EPERM`; `EINVAL` if it is no mount's root, or of another namespace.
fn changeable<'a>(ctx: &OpCtx<'_>, at: &'a Path) -> Result<&'a Arc<Mount>, Errno> {
    ctx.view.ns.check_admin(ctx.cred)?;
    let is_root = Arc::ptr_eq(&at.dentry, at.mount.root());
    if is_root && ctx.view.ns.contains(&at.mount) { Ok(&at.mount) } else { Err(Errno::EINVAL) }
}

/// `MS_REMOUNT | MS_BIND`: changes the flags of the mount at `at` alone. Errors: `EPERM`, `EINVAL`, `EBUSY`.
pub fn reconfigure(ctx: &OpCtx<'_>, at: &Path, flags: u32) -> Result<(), Errno> {
    changeable(ctx, at)?.change_flags(flags)?;
    ctx.view.ns.note_change();
    Ok(())
}

/// `MS_REMOUNT`: changes the file system's options and the flags of the mount at `at`. Errors: `EPERM`, `EINVAL`, `EBUSY`, `EROFS`.
pub fn remount(ctx: &OpCtx<'_>, at: &Path, flags: u32, options: &str) -> Result<(), Errno> {
    let mount = changeable(ctx, at)?;
    mount.fs().remount(options)?;
    mount.superblock().set_read_only(flags & MS_RDONLY != 0)?;
    mount.set_flags(flags & !MS_RDONLY);
    ctx.view.ns.note_change();
    Ok(())
}

/// Sets the propagation type of the mount at `at`, and with `recursive` of all below. Errors: `EPERM`, `EINVAL`.
pub fn set_propagation(ctx: &OpCtx<'_>, at: &Path, kind: u32, recursive: bool) -> Result<(), Errno> {
    let mount = changeable(ctx, at)?;
    ctx.view.ns.set_propagation(mount, kind, recursive);
    Ok(())
}

/// [`umount2(2)`](https://man7.org/linux/man-pages/man2/umount.2.html). `path` is looked up here, as the caller must hold no
/// reference to the place. Errors: as there.
pub fn umount(ctx: &OpCtx<'_>, path: &[u8], flags: u32) -> Result<(), Errno> {
    if flags & !(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let how = match flags & (MNT_DETACH | MNT_EXPIRE | MNT_FORCE) {
        MNT_EXPIRE => Unmount::Expire,
        f if f & MNT_EXPIRE != 0 => return Err(Errno::EINVAL),
        f if f & MNT_DETACH != 0 => Unmount::Detach,
        _ => Unmount::Unused,
    };
    let place = if how == Unmount::Expire {
        unused_place(ctx, path)?
    } else {
        super::lookup(ctx, path, flags & UMOUNT_NOFOLLOW == 0)?
    };
    ctx.view.ns.check_admin(ctx.cred)?;
    ctx.view.ns.umount(&place, how)
}

/// The place that `path` names, found without using what is mounted there. Errors: those of `path_resolution(7)`.
fn unused_place(ctx: &OpCtx<'_>, path: &[u8]) -> Result<Path, Errno> {
    let mut w = Walk::new(ctx, path, 0)?;
    let Last::Name { name, .. } = w.to_parent()? else { return super::lookup(ctx, path, true) };
    let dir = w.here();
    let (dentry, _) = dir.dentry.child(dir.mount.superblock(), &name)?;
    if dentry.inode().kind() == FileKind::Symlink {
        return super::lookup(ctx, path, true);
    }
    Ok(ctx.view.ns.peek(Path { mount: dir.mount.clone(), dentry }))
}

/// [`pivot_root(2)`](https://man7.org/linux/man-pages/man2/pivot_root.2.html), but for the roots and working directories of tasks. Returns
/// the old root. Errors: as there.
pub fn pivot_root(ctx: &OpCtx<'_>, new_root: &Path, put_old: &Path) -> Result<Path, Errno> {
    ctx.view.ns.check_admin(ctx.cred)?;
    if [new_root, put_old].iter().any(|p| p.inode().kind() != FileKind::Directory) {
        return Err(Errno::ENOTDIR);
    }
    let old = ctx.view.root.clone();
    ctx.view.ns.pivot_root(&old, new_root, put_old)?;
    Ok(old)
}

/// Whether `path` can become the root or working directory: a directory that may be searched. Errors: `ENOTDIR`, `EACCES`.
pub fn chroot_check(ctx: &OpCtx<'_>, path: &Path) -> Result<(), Errno> {
    if path.inode().kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    ctx.may(path, MAY_EXEC)
}
