//! What a program's file does to the identity of who executes it.

use abi::Errno;
use kcore::cred::{Cap, CapSet, Credentials};
use task::Task;
use task::cred_ops::{self, ExecFile, ExecHazards};
use vfs::Path;
use vfs::consts::{MS_NOSUID, S_ISGID, S_ISUID};

/// Execute permission of the group: without it the set-group-id bit means mandatory locking.
const S_IXGRP: u32 = 0o010;
/// Where file capabilities are, `capabilities(7)`.
const CAPABILITY: &[u8] = b"security.capability";

/// The identity after executing the file at `place`, and whether the program must distrust its environment.
///
/// Errors: `EPERM` if the file wants capabilities that it cannot have; what its attributes say.
pub(super) fn credentials(
    old: &Credentials,
    task: Option<&Task>,
    place: &Path,
    fs_is_shared: bool,
) -> Result<(Credentials, bool), Errno> {
    let hazards = ExecHazards {
        no_new_privs: task.is_some_and(Task::no_new_privs),
        shared: fs_is_shared,
        traced: task.is_some_and(|t| is_traced_by_lesser(t, old)),
    };
    cred_ops::exec(old, &file_privileges(old, place)?, hazards)
}

/// Whether a tracer could not have the privileges of the program itself.
fn is_traced_by_lesser(task: &Task, cred: &Credentials) -> bool {
    let tracer = task.table().and_then(|table| table.tracer(task));
    tracer.is_some_and(|t| !t.cred().has_cap_in(Cap::SysPtrace, &cred.user_ns))
}

fn file_privileges(old: &Credentials, place: &Path) -> Result<ExecFile, Errno> {
    let mut file = ExecFile::default();
    if place.mount.flags() & MS_NOSUID != 0 {
        return Ok(file);
    }
    let attr = place.inode().attr()?;
    let mapped = old.user_ns.inside_uid(attr.uid).is_some() && old.user_ns.inside_gid(attr.gid).is_some();
    if mapped && attr.mode & S_ISUID != 0 {
        file.setuid = Some(attr.uid);
    }
    if mapped && attr.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP {
        file.setgid = Some(attr.gid);
    }
    file.caps = match place.inode().get_xattr(CAPABILITY) {
        Ok(value) => parse_capabilities(old, &value)?,
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => None,
        Err(e) => return Err(e),
    };
    Ok(file)
}

/// `struct vfs_cap_data` and its successors. Errors: `EINVAL` for a value that is none of them.
fn parse_capabilities(cred: &Credentials, value: &[u8]) -> Result<Option<(CapSet, CapSet, bool)>, Errno> {
    const REVISION: u32 = 0xff00_0000;
    const EFFECTIVE: u32 = 1;
    let word = |i: usize| {
        let bytes = value.get(4 * i..4 * i + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let magic = word(0).ok_or(Errno::EINVAL)?;
    let words = match (magic & REVISION, value.len()) {
        (0x0100_0000, 12) => 1,
        (0x0200_0000, 20) => 2,
        (0x0300_0000, 24) => {
            // Good only for user namespaces whose superuser is the one it names.
            let root = cred.user_ns.root();
            if root.map(|u| u.0) != word(5) {
                return Ok(None);
            }
            2
        }
        _ => return Err(Errno::EINVAL),
    };
    let set = |which: usize| {
        let part = |i: usize| u64::from(word(1 + 2 * i + which).unwrap_or(0)) << (32 * i);
        CapSet((0..words).map(part).sum()).and(CapSet::ALL)
    };
    Ok(Some((set(0), set(1), magic & EFFECTIVE != 0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;

    #[test]
    fn capability_attributes_are_checked() {
        let cred = Credentials::root(Arc::default());
        let mut v2 = 0x0200_0001u32.to_le_bytes().to_vec();
        for w in [0x2000u32, 1, 0x100, 2] {
            v2.extend(w.to_le_bytes());
        }
        let caps = parse_capabilities(&cred, &v2).unwrap().unwrap();
        assert_eq!(caps, (CapSet(0x100_0000_2000), CapSet(0x2_0000_0001), true));
        assert_eq!(parse_capabilities(&cred, &v2[..19]).unwrap_err(), Errno::EINVAL);
        assert_eq!(parse_capabilities(&cred, b"").unwrap_err(), Errno::EINVAL);
        let mut v3 = v2.clone();
        v3[3] = 3;
        v3.extend(1000u32.to_le_bytes());
        assert_eq!(parse_capabilities(&cred, &v3).unwrap(), None, "another namespace's");
    }
}
