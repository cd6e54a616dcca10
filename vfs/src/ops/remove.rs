//! `unlink(2)`, `rmdir(2)`.

use super::may_change;
use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::context::OpCtx;
use crate::path::Path;
use crate::perm::check_sticky;
use crate::walk::{Last, Walk};

fn remove(ctx: &OpCtx<'_>, dir: &Path, name: &[u8], is_rmdir: bool, slash: bool) -> Result<(), Errno> {
    let sb = dir.mount.superblock();
    let victim = {
        let _w = dir.dentry.names.write();
        let d = dir.dentry.child_locked(sb, name)?;
        let place = Path { mount: dir.mount.clone(), dentry: d.clone() };
        let kind_is_dir = d.inode().kind() == FileKind::Directory;
        may_change(ctx, dir)?;
        check_sticky(&dir.inode().attr()?, &d.inode().attr()?, ctx.cred)?;
        match (is_rmdir, kind_is_dir) {
            (true, false) => return Err(Errno::ENOTDIR),
            (false, true) => return Err(Errno::EISDIR),
            (false, false) if slash => return Err(Errno::ENOTDIR),
            _ => {}
        }
        if ctx.view.ns.is_mount_point(&place) {
            return Err(Errno::EBUSY);
        }
        if is_rmdir {
            dir.inode().rmdir(name)?;
        } else {
            dir.inode().unlink(name)?;
        }
        dir.dentry.forget(&d);
        d
    };
    sb.unkeep(&victim);
    let is_dir = if is_rmdir { IN_ISDIR } else { 0 };
    if !is_rmdir {
        victim.inode().common().notify(IN_ATTRIB, 0, None);
    }
    // Unless somebody uses it, its watchers hear now that it is gone.
    drop(victim);
    dir.inode().common().notify(IN_DELETE | is_dir, 0, Some(name));
    Ok(())
}

/// [`unlink(2)`](https://man7.org/linux/man-pages/man2/unlink.2.html). Errors: as there.
pub fn unlink(ctx: &OpCtx<'_>, path: &[u8]) -> Result<(), Errno> {
    let mut w = Walk::new(ctx, path, 0)?;
    match w.to_parent()? {
        Last::Name { name, slash } => remove(ctx, &w.into_here(), &name, false, slash),
        _ => Err(Errno::EISDIR),
    }
}

/// [`rmdir(2)`](https://man7.org/linux/man-pages/man2/rmdir.2.html). Errors: as there.
pub fn rmdir(ctx: &OpCtx<'_>, path: &[u8]) -> Result<(), Errno> {
    let mut w = Walk::new(ctx, path, 0)?;
    match w.to_parent()? {
        Last::Name { name, slash } => remove(ctx, &w.into_here(), &name, true, slash),
        Last::DotDot => Err(Errno::ENOTEMPTY),
        Last::Dot if path.iter().all(|b| *b == b'/') => Err(Errno::EBUSY),
        Last::Dot => Err(Errno::EINVAL),
    }
}
