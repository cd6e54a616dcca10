//! Permission checks, `path_resolution(7)` and `capabilities(7)`.

use core::sync::atomic::{AtomicU32, Ordering, fence};

use kcore::cred::{Cap, Credentials};
use kcore::id::{Gid, Uid};

use crate::Errno;
use crate::attr::InodeAttr;
use crate::consts::*;

/// Read permission.
pub const MAY_READ: u32 = 4;
/// Write permission.
pub const MAY_WRITE: u32 = 2;
/// Execute or search permission.
pub const MAY_EXEC: u32 = 1;

/// Whether `cred` may access a file with `mask`. Errors: `EACCES`.
pub fn check(attr: &InodeAttr, cred: &Credentials, mask: u32) -> Result<(), Errno> {
    Owned { mode: attr.mode, uid: attr.uid, gid: attr.gid }.check(cred, mask)
}

/// What decides about access to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owned {
    mode: u32,
    uid: Uid,
    gid: Gid,
}

impl Owned {
    fn check(&self, cred: &Credentials, mask: u32) -> Result<(), Errno> {
        let &Owned { mode, uid, gid } = self;
        let bits = if cred.fsuid == uid {
            mode >> 6
        } else if cred.in_group(gid) {
            mode >> 3
        } else {
            mode
        };
        if mask & !bits & 7 == 0 {
            return Ok(());
        }
        let dir = mode & S_IFMT == S_IFDIR;
        let over = |cap| cred.has_cap_over(cap, uid, gid);
        if over(Cap::DacOverride) && (dir || mask & MAY_EXEC == 0 || mode & 0o111 != 0) {
            return Ok(());
        }
        if over(Cap::DacReadSearch) && (mask == MAY_READ || dir && mask & MAY_WRITE == 0) {
            return Ok(());
        }
        Err(Errno::EACCES)
    }
}

/// What decides about access to a file, beside its other attributes, for checks without their lock: every step of a path walk makes one.
pub(crate) struct Access {
    /// Odd while the words change.
    turn: AtomicU32,
    /// Mode, user, group.
    words: [AtomicU32; 3],
}

impl Access {
    pub(crate) fn new(attr: &InodeAttr) -> Access {
        Access { turn: AtomicU32::new(0), words: Access::words(attr).map(AtomicU32::new) }
    }
    fn words(attr: &InodeAttr) -> [u32; 3] {
        [attr.mode, attr.uid.0, attr.gid.0]
    }
    /// What `attr` says from now on. The caller has the attributes locked.
    pub(crate) fn set(&self, attr: &InodeAttr) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(Access::words(attr)) {
            word.store(value, Ordering::Relaxed);
        }
        self.turn.store(turn.wrapping_add(2), Ordering::Release);
    }
    fn get(&self) -> Option<Owned> {
        let turn = self.turn.load(Ordering::Acquire);
        let [mode, uid, gid] = self.words.each_ref().map(|w| w.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let whole = turn & 1 == 0 && self.turn.load(Ordering::Relaxed) == turn;
        whole.then_some(Owned { mode, uid: Uid(uid), gid: Gid(gid) })
    }
    /// As [`check`]; `attr` locks the attributes, for when they change just now. Errors: `EACCES`.
    pub(crate) fn check(
        &self,
        cred: &Credentials,
        mask: u32,
        attr: impl FnOnce() -> InodeAttr,
    ) -> Result<(), Errno> {
        match self.get() {
            Some(owned) => owned.check(cred, mask),
            None => check(&attr(), cred, mask),
        }
    }
}

/// Whether `cred` owns the file or may act as if. Errors: `EPERM`.
pub fn check_owner(attr: &InodeAttr, cred: &Credentials) -> Result<(), Errno> {
    let may = cred.fsuid == attr.uid || cred.has_cap_over(Cap::Fowner, attr.uid, attr.gid);
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whether `cred` may remove `victim` from the directory `dir` as far as the sticky bit matters. Errors: `EPERM`.
pub fn check_sticky(dir: &InodeAttr, victim: &InodeAttr, cred: &Credentials) -> Result<(), Errno> {
    let free = dir.mode & S_ISVTX == 0
        || cred.fsuid == victim.uid
        || cred.fsuid == dir.uid
        || cred.has_cap_over(Cap::Fowner, victim.uid, victim.gid);
    if free { Ok(()) } else { Err(Errno::EPERM) }
}

/// The mode after `cred` has written to a file: without the set-id bits that only `CAP_FSETID` keeps.
pub fn after_write(attr: &InodeAttr, cred: &Credentials) -> u32 {
    let mut mode = attr.mode;
    if mode & (S_ISUID | S_ISGID) == 0 || cred.has_cap_everywhere(Cap::Fsetid) {
        return mode;
    }
    mode &= !S_ISUID;
    if mode & S_IXGRP != 0 || !cred.in_group(attr.gid) {
        mode &= !S_ISGID;
    }
    mode
}

/// The mode without the set-id bits that a write or a change of owner takes away.
pub fn without_setid(mode: u32) -> u32 {
    let mode = mode & !S_ISUID;
    if mode & S_IXGRP != 0 { mode & !S_ISGID } else { mode }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn access_follows_the_attributes() {
        let attr = |mode, uid| InodeAttr { mode, uid: Uid(uid), ..InodeAttr::default() };
        let access = Access::new(&attr(0o644, 7));
        assert_eq!(access.get(), Some(Owned { mode: 0o644, uid: Uid(7), gid: Gid::ROOT }));
        access.set(&attr(0o600, 8));
        assert_eq!(access.get(), Some(Owned { mode: 0o600, uid: Uid(8), gid: Gid::ROOT }));
    }
    #[test]
    fn nobody_sees_half_a_change() {
        let attr = |n| InodeAttr { mode: n, uid: Uid(n), gid: Gid(n), ..InodeAttr::default() };
        let access = Access::new(&attr(0));
        std::thread::scope(|s| {
            s.spawn(|| (0..5_000).for_each(|n| access.set(&attr(n))));
            for _ in 0..10_000 {
                if let Some(o) = access.get() {
                    assert_eq!((o.uid.0, o.gid.0), (o.mode, o.mode));
                }
            }
        });
    }
}
