//! `mkdir(2)`, `mknod(2)`, `symlink(2)`.

use alloc::sync::Arc;

use kcore::cred::Cap;

use super::{may_change, new_inode, parent};
use crate::Errno;
use crate::consts::*;
use crate::context::OpCtx;
use crate::inode::{Inode, NewInode};
use crate::path::Path;

/// Makes what `f` makes, under a name that is not there yet. `slash` says that the name ends with one, as only a directory's may.
fn make(
    ctx: &OpCtx<'_>,
    dir: &Path,
    (name, slash): (&[u8], bool),
    mode: u32,
    rdev: u64,
    f: impl FnOnce(&dyn Inode, &NewInode) -> Result<Arc<dyn Inode>, Errno>,
) -> Result<Path, Errno> {
    let sb = dir.mount.superblock();
    let d = {
        let _w = dir.dentry.names.write();
        match dir.dentry.child_locked(sb, name) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) if slash && mode & S_IFMT != S_IFDIR => return Err(Errno::ENOENT),
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
        may_change(ctx, dir)?;
        let new = new_inode(ctx, &dir.inode().attr()?, mode, rdev);
        let inode = f(&**dir.inode(), &new)?;
        dir.dentry.adopt(sb, name, inode)
    };
    let is_dir = if mode & S_IFMT == S_IFDIR { IN_ISDIR } else { 0 };
    dir.inode().common().notify(IN_CREATE | is_dir, 0, Some(name));
    Ok(Path { mount: dir.mount.clone(), dentry: d })
}

/// Makes a regular file that must not exist yet.
pub(super) fn create_in(ctx: &OpCtx<'_>, dir: &Path, name: &[u8], mode: u32) -> Result<Path, Errno> {
    make(ctx, dir, (name, false), S_IFREG | mode & 0o7777, 0, |i, new| i.create(name, new))
}

/// Makes in `dir` what `make` makes of a name that must not exist yet, for file systems whose files need to be told more than a mode.
/// Errors: as of [`open(2)`](https://man7.org/linux/man-pages/man2/open.2.html) with `O_CREAT`.
pub fn create_with(
    ctx: &OpCtx<'_>,
    dir: &Path,
    name: &[u8],
    mode: u32,
    made: impl FnOnce(&NewInode) -> Result<Arc<dyn Inode>, Errno>,
) -> Result<Path, Errno> {
    make(ctx, dir, (name, false), S_IFREG | mode & 0o7777, 0, |_, new| made(new))
}

/// [`mkdir(2)`](https://man7.org/linux/man-pages/man2/mkdir.2.html). Errors: as there.
pub fn mkdir(ctx: &OpCtx<'_>, path: &[u8], mode: u32) -> Result<Path, Errno> {
    let (dir, name, slash) = parent(ctx, path, Errno::EEXIST)?;
    make(ctx, &dir, (&name, slash), S_IFDIR | mode & 0o1777, 0, |i, new| i.mkdir(&name, new))
}

/// [`mknod(2)`](https://man7.org/linux/man-pages/man2/mknod.2.html), also to bind a unix socket. Errors: as there.
pub fn mknod(ctx: &OpCtx<'_>, path: &[u8], mode: u32, rdev: u64) -> Result<Path, Errno> {
    let kind = if mode & S_IFMT == 0 { S_IFREG } else { mode & S_IFMT };
    match kind {
        S_IFREG | S_IFIFO | S_IFSOCK => {}
        S_IFCHR if rdev == 0 => {}
        S_IFCHR | S_IFBLK if !ctx.cred.has_cap_everywhere(Cap::Mknod) => return Err(Errno::EPERM),
        S_IFCHR | S_IFBLK => {}
        S_IFDIR => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    }
    let (dir, name, slash) = parent(ctx, path, Errno::EEXIST)?;
    let rdev = if matches!(kind, S_IFCHR | S_IFBLK) { rdev } else { 0 };
    make(ctx, &dir, (&name, slash), kind | mode & 0o7777, rdev, |i, new| match kind {
        S_IFREG => i.create(&name, new),
        _ => i.mknod(&name, new),
    })
}

/// [`symlink(2)`](https://man7.org/linux/man-pages/man2/symlink.2.html). Errors: as there.
pub fn symlink(ctx: &OpCtx<'_>, target: &[u8], path: &[u8]) -> Result<Path, Errno> {
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    if target.len() >= PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let (dir, name, slash) = parent(ctx, path, Errno::EEXIST)?;
    make(ctx, &dir, (&name, slash), S_IFLNK | 0o777, 0, |i, new| {
        i.symlink(&name, target, &NewInode { mode: S_IFLNK | 0o777, ..*new })
    })
}
