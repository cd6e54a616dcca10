//! `chmod(2)`, `chown(2)`, `utimensat(2)`, `truncate(2)`, `access(2)` on places that were looked up.

use kcore::cred::{Cap, Credentials};
use kcore::id::{Gid, Uid};
use kcore::io::IoResult;

use crate::Errno;
use crate::attr::{AttrChange, FileKind, TimeChange};
use crate::consts::*;
use crate::context::OpCtx;
use crate::path::Path;
use crate::perm::{MAY_EXEC, MAY_WRITE, check_owner, without_setid};

/// [`chmod(2)`](https://man7.org/linux/man-pages/man2/chmod.2.html). Errors: as there; `ENOTSUP` for a symbolic link.
pub fn chmod(cred: &Credentials, path: &Path, mode: u32) -> Result<(), Errno> {
    path.mount.check_writable()?;
    if path.inode().kind() == FileKind::Symlink {
        return Err(Errno::ENOTSUP);
    }
    path.inode().may_set_attr()?;
    let attr = path.inode().attr()?;
    check_owner(&attr, cred)?;
    let mut mode = mode & 0o7777;
    if !cred.in_group(attr.gid) && !cred.has_cap_over(Cap::Fsetid, attr.uid, attr.gid) {
        mode &= !S_ISGID;
    }
    path.inode().set_attr(&AttrChange { mode: Some(mode), ..AttrChange::default() })?;
    path.notify(IN_ATTRIB);
    Ok(())
}

/// [`chown(2)`](https://man7.org/linux/man-pages/man2/chown.2.html). Errors: as there.
pub fn chown(cred: &Credentials, path: &Path, uid: Option<Uid>, gid: Option<Gid>) -> Result<(), Errno> {
    path.mount.check_writable()?;
    path.inode().may_set_attr()?;
    let attr = path.inode().attr()?;
    let privileged = cred.has_cap_over(Cap::Chown, attr.uid, attr.gid);
    let owner = cred.fsuid == attr.uid;
    if uid.is_some_and(|u| !(privileged || owner && u == attr.uid))
        || gid.is_some_and(|g| !privileged && !(owner && (g == attr.gid || cred.in_group(g))))
    {
        return Err(Errno::EPERM);
    }
    let mode = (!attr.is_dir()).then(|| {
        let keeps_group = cred.in_group(attr.gid) || cred.has_cap_over(Cap::Fsetid, attr.uid, attr.gid);
        let drops = if keeps_group { 0 } else { S_ISGID };
        without_setid(attr.mode) & !drops & 0o7777
    });
    path.inode().set_attr(&AttrChange { uid, gid, mode, ..AttrChange::default() })?;
    if uid.is_some() || gid.is_some() || mode.is_some_and(|m| m != attr.mode & 0o7777) {
        path.notify(IN_ATTRIB);
    }
    Ok(())
}

/// [`utimensat(2)`](https://man7.org/linux/man-pages/man2/utimensat.2.html); `None` leaves a time as it is. Errors: as there.
pub fn utimens(
    cred: &Credentials,
    path: &Path,
    atime: Option<TimeChange>,
    mtime: Option<TimeChange>,
) -> Result<(), Errno> {
    if atime.is_none() && mtime.is_none() {
        return Ok(());
    }
    path.mount.check_writable()?;
    path.inode().may_set_attr()?;
    let both_now = atime == Some(TimeChange::Now) && mtime == Some(TimeChange::Now);
    if check_owner(&path.inode().attr()?, cred).is_err() {
        if !both_now {
            return Err(Errno::EPERM);
        }
        path.inode().permission(cred, MAY_WRITE)?;
    }
    path.inode().set_attr(&AttrChange { atime, mtime, ..AttrChange::default() })?;
    // One time alone stands for what changes it.
    path.notify(match (atime, mtime) {
        (Some(_), Some(_)) => IN_ATTRIB,
        (Some(_), None) => IN_ACCESS,
        _ => IN_MODIFY,
    });
    Ok(())
}

/// [`truncate(2)`](https://man7.org/linux/man-pages/man2/truncate.2.html). Errors: as there; `Again` while somebody has a lease against
/// it, see [`Leases`](crate::leases::Leases).
pub fn truncate(cred: &Credentials, path: &Path, len: i64) -> IoResult<()> {
    let len = u64::try_from(len).map_err(|_| Errno::EINVAL)?;
    match path.inode().kind() {
        FileKind::Directory => return Err(Errno::EISDIR.into()),
        FileKind::Regular => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    path.mount.check_writable()?;
    path.inode().permission(cred, MAY_WRITE)?;
    path.inode().common().leases().check(true)?;
    path.inode().common().get_write()?;
    let done = path
        .inode()
        .drop_setid(cred)
        .and_then(|()| path.inode().set_attr(&AttrChange { size: Some(len), ..AttrChange::default() }));
    path.inode().common().put_write();
    done?;
    path.notify(IN_MODIFY);
    Ok(())
}

/// [`access(2)`](https://man7.org/linux/man-pages/man2/access.2.html) for `ctx.cred` (the caller builds real-id credentials).
/// Errors: as there.
pub fn access(ctx: &OpCtx<'_>, path: &Path, mask: u32) -> Result<(), Errno> {
    if mask & !7 != 0 {
        return Err(Errno::EINVAL);
    }
    if mask == 0 {
        return Ok(());
    }
    let regular = path.inode().kind() == FileKind::Regular;
    if mask & MAY_EXEC != 0 && regular && path.mount.flags() & MS_NOEXEC != 0 {
        return Err(Errno::EACCES);
    }
    ctx.may(path, mask)?;
    let special = !matches!(path.inode().kind(), FileKind::Regular | FileKind::Directory | FileKind::Symlink);
    if mask & MAY_WRITE != 0 && !special {
        path.mount.check_writable()?;
    }
    Ok(())
}
