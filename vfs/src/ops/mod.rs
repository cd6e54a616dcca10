//! Operations on paths, one file each.

mod attr;
mod create;
mod link;
mod mount;
mod name;
mod open;
mod remove;
mod rename;
mod stat;
mod xattr;

pub use attr::{access, chmod, chown, truncate, utimens};
pub use create::{create_with, mkdir, mknod, symlink};
pub use link::{link, link_path};
pub use mount::{
    bind, chroot_check, mount, move_mount, pivot_root, reconfigure, remount, set_propagation, umount,
};
pub use name::{getcwd, path_name};
pub use open::{OpenHow, open, open_new, open_path, open_unlisted};
pub use remove::{rmdir, unlink};
pub use rename::{check_parent, check_rename_flags, rename};
pub use stat::{Found, find, lookup, readlink, stat, statfs};
pub use xattr::{get_xattr, list_xattr, remove_xattr, set_xattr};

use alloc::vec::Vec;

use crate::Errno;
use crate::attr::InodeAttr;
use crate::consts::*;
use crate::context::OpCtx;
use crate::inode::NewInode;
use crate::path::Path;
use crate::perm::{MAY_EXEC, MAY_WRITE};
use crate::walk::{Last, Walk};
use kcore::cred::Cap;

/// The directory and name where something is to be made. Errors: `special` for `.`, `..` and `/`.
fn parent(ctx: &OpCtx<'_>, path: &[u8], special: Errno) -> Result<(Path, Vec<u8>, bool), Errno> {
    let mut w = Walk::new(ctx, path, 0)?;
    match w.to_parent()? {
        Last::Name { name, slash } => Ok((w.into_here(), name, slash)),
        _ => Err(special),
    }
}

/// Whether `ctx` may change names in `dir`. Errors: `EROFS`, `EACCES`, `ENOENT` for a removed directory.
fn may_change(ctx: &OpCtx<'_>, dir: &Path) -> Result<(), Errno> {
    if dir.dentry.is_unlinked() {
        return Err(Errno::ENOENT);
    }
    dir.mount.check_writable()?;
    ctx.may(dir, MAY_WRITE | MAY_EXEC)
}

/// What a new inode in `dir` starts with: owner, group and mode after the umask and set-group-id rules.
fn new_inode(ctx: &OpCtx<'_>, dir: &InodeAttr, mode: u32, rdev: u64) -> NewInode {
    let mut mode = mode & (S_IFMT | 0o7777 & !ctx.view.umask);
    let mut gid = ctx.cred.fsgid;
    if dir.mode & S_ISGID != 0 {
        gid = dir.gid;
        if mode & S_IFMT == S_IFDIR {
            mode |= S_ISGID;
        } else if mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP
            && !ctx.cred.in_group(gid)
            && !ctx.cred.has_cap_over(Cap::Fsetid, dir.uid, dir.gid)
        {
            mode &= !S_ISGID;
        }
    }
    NewInode { mode, uid: ctx.cred.fsuid, gid, rdev }
}
