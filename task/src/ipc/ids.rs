//! Objects by number and by key.

use abi::Errno;
use abi::ipc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE};
use alloc::collections::BTreeMap;
use kcore::cred::Credentials;

use super::perm::Perm;

/// Bits of a number that are the index; the others count how often indices were used anew.
pub(super) const INDEX_BITS: u32 = 15;
/// Most objects of a kind (`IPCMNI`).
const INDICES: u32 = 1 << INDEX_BITS;
/// Indices are used in turn until this many, so that a number does not come back soon.
const MIN_CYCLE: u32 = 64;

/// An object with an owner.
pub(super) trait Object {
    fn perm(&self) -> &Perm;
    fn perm_mut(&mut self) -> &mut Perm;
    /// What it counts for under a limit on all objects together.
    fn weight(&self) -> u64;
}

/// The objects of one kind in a namespace.
#[derive(Debug)]
pub(super) struct Ids<T> {
    objects: BTreeMap<u32, T>,
    keys: BTreeMap<i32, u32>,
    seq: u32,
    last: Option<u32>,
    cursor: u32,
    weight: u64,
    /// The number that the next object shall have, if any (`kernel.shm_next_id` and so on).
    pub(super) next_id: Option<u32>,
}

impl<T> Default for Ids<T> {
    fn default() -> Ids<T> {
        Ids {
            objects: BTreeMap::new(),
            keys: BTreeMap::new(),
            seq: 0,
            last: None,
            cursor: 0,
            weight: 0,
            next_id: None,
        }
    }
}

/// What a `*get` call comes to.
pub(super) enum Found {
    /// This object, if the caller may use it.
    Index(u32),
    /// A new one.
    New,
}

impl<T: Object> Ids<T> {
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }
    /// What all objects count for.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }
    /// The highest index in use; 0 without any, as `IPC_INFO` returns it.
    pub(super) fn max_index(&self) -> u32 {
        self.objects.last_key_value().map_or(0, |(i, _)| *i)
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.objects.values()
    }
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.objects.values_mut()
    }
    /// What `key` and the flags of a `*get` call mean. Errors: `ENOENT`, `EEXIST`.
    pub(super) fn find_key(&self, key: i32, flags: u32) -> Result<Found, Errno> {
        if key == IPC_PRIVATE {
            return Ok(Found::New);
        }
        match self.keys.get(&key) {
            None if flags & IPC_CREAT == 0 => Err(Errno::ENOENT),
            None => Ok(Found::New),
            Some(_) if flags & (IPC_CREAT | IPC_EXCL) == IPC_CREAT | IPC_EXCL => Err(Errno::EEXIST),
            Some(index) => Ok(Found::Index(*index)),
        }
    }
    /// The object at an index. Errors: `EINVAL`.
    pub(super) fn at(&mut self, index: u32) -> Result<&mut T, Errno> {
        self.objects.get_mut(&index).ok_or(Errno::EINVAL)
    }
    /// The object of this number. Errors: `EINVAL`.
    pub(super) fn get(&mut self, id: i32) -> Result<&mut T, Errno> {
        let index = u32::try_from(id).map_err(|_| Errno::EINVAL)? & (INDICES - 1);
        self.objects.get_mut(&index).filter(|o| o.perm().id == id).ok_or(Errno::EINVAL)
    }
    /// Adds an object and returns its number. Errors: `ENOSPC` with `most` of them there.
    pub(super) fn add(&mut self, mut object: T, most: u32) -> Result<i32, Errno> {
        let used = u32::try_from(self.objects.len()).map_err(|_| Errno::ENOSPC)?;
        if used >= most.min(INDICES) {
            return Err(Errno::ENOSPC);
        }
        let (index, seq) = match self.next_id.take() {
            Some(id) => {
                let wanted = id & (INDICES - 1);
                let index = (wanted..INDICES).find(|i| !self.objects.contains_key(i)).ok_or(Errno::ENOSPC)?;
                (index, id >> INDEX_BITS)
            }
            None => {
                let cycle = (used + used / 2).max(MIN_CYCLE).min(most).min(INDICES);
                let mut order = (self.cursor..cycle).chain(0..cycle);
                let index = order.find(|i| !self.objects.contains_key(i)).ok_or(Errno::ENOSPC)?;
                if self.last.is_some_and(|last| index <= last) {
                    self.seq = (self.seq + 1) % (1 << (31 - INDEX_BITS));
                }
                (self.last, self.cursor) = (Some(index), index + 1);
                (index, self.seq)
            }
        };
        let id = i32::try_from(seq << INDEX_BITS | index).map_err(|_| Errno::ENOSPC)?;
        object.perm_mut().id = id;
        let key = object.perm().key;
        if key != IPC_PRIVATE {
            self.keys.insert(key, index);
        }
        self.weight = self.weight.saturating_add(object.weight());
        self.objects.insert(index, object);
        Ok(id)
    }
    /// Takes an object's key away: only its number finds it.
    pub(super) fn forget_key(&mut self, id: i32) {
        if let Ok(object) = self.get(id) {
            let key = core::mem::replace(&mut object.perm_mut().key, IPC_PRIVATE);
            self.keys.remove(&key);
        }
    }
    /// Removes an object.
    pub(super) fn remove(&mut self, id: i32) -> Option<T> {
        self.forget_key(id);
        self.get(id).ok()?;
        let removed = self.objects.remove(&(u32::try_from(id).ok()? & (INDICES - 1)))?;
        self.weight = self.weight.saturating_sub(removed.weight());
        Some(removed)
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Who it is.
    pub cred: &'a Credentials,
    /// The process.
    pub pid: &'a alloc::sync::Arc<crate::PidNode>,
    /// Seconds since the epoch.
    pub now: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use kcore::cred::UserNamespace;

    impl Object for Perm {
        fn perm(&self) -> &Perm {
            self
        }
        fn perm_mut(&mut self) -> &mut Perm {
            self
        }
        fn weight(&self) -> u64 {
            1
        }
    }

    fn perm(key: i32) -> Perm {
        Perm::new(key, 0o600, &Credentials::root(Arc::new(UserNamespace::default())))
    }

    #[test]
    fn numbers_do_not_come_back_soon() {
        let mut ids = Ids::default();
        assert_eq!(ids.add(perm(0), 100), Ok(0));
        assert_eq!(ids.add(perm(0), 100), Ok(1));
        assert!(ids.remove(0).is_some());
        assert_eq!(ids.add(perm(0), 100), Ok(2), "index 0 is free, but was used just now");
        for n in 3..64 {
            assert_eq!(ids.add(perm(0), 100), Ok(n));
            assert!(ids.remove(n).is_some());
        }
        assert_eq!(ids.add(perm(0), 100), Ok(1 << INDEX_BITS), "a second use of index 0");
        assert_eq!(ids.get(0).err(), Some(Errno::EINVAL));
        assert_eq!(ids.get(1 << INDEX_BITS).unwrap().seq(), 1);
    }

    #[test]
    fn a_wanted_number_is_given_once() {
        let mut ids = Ids { next_id: Some(77), ..Ids::default() };
        assert_eq!(ids.add(perm(0), 100), Ok(77));
        assert_eq!(ids.add(perm(0), 100), Ok(0));
    }

    #[test]
    fn keys_find_until_forgotten() {
        let mut ids = Ids::default();
        assert!(matches!(ids.find_key(5, 0), Err(Errno::ENOENT)));
        let id = ids.add(perm(5), 1).unwrap();
        assert!(matches!(ids.find_key(5, IPC_CREAT), Ok(Found::Index(0))));
        assert!(matches!(ids.find_key(5, IPC_CREAT | IPC_EXCL), Err(Errno::EEXIST)));
        assert!(matches!(ids.find_key(0, 0), Ok(Found::New)));
        assert_eq!(ids.add(perm(6), 1), Err(Errno::ENOSPC));
        ids.forget_key(id);
        assert!(matches!(ids.find_key(5, 0), Err(Errno::ENOENT)));
        assert!(ids.get(id).is_ok());
    }
}
