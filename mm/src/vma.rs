//! What was asked for: mappings by address.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::mappable::Mappable;

use crate::types::{Owner, Prot, VmFlags};

/// A mapped object. Holds the object's count of shared writable mappings up while it lives.
pub(crate) struct FileRef {
    pub(crate) object: Arc<dyn Mappable>,
    pub(crate) owner: Option<Owner>,
    writable: bool,
}

impl FileRef {
    /// Errors: what the object says of a writable mapping (`EPERM` if sealed).
    pub(crate) fn new(
        object: Arc<dyn Mappable>,
        owner: Option<Owner>,
        writable: bool,
    ) -> Result<FileRef, Errno> {
        if writable {
            object.note_writable(true)?;
        }
        Ok(FileRef { object, owner, writable })
    }
    pub(crate) fn id(&self) -> usize {
        object_id(&self.object)
    }
    /// Whether both map the same object, through the same open file.
    fn same(&self, o: &FileRef) -> bool {
        let owner = |f: &FileRef| f.owner.as_ref().map(|o| Arc::as_ptr(o).cast::<()>());
        self.id() == o.id() && owner(self) == owner(o)
    }
}

/// The identity of an object that [`kcore::mappable::MappingObserver`] uses.
pub(crate) fn object_id(object: &Arc<dyn Mappable>) -> usize {
    Arc::as_ptr(object).cast::<()>().addr()
}

impl Clone for FileRef {
    fn clone(&self) -> FileRef {
        let writable = self.writable && self.object.note_writable(true).is_ok();
        FileRef { object: self.object.clone(), owner: self.owner.clone(), writable }
    }
}

impl Drop for FileRef {
    fn drop(&mut self) {
        if self.writable {
            let _ = self.object.note_writable(false);
        }
    }
}

#[derive(Clone)]
pub(crate) enum Backing {
    Anon,
    /// `offset` is that of the mapping's first page.
    File {
        file: FileRef,
        offset: u64,
    },
}

/// One mapping.
#[derive(Clone)]
pub(crate) struct Vma {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) prot: Prot,
    pub(crate) max_prot: Prot,
    pub(crate) flags: VmFlags,
    pub(crate) backing: Backing,
    pub(crate) name: Option<&'static str>,
    /// What the program calls it.
    pub(crate) anon_name: Option<Arc<str>>,
}

impl Vma {
    pub(crate) fn len(&self) -> u64 {
        self.end - self.start
    }
    pub(crate) fn shared(&self) -> bool {
        self.flags.contains(VmFlags::SHARED)
    }
    pub(crate) fn sealed(&self) -> bool {
        self.flags.contains(VmFlags::SEALED)
    }
    pub(crate) fn is_anon(&self) -> bool {
        matches!(self.backing, Backing::Anon)
    }
    /// Counts towards `RLIMIT_DATA`.
    pub(crate) fn is_data(&self) -> bool {
        self.prot.contains(Prot::WRITE) && !self.flags.intersects(VmFlags::SHARED | VmFlags::GROWSDOWN)
    }
    /// The object and the offset of `addr` in it.
    pub(crate) fn file_at(&self, addr: u64) -> Option<(&FileRef, u64)> {
        match &self.backing {
            Backing::Anon => None,
            Backing::File { file, offset } => Some((file, offset + (addr - self.start))),
        }
    }
    /// Cuts off and returns the part from `at`, which must be inside.
    fn split_off(&mut self, at: u64) -> Vma {
        let mut right = self.clone();
        right.start = at;
        if let Backing::File { offset, .. } = &mut right.backing {
            *offset += at - self.start;
        }
        self.end = at;
        right
    }
    fn can_merge(&self, right: &Vma) -> bool {
        self.end == right.start
            && self.prot == right.prot
            && self.max_prot == right.max_prot
            && self.flags == right.flags
            && self.name == right.name
            && self.anon_name == right.anon_name
            && match (&self.backing, &right.backing) {
                (Backing::Anon, Backing::Anon) => true,
                (Backing::File { file: a, offset: x }, Backing::File { file: b, offset: y }) => {
                    a.same(b) && x + self.len() == *y
                }
                _ => false,
            }
    }
}

/// Mappings that do not overlap, with totals in bytes.
#[derive(Default)]
pub(crate) struct VmaSet {
    map: BTreeMap<u64, Vma>,
    pub(crate) total: u64,
    pub(crate) locked: u64,
    pub(crate) data: u64,
    /// Mappings removed; the address space drops them without its lock.
    pub(crate) garbage: Vec<Vma>,
    /// Ranges without mappings that the backend uses, and those of them where mappings have been made since.
    reserved: Vec<(u64, u64)>,
    pub(crate) taken_back: Vec<(u64, u64)>,
}

impl VmaSet {
    pub(crate) fn count(&self) -> usize {
        self.map.len()
    }
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Vma> {
        self.map.values()
    }
    /// The mapping that holds `addr`.
    pub(crate) fn find(&self, addr: u64) -> Option<&Vma> {
        self.map.range(..=addr).next_back().map(|(_, v)| v).filter(|v| v.end > addr)
    }
    /// The last mapping that starts below `addr`.
    pub(crate) fn before(&self, addr: u64) -> Option<&Vma> {
        self.map.range(..addr).next_back().map(|(_, v)| v)
    }
    /// The first mapping that starts at or after `addr`.
    pub(crate) fn after(&self, addr: u64) -> Option<&Vma> {
        self.map.range(addr..).next().map(|(_, v)| v)
    }
    /// The mappings that touch `start..end`.
    pub(crate) fn range(&self, start: u64, end: u64) -> impl DoubleEndedIterator<Item = &Vma> {
        let first = self.find(start).map_or(start, |v| v.start);
        self.map.range(first..end.max(first)).map(|(_, v)| v)
    }
    /// Whether something is mapped in `start..end`.
    pub(crate) fn overlaps(&self, start: u64, end: u64) -> bool {
        start < end && self.range(start, end).next().is_some()
    }
    /// Whether all of `start..end` is mapped.
    pub(crate) fn covers(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        for v in self.range(start, end) {
            if v.start > at {
                return false;
            }
            at = v.end;
        }
        at >= end
    }
    /// Whether a mapping that touches `start..end` is sealed.
    pub(crate) fn any_sealed(&self, start: u64, end: u64) -> bool {
        self.range(start, end).any(Vma::sealed)
    }
    fn account(&mut self, v: &Vma, add: bool) {
        let parts = [
            (&mut self.total, true),
            (&mut self.locked, v.flags.contains(VmFlags::LOCKED)),
            (&mut self.data, v.is_data()),
        ];
        for (sum, counts) in parts {
            if counts {
                *sum = if add { *sum + v.len() } else { *sum - v.len() };
            }
        }
    }
    pub(crate) fn insert(&mut self, v: Vma) {
        debug_assert!(
            v.start < v.end && v.start.is_multiple_of(PAGE_SIZE) && v.end.is_multiple_of(PAGE_SIZE)
        );
        self.account(&v, true);
        if !self.reserved.is_empty() {
            let (start, end) = (v.start, v.end);
            self.taken_back.extend(self.reserved.extract_if(.., |(a, b)| *a < end && start < *b));
        }
        let old = self.map.insert(v.start, v);
        debug_assert!(old.is_none());
    }
    /// Notes a range that is the backend's until a mapping is made there.
    pub(crate) fn reserve(&mut self, start: u64, end: u64) {
        if !self.reserved.contains(&(start, end)) {
            self.reserved.push((start, end));
        }
    }
    pub(crate) fn remove(&mut self, start: u64) -> Option<Vma> {
        let v = self.map.remove(&start)?;
        self.account(&v, false);
        Some(v)
    }
    fn split_at(&mut self, addr: u64) {
        if let Some((_, v)) = self.map.range_mut(..addr).next_back()
            && v.end > addr
        {
            let right = v.split_off(addr);
            self.map.insert(addr, right);
        }
    }
    /// Takes out the parts of mappings in `start..end`.
    pub(crate) fn take(&mut self, start: u64, end: u64) -> Vec<Vma> {
        self.split_at(start);
        self.split_at(end);
        let keys: Vec<u64> = self.map.range(start..end).map(|(k, _)| *k).collect();
        keys.into_iter().filter_map(|k| self.remove(k)).collect()
    }
    /// Removes what is mapped in `start..end`.
    pub(crate) fn discard(&mut self, start: u64, end: u64) {
        let gone = self.take(start, end);
        self.garbage.extend(gone);
    }
    /// Changes the parts of mappings in `start..end`, then joins what became alike.
    pub(crate) fn update(&mut self, start: u64, end: u64, mut f: impl FnMut(&mut Vma)) {
        for mut v in self.take(start, end) {
            f(&mut v);
            self.insert(v);
        }
        self.merge(start, end);
    }
    /// Joins mappings that meet in `start..=end`.
    pub(crate) fn merge(&mut self, start: u64, end: u64) {
        let keys: Vec<u64> = self.map.range(start..=end).map(|(k, _)| *k).collect();
        for k in keys {
            let Some(left) = self.before(k).map(|v| v.start) else { continue };
            let ok = self.map.get(&k).is_some_and(|r| self.map[&left].can_merge(r));
            if !ok {
                continue;
            }
            if let Some(right) = self.map.remove(&k) {
                if let Some(l) = self.map.get_mut(&left) {
                    l.end = right.end;
                }
                self.garbage.push(right);
            }
        }
    }
}
