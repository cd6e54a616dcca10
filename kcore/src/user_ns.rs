//! User namespaces, [`user_namespaces(7)`](https://man7.org/linux/man-pages/man7/user_namespaces.7.html): which numbers inside
//! stand for which users of the sandbox.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::Errno;

use crate::id::{Gid, Uid};
use crate::sync::{LockClass, Mutex};

static MAPS: LockClass = LockClass::new("user namespace maps", 970);

/// How deep user namespaces nest at most.
pub const MAX_LEVEL: u32 = 32;
/// Most lines of a map.
const MAX_EXTENTS: usize = 340;

/// One line of `/proc/PID/uid_map`: `count` numbers from `inside` on stand for those from `outside` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdExtent {
    /// First number inside the namespace.
    pub inside: u32,
    /// First number outside: in the parent's terms when a map is set, in the initial namespace's in a map that is.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// A map of numbers, set at most once.
#[derive(Debug)]
pub struct IdMap(Mutex<Option<Vec<IdExtent>>>);

impl Default for IdMap {
    fn default() -> Self {
        IdMap(Mutex::new(&MAPS, None))
    }
}

fn translate(n: u32, from: u32, to: u32, count: u32) -> Option<u32> {
    let offset = n.checked_sub(from)?;
    if offset < count { to.checked_add(offset) } else { None }
}

impl IdMap {
    /// The lines, with numbers of the initial namespace outside; none until the map is set.
    pub fn extents(&self) -> Vec<IdExtent> {
        self.0.lock().clone().unwrap_or_default()
    }
    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.0.lock().is_some()
    }
    fn outside(&self, n: u32) -> Option<u32> {
        self.0.lock().as_ref()?.iter().find_map(|e| translate(n, e.inside, e.outside, e.count))
    }
    fn inside(&self, n: u32) -> Option<u32> {
        self.0.lock().as_ref()?.iter().find_map(|e| translate(n, e.outside, e.inside, e.count))
    }
    /// Sets the map, whose outside numbers `up` translates to those of the initial namespace.
    fn set(&self, lines: &[IdExtent], up: impl Fn(u32) -> Option<u32>) -> Result<(), Errno> {
        if lines.is_empty() || lines.len() > MAX_EXTENTS {
            return Err(Errno::EINVAL);
        }
        let mut extents = Vec::new();
        for (i, e) in lines.iter().enumerate() {
            let ends = |start: u32| start.checked_add(e.count).is_some_and(|end| end != u32::MAX);
            if e.count == 0 || !ends(e.inside) || !ends(e.outside) {
                return Err(Errno::EINVAL);
            }
            let overlap = |a: u32, b: u32, n: u32| a < b.saturating_add(n) && b < a.saturating_add(e.count);
            if lines[..i]
                .iter()
                .any(|o| overlap(e.inside, o.inside, o.count) || overlap(e.outside, o.outside, o.count))
            {
                return Err(Errno::EINVAL);
            }
            let last = e.outside.saturating_add(e.count - 1);
            let outside = up(e.outside).ok_or(Errno::EPERM)?;
            if up(last) != outside.checked_add(e.count - 1) {
                return Err(Errno::EPERM);
            }
            extents.push(IdExtent { outside, ..*e });
        }
        let mut slot = self.0.lock();
        if slot.is_some() {
            return Err(Errno::EPERM);
        }
        *slot = Some(extents);
        Ok(())
    }
}

/// A user namespace. Identity is the `Arc`.
#[derive(Debug, Default)]
pub struct UserNamespace {
    /// The namespace around it; `None` for the sandbox's initial one.
    pub parent: Option<Arc<UserNamespace>>,
    /// The user who made it, in the initial namespace.
    pub owner: Option<Uid>,
    /// The effective group of who made it, in the initial namespace.
    pub group: Option<Gid>,
    /// How deep it is nested.
    pub level: u32,
    /// `/proc/PID/uid_map`.
    pub uid_map: IdMap,
    /// `/proc/PID/gid_map`.
    pub gid_map: IdMap,
    setgroups_denied: AtomicBool,
}

impl UserNamespace {
    /// A namespace inside `parent`, made by the user `owner` whose effective group is `group`.
    ///
    /// Errors: `ENOSPC` if it were nested more than 32 deep; `EPERM` if the maker is not mapped in `parent`.
    pub fn child(parent: &Arc<UserNamespace>, owner: Uid, group: Gid) -> Result<Arc<UserNamespace>, Errno> {
        if parent.level > MAX_LEVEL {
            return Err(Errno::ENOSPC);
        }
        if parent.inside_uid(owner).is_none() || parent.inside_gid(group).is_none() {
            return Err(Errno::EPERM);
        }
        Ok(Arc::new(UserNamespace {
            parent: Some(parent.clone()),
            owner: Some(owner),
            group: Some(group),
            level: parent.level + 1,
            setgroups_denied: AtomicBool::new(parent.setgroups_denied()),
            ..UserNamespace::default()
        }))
    }
    /// The user that number `n` stands for here; `None` for one that is not mapped.
    pub fn uid(&self, n: u32) -> Option<Uid> {
        if n == u32::MAX {
            return None;
        }
        if self.parent.is_none() { Some(Uid(n)) } else { self.uid_map.outside(n).map(Uid) }
    }
    /// The group that number `n` stands for here; `None` for one that is not mapped.
    pub fn gid(&self, n: u32) -> Option<Gid> {
        if n == u32::MAX {
            return None;
        }
        if self.parent.is_none() { Some(Gid(n)) } else { self.gid_map.outside(n).map(Gid) }
    }
    /// The number of a user here; `None` for one that is not mapped.
    pub fn inside_uid(&self, uid: Uid) -> Option<u32> {
        if self.parent.is_none() { Some(uid.0) } else { self.uid_map.inside(uid.0) }
    }
    /// The number of a group here; `None` for one that is not mapped.
    pub fn inside_gid(&self, gid: Gid) -> Option<u32> {
        if self.parent.is_none() { Some(gid.0) } else { self.gid_map.inside(gid.0) }
    }
    /// The number that system calls show for a user: the overflow number for one that is not mapped.
    pub fn show_uid(&self, uid: Uid) -> u32 {
        self.inside_uid(uid).unwrap_or(Uid::OVERFLOW.0)
    }
    /// The number that system calls show for a group: the overflow number for one that is not mapped.
    pub fn show_gid(&self, gid: Gid) -> u32 {
        self.inside_gid(gid).unwrap_or(Gid::OVERFLOW.0)
    }
    /// Its superuser, if number 0 is mapped.
    pub fn root(&self) -> Option<Uid> {
        self.uid(0)
    }
    /// Sets `uid_map`, with outside numbers in the parent's terms. The caller has checked who may.
    ///
    /// Errors: `EINVAL` for lines that overlap or wrap, `EPERM` for numbers that the parent does not map or a map that is set.
    pub fn set_uid_map(&self, lines: &[IdExtent]) -> Result<(), Errno> {
        let parent = self.parent.as_ref().ok_or(Errno::EPERM)?;
        self.uid_map.set(lines, |n| parent.uid(n).map(|u| u.0))
    }
    /// Sets `gid_map`, as [`UserNamespace::set_uid_map`] does the other.
    ///
    /// Errors: as there.
    pub fn set_gid_map(&self, lines: &[IdExtent]) -> Result<(), Errno> {
        let parent = self.parent.as_ref().ok_or(Errno::EPERM)?;
        self.gid_map.set(lines, |n| parent.gid(n).map(|g| g.0))
    }
    /// Whether `/proc/PID/setgroups` says `deny`.
    pub fn setgroups_denied(&self) -> bool {
        self.setgroups_denied.load(Ordering::Relaxed)
    }
    /// Whether `setgroups(2)` may be called here at all.
    pub fn may_setgroups(&self) -> bool {
        self.parent.is_none() || (self.gid_map.is_set() && !self.setgroups_denied())
    }
    /// Forbids `setgroups(2)` for good.
    ///
    /// Errors: `EPERM` once the group map is set.
    pub fn deny_setgroups(&self) -> Result<(), Errno> {
        if self.parent.is_none() || (self.gid_map.is_set() && !self.setgroups_denied()) {
            return Err(Errno::EPERM);
        }
        self.setgroups_denied.store(true, Ordering::Relaxed);
        Ok(())
    }
    /// Whether it is `other` or inside it.
    pub fn is_inside(self: &Arc<Self>, other: &Arc<UserNamespace>) -> bool {
        let mut at = Some(self);
        while let Some(ns) = at {
            if Arc::ptr_eq(ns, other) {
                return true;
            }
            at = ns.parent.as_ref();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(inside: u32, outside: u32, count: u32) -> IdExtent {
        IdExtent { inside, outside, count }
    }

    #[test]
    fn maps_compose_with_the_parents() {
        let root = Arc::new(UserNamespace::default());
        let a = UserNamespace::child(&root, Uid(1000), Gid(1000)).unwrap();
        assert_eq!(a.uid(0), None);
        assert_eq!(a.show_uid(Uid(1000)), 65534);
        a.set_uid_map(&[extent(0, 1000, 1), extent(1, 100_000, 1000)]).unwrap();
        a.set_gid_map(&[extent(0, 1000, 1)]).unwrap();
        assert_eq!(a.set_uid_map(&[extent(0, 1000, 1)]), Err(Errno::EPERM), "only once");
        assert_eq!((a.root(), a.uid(5), a.uid(1001)), (Some(Uid(1000)), Some(Uid(100_004)), None));
        let b = UserNamespace::child(&a, Uid(1000), Gid(1000)).unwrap();
        b.set_uid_map(&[extent(7, 3, 2)]).unwrap();
        assert_eq!(b.uid(7), Some(Uid(100_002)));
        assert_eq!(b.inside_uid(Uid(100_003)), Some(8));
        assert!(b.is_inside(&root) && !a.is_inside(&b));
        assert_eq!(UserNamespace::child(&b, Uid(1), Gid(1)).unwrap_err(), Errno::EPERM);
    }

    #[test]
    fn bad_maps_are_refused() {
        let root = Arc::new(UserNamespace::default());
        let a = UserNamespace::child(&root, Uid(1), Gid(1)).unwrap();
        for lines in [
            &[][..],
            &[extent(0, 0, 0)],
            &[extent(u32::MAX, 0, 2)],
            &[extent(0, 0, 5), extent(4, 10, 1)],
            &[extent(0, 0, 5), extent(10, 3, 1)],
        ] {
            assert_eq!(a.set_uid_map(lines), Err(Errno::EINVAL));
        }
        assert_eq!(root.set_uid_map(&[extent(0, 0, 1)]), Err(Errno::EPERM));
    }
}
