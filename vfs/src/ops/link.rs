//! `link(2)`.

use alloc::sync::Arc;

use super::{may_change, parent};
use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::context::OpCtx;
use crate::path::Path;
use crate::perm::{MAY_READ, MAY_WRITE, check_owner};

/// [`linkat(2)`](https://man7.org/linux/man-pages/man2/link.2.html): `to` starts at `to_ctx`. Errors: as there.
pub fn link(ctx: &OpCtx<'_>, from: &[u8], follow: bool, to_ctx: &OpCtx<'_>, to: &[u8]) -> Result<(), Errno> {
    let old = super::lookup(ctx, from, follow)?;
    link_path(&old, to_ctx, to)
}

/// As with `/proc/sys/fs/protected_hardlinks` set: others' files get names only from those who may read and write them. Errors: `EPERM`.
fn may_link(ctx: &OpCtx<'_>, old: &Path) -> Result<(), Errno> {
    let attr = old.inode().attr()?;
    if check_owner(&attr, ctx.cred).is_ok() {
        return Ok(());
    }
    let privileged = attr.mode & S_ISUID != 0 || attr.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP;
    let safe = attr.kind() == FileKind::Regular && !privileged && ctx.may(old, MAY_READ | MAY_WRITE).is_ok();
    if safe { Ok(()) } else { Err(Errno::EPERM) }
}

/// Gives the file at `old` another name (`AT_EMPTY_PATH`, or after [`lookup`](super::lookup)). Errors: as `link`.
pub fn link_path(old: &Path, to_ctx: &OpCtx<'_>, to: &[u8]) -> Result<(), Errno> {
    let (dir, name, slash) = parent(to_ctx, to, Errno::EEXIST)?;
    {
        let _w = dir.dentry.names.write();
        let sb = dir.mount.superblock();
        match dir.dentry.child_locked(sb, &name) {
            Ok(_) => return Err(Errno::EEXIST),
            Err(Errno::ENOENT) if slash => return Err(Errno::ENOENT),
            Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
        if !Arc::ptr_eq(&old.mount, &dir.mount) {
            return Err(Errno::EXDEV);
        }
        may_link(to_ctx, old)?;
        may_change(to_ctx, &dir)?;
        if old.inode().kind() == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        // A file whose last name was removed stays without.
        if old.inode().attr()?.nlink == 0 && !old.inode().common().is_linkable() {
            return Err(Errno::ENOENT);
        }
        dir.inode().link(&name, old.inode())?;
        old.inode().common().set_linkable(false);
        dir.dentry.adopt(sb, &name, old.inode().clone());
    }
    old.inode().common().notify(IN_ATTRIB, 0, None);
    dir.inode().common().notify(IN_CREATE, 0, Some(&name));
    Ok(())
}
