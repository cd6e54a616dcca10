//! Extended attributes, `xattr(7)`.

use alloc::vec::Vec;

use kcore::cred::{Cap, Credentials};

use crate::Errno;
use crate::attr::FileKind;
use crate::consts::*;
use crate::path::Path;
use crate::perm::{MAY_READ, MAY_WRITE, check_owner};

fn check(cred: &Credentials, path: &Path, name: &[u8], write: bool) -> Result<(), Errno> {
    if name.is_empty() || name.len() > 255 {
        return Err(Errno::ERANGE);
    }
    if write {
        path.mount.check_writable()?;
    }
    let mask = if write { MAY_WRITE } else { MAY_READ };
    if name.starts_with(b"trusted.") {
        return match (cred.has_cap_everywhere(Cap::SysAdmin), write) {
            (true, _) => Ok(()),
            (false, true) => Err(Errno::EPERM),
            (false, false) => Err(Errno::ENODATA),
        };
    }
    if name.starts_with(b"security.") {
        if !write {
            return Ok(());
        }
        let cap = if name == b"security.capability" { Cap::Setfcap } else { Cap::SysAdmin };
        return if cred.has_cap_everywhere(cap) { Ok(()) } else { Err(Errno::EPERM) };
    }
    if name.starts_with(b"user.") {
        let kind = path.inode().kind();
        if !matches!(kind, FileKind::Regular | FileKind::Directory) {
            return Err(if write { Errno::EPERM } else { Errno::ENODATA });
        }
        let attr = path.inode().attr()?;
        if write && attr.is_dir() && attr.mode & S_ISVTX != 0 {
            check_owner(&attr, cred)?;
        }
        return path.inode().permission(cred, mask);
    }
    if name.starts_with(b"system.") && !write {
        return Ok(());
    }
    Err(Errno::ENOTSUP)
}

/// [`getxattr(2)`](https://man7.org/linux/man-pages/man2/getxattr.2.html). Errors: as there, without `ERANGE` for the buffer.
pub fn get_xattr(cred: &Credentials, path: &Path, name: &[u8]) -> Result<Vec<u8>, Errno> {
    check(cred, path, name, false)?;
    path.inode().get_xattr(name)
}

/// [`setxattr(2)`](https://man7.org/linux/man-pages/man2/setxattr.2.html). Errors: as there.
pub fn set_xattr(
    cred: &Credentials,
    path: &Path,
    name: &[u8],
    value: &[u8],
    flags: u32,
) -> Result<(), Errno> {
    if flags & !(XATTR_CREATE | XATTR_REPLACE) != 0 {
        return Err(Errno::EINVAL);
    }
    if value.len() > 65536 {
        return Err(Errno::E2BIG);
    }
    check(cred, path, name, true)?;
    path.inode().set_xattr(name, value, flags)?;
    path.notify(IN_ATTRIB);
    Ok(())
}

/// [`listxattr(2)`](https://man7.org/linux/man-pages/man2/listxattr.2.html), without `trusted.` ones for who may not see them.
pub fn list_xattr(cred: &Credentials, path: &Path) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = path.inode().list_xattr()?;
    if !cred.has_cap_everywhere(Cap::SysAdmin) {
        names.retain(|n| !n.starts_with(b"trusted."));
    }
    Ok(names)
}

/// [`removexattr(2)`](https://man7.org/linux/man-pages/man2/removexattr.2.html). Errors: as there.
pub fn remove_xattr(cred: &Credentials, path: &Path, name: &[u8]) -> Result<(), Errno> {
    check(cred, path, name, true)?;
    path.inode().remove_xattr(name)?;
    path.notify(IN_ATTRIB);
    Ok(())
}
