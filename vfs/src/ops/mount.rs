//! `mount(2)` and `umount(2)` on places that were looked up.

use alloc::sync::Arc;

use kcore::cred::Cap;

use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::context::OpCtx;
use crate::inode::FileSystem;
use crate::mount::Mount;
use crate::path::Path;
use crate::perm::MAY_EXEC;

fn privileged(ctx: &OpCtx<'_>) -> Result<(), Errno> {
    if ctx.cred.has_cap(Cap::SysAdmin) { Ok(()) } else { Err(Errno::EPERM) }
}

/// Mounts a new file system at `at`. Errors: `EPERM`, `ENOENT`, `ENOTDIR`, `EBUSY`.
pub fn mount(
    ctx: &OpCtx<'_>,
    fs: Arc<dyn FileSystem>,
    at: &Path,
    flags: u32,
    source: &str,
) -> Result<Arc<Mount>, Errno> {
    privileged(ctx)?;
    ctx.view.ns.mount(fs, at, flags, source)
}

/// Bind mount. Errors: as `mount`, `EINVAL`.
pub fn bind(ctx: &OpCtx<'_>, from: &Path, at: &Path, recursive: bool) -> Result<Arc<Mount>, Errno> {
    privileged(ctx)?;
    ctx.view.ns.bind(from, at, recursive)
}

/// `MS_MOVE`. Errors: as `mount`, `EINVAL`, `ELOOP`.
pub fn move_mount(ctx: &OpCtx<'_>, from: &Path, at: &Path) -> Result<(), Errno> {
    privileged(ctx)?;
    ctx.view.ns.move_mount(from, at)
}

/// [`umount2(2)`](https://man7.org/linux/man-pages/man2/umount.2.html). `path` is looked up here, as the caller must hold no
/// reference to the place. Errors: as there.
pub fn umount(ctx: &OpCtx<'_>, path: &[u8], flags: u32) -> Result<(), Errno> {
    if flags & !(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    privileged(ctx)?;
    let p = super::lookup(ctx, path, flags & UMOUNT_NOFOLLOW == 0)?;
    ctx.view.ns.umount(&p, flags & MNT_DETACH != 0)
}

/// Whether `path` can become the root or working directory: a directory that may be searched. Errors: `ENOTDIR`, `EACCES`.
pub fn chroot_check(ctx: &OpCtx<'_>, path: &Path) -> Result<(), Errno> {
    if path.inode().kind() != FileKind::Directory {
        return Err(Errno::ENOTDIR);
    }
    ctx.may(path, MAY_EXEC)
}
