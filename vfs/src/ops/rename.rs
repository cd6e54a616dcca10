//! `rename(2)`.

use alloc::sync::Arc;

use super::may_change;
use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::context::OpCtx;
use crate::dentry::Dentry;
use crate::path::Path;
use crate::perm::{MAY_WRITE, check_sticky};
use crate::walk::{Last, Walk};
use kcore::cred::Cap;

/// The directory that a path leads to, and what it names there.
fn ends(ctx: &OpCtx<'_>, path: &[u8]) -> Result<(Path, Last), Errno> {
    let mut walk = Walk::new(ctx, path, 0)?;
    let last = walk.to_parent()?;
    Ok((walk.into_here(), last))
}

/// Whether there is a directory that `path` would be in. Errors: those of `path_resolution(7)`.
pub fn check_parent(ctx: &OpCtx<'_>, path: &[u8]) -> Result<(), Errno> {
    ends(ctx, path).map(drop)
}

/// What is checked before the paths are looked at. Errors: `EINVAL` for flags that there are not, or that exclude each other.
pub fn check_rename_flags(flags: u32) -> Result<(), Errno> {
    let exchange = flags & RENAME_EXCHANGE != 0;
    if flags & !(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT) != 0
        || exchange && flags & (RENAME_NOREPLACE | RENAME_WHITEOUT) != 0
    {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// [`renameat2(2)`](https://man7.org/linux/man-pages/man2/rename.2.html): `to` starts at `to_ctx`. Errors: as there.
pub fn rename(ctx: &OpCtx<'_>, from: &[u8], to_ctx: &OpCtx<'_>, to: &[u8], flags: u32) -> Result<(), Errno> {
    check_rename_flags(flags)?;
    let exchange = flags & RENAME_EXCHANGE != 0;
    if flags & RENAME_WHITEOUT != 0 && !ctx.cred.has_cap_everywhere(Cap::Mknod) {
        return Err(Errno::EPERM);
    }
    let (old_walk, new_walk) = (ends(ctx, from)?, ends(to_ctx, to)?);
    let (old_dir, new_dir) = (old_walk.0, new_walk.0);
    if !Arc::ptr_eq(&old_dir.mount, &new_dir.mount) {
        return Err(Errno::EXDEV);
    }
    let Last::Name { name: old_name, slash: old_slash } = old_walk.1 else { return Err(Errno::EBUSY) };
    let Last::Name { name: new_name, slash: new_slash } = new_walk.1 else {
        return Err(if flags & RENAME_NOREPLACE != 0 { Errno::EEXIST } else { Errno::EBUSY });
    };
    let sb = old_dir.mount.superblock();
    let same_dir = Arc::ptr_eq(&old_dir.dentry, &new_dir.dentry);
    let (moved, other) = {
        let _tree = (!same_dir).then(|| sb.rename.lock());
        // Both directories, in order of address.
        let old_first = Arc::as_ptr(&old_dir.dentry) <= Arc::as_ptr(&new_dir.dentry);
        let (first, second) = if old_first { (&old_dir, &new_dir) } else { (&new_dir, &old_dir) };
        let _first = first.dentry.names.write();
        let _second = (!same_dir).then(|| second.dentry.names.write());

        let old = old_dir.dentry.child_locked(sb, &old_name)?;
        let new = match new_dir.dentry.child_locked(sb, &new_name) {
            Ok(_) if flags & RENAME_NOREPLACE != 0 => return Err(Errno::EEXIST),
            Ok(d) => Some(d),
            Err(Errno::ENOENT) if exchange => return Err(Errno::ENOENT),
            Err(Errno::ENOENT) => None,
            Err(e) => return Err(e),
        };
        let is_dir = |d: &Arc<Dentry>| d.inode().kind() == FileKind::Directory;
        if !is_dir(&old) && (old_slash || !exchange && new_slash) {
            return Err(Errno::ENOTDIR);
        }
        if !same_dir && old.is_ancestor_of(&new_dir.dentry) {
            return Err(Errno::EINVAL);
        }
        if let Some(n) = &new
            && !same_dir
            && n.is_ancestor_of(&old_dir.dentry)
        {
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
        }
        if new.as_ref().is_some_and(|n| Arc::ptr_eq(n.inode(), old.inode())) {
            return Ok(());
        }
        may_change(ctx, &old_dir)?;
        may_change(to_ctx, &new_dir)?;
        let old_attr = old.inode().attr()?;
        check_sticky(&old_dir.inode().attr()?, &old_attr, ctx.cred)?;
        if is_dir(&old) && !same_dir {
            old.inode().permission(ctx.cred, MAY_WRITE)?;
        }
        let busy = |d: &Arc<Dentry>| {
            ctx.view.ns.is_mount_point(&Path { mount: old_dir.mount.clone(), dentry: d.clone() })
        };
        if let Some(n) = &new {
            check_sticky(&new_dir.inode().attr()?, &n.inode().attr()?, ctx.cred)?;
            match (is_dir(&old), is_dir(n)) {
                _ if exchange => {}
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
            if busy(n) {
                return Err(Errno::EBUSY);
            }
        }
        if busy(&old) {
            return Err(Errno::EBUSY);
        }
        old_dir.inode().rename(&old_name, new_dir.inode(), &new_name, flags)?;
        match &new {
            Some(n) if exchange => {
                // Take the other one out of the way first, so that neither overwrites the other's entry.
                Dentry::move_child(&old, &old_dir.dentry, &new_dir.dentry, &new_name);
                Dentry::move_child(n, &new_dir.dentry, &old_dir.dentry, &old_name);
            }
            Some(n) => {
                new_dir.dentry.forget(n);
                Dentry::move_child(&old, &old_dir.dentry, &new_dir.dentry, &new_name);
            }
            None => Dentry::move_child(&old, &old_dir.dentry, &new_dir.dentry, &new_name),
        }
        (old, new)
    };
    let replaced = other.as_ref().filter(|_| !exchange);
    if let Some(r) = replaced {
        sb.unkeep(r);
    }
    tell_moved(&moved, (&old_dir, &old_name), (&new_dir, &new_name), replaced);
    match &other {
        Some(o) if exchange => tell_moved(o, (&new_dir, &new_name), (&old_dir, &old_name), None),
        _ => {}
    }
    Ok(())
}

/// Tells the watchers of both directories, of what is `replaced`, and of what was moved.
fn tell_moved(
    moved: &Dentry,
    (from, old_name): (&Path, &[u8]),
    (to, new_name): (&Path, &[u8]),
    replaced: Option<&Arc<Dentry>>,
) {
    let is_dir = |d: &Dentry| if d.inode().kind() == FileKind::Directory { IN_ISDIR } else { 0 };
    let cookie = from.mount.superblock().rename_cookie();
    from.inode().common().notify(IN_MOVED_FROM | is_dir(moved), cookie, Some(old_name));
    to.inode().common().notify(IN_MOVED_TO | is_dir(moved), cookie, Some(new_name));
    if let Some(r) = replaced {
        r.inode().common().notify(IN_ATTRIB | is_dir(r), 0, None);
    }
    moved.inode().common().notify(IN_MOVE_SELF, 0, None);
}
