//! Rewritten pages of code, each with a page of trampolines, shared by all spaces that map the same page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::layout::PAGE;
use super::lock;
use super::shared::SharedFile;
use super::trampoline::{self, Site};

/// Patches that exist at a time.
pub(super) const MAX_PATCHES: u64 = 1 << 17;
/// Patches that are remembered for spaces to come.
const REMEMBERED: usize = 4096;

/// The file of all patches, and those that may be of use again.
pub(super) struct Patches {
    file: Arc<SharedFile>,
    free: Arc<Mutex<Free>>,
    /// By offset of the original page in the memory file, the newest last.
    known: Mutex<HashMap<u64, Vec<Arc<Patch>>>>,
}

#[derive(Default)]
struct Free {
    left: Vec<u64>,
    used: u64,
}

/// A rewritten page of code with its trampolines. It never changes once it is made.
pub(super) struct Patch {
    file: Arc<SharedFile>,
    free: Arc<Mutex<Free>>,
    number: u64,
    /// Of the trampolines' page from the code's page.
    pub(super) distance: i64,
    original: Vec<u8>,
    /// With each one's place in the page of trampolines.
    sites: Vec<(Site, u64)>,
}

impl Drop for Patch {
    fn drop(&mut self) {
        self.file.clear(self.code_offset(), 2 * PAGE);
        lock(&self.free).left.push(self.number);
    }
}

impl Patch {
    /// Offset in the file of the rewritten page.
    pub(super) fn code_offset(&self) -> u64 {
        self.number * 2 * PAGE
    }

    /// Offset in the file of the page of trampolines.
    pub(super) fn trampolines_offset(&self) -> u64 {
        self.code_offset() + PAGE
    }

    /// Whether a thread that is in one of the trampolines of `old`, which are for the same page of code, finds the same ones here.
    pub(super) fn keeps(&self, old: &Patch) -> bool {
        self.original == old.original && old.sites.iter().all(|site| self.sites.contains(site))
    }

    /// Whether the call that returns to this offset in the page is rewritten.
    pub(super) fn has(&self, ret: u64) -> bool {
        self.sites.iter().any(|(s, _)| s.ret == ret)
    }

    /// For an offset in the rewritten page where an instruction was rewritten: the offset in the page of trampolines where it is now.
    pub(super) fn moved(&self, offset: u64) -> Option<u64> {
        let of = |(s, slot): &(Site, u64)| {
            let inside = s.ret <= offset && offset < s.ret + s.tail;
            inside.then(|| slot + s.tail_at() + (offset - s.ret))
        };
        self.sites.iter().find_map(of)
    }

    /// What the trampoline does at an offset in the page of trampolines.
    pub(super) fn locate(&self, offset: u64) -> Option<Located> {
        let (site, slot) =
            self.sites.iter().find(|(_, slot)| (*slot..slot + trampoline::LEN).contains(&offset))?;
        let at = offset - slot;
        Some(match at.checked_sub(site.tail_at()) {
            None => Located::Before { ret: site.ret, number: site.number },
            Some(after) => Located::After { offset: site.ret + after.min(site.tail) },
        })
    }
}

/// Where in a trampoline a thread is, as if it executed the original code. Offsets are in the page of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Located {
    /// The call that returns to `ret` has not been made; the trampoline would have set this number.
    Before { ret: u64, number: Option<u32> },
    /// It has been made.
    After { offset: u64 },
}

impl Patches {
    pub(super) fn new(file: &Arc<SharedFile>) -> Patches {
        Patches { file: file.clone(), free: Arc::default(), known: Mutex::default() }
    }

    /// A patch of the page at `frame` in the memory file, which now has the content `page`, that was made before: one that can take the
    /// place of `present`. Spaces that rewrite at the same time make patches that cannot.
    pub(super) fn known(&self, frame: u64, page: &[u8], present: Option<&Patch>) -> Option<Arc<Patch>> {
        let mut known = lock(&self.known);
        let all = known.get_mut(&frame)?;
        all.retain(|p| p.original == page);
        all.iter().rev().find(|p| present.is_none_or(|old| p.keeps(old))).cloned()
    }

    /// A patch like `old` (or a first one), with one more site. `None` if there is no room.
    pub(super) fn make(
        &self,
        frame: u64,
        page: &[u8],
        old: Option<&Patch>,
        site: Option<Site>,
        distance: i64,
    ) -> Option<Arc<Patch>> {
        let mut sites = old.map_or(Vec::new(), |p| p.sites.clone());
        if let Some(site) = site {
            if sites.iter().any(|(s, _)| s.at < site.ret + site.tail && site.at < s.ret + s.tail) {
                return None;
            }
            let is_free = |slot: &u64| sites.iter().all(|(_, s)| s.abs_diff(*slot) >= trampoline::LEN);
            let slot = site.places().find(is_free)?;
            sites.push((site, slot));
        }
        let number = {
            let mut free = lock(&self.free);
            match free.left.pop() {
                Some(n) => n,
                None if free.used < MAX_PATCHES => {
                    free.used += 1;
                    free.used - 1
                }
                None => return None,
            }
        };
        let (file, free) = (self.file.clone(), self.free.clone());
        let patch = Patch { file, free, number, distance, original: page.to_vec(), sites };
        patch.write();
        let patch = Arc::new(patch);
        self.remember(frame, &patch);
        Some(patch)
    }

    fn remember(&self, frame: u64, patch: &Arc<Patch>) {
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED {
            known.retain(|_, all| {
                all.retain(|p| Arc::strong_count(p) > 1);
                !all.is_empty()
            });
        }
        if known.len() < REMEMBERED {
            let all = known.entry(frame).or_default();
            // One that this replaces lives on in the spaces that have it.
            all.retain(|p| p.distance != patch.distance);
            all.push(patch.clone());
        }
    }
}

impl Patch {
    fn write(&self) {
        let mut code = self.original.clone();
        let mut trampolines = vec![0xcc; PAGE as usize];
        for (site, slot) in &self.sites {
            let put = |page: &mut Vec<u8>, at: u64, bytes: Vec<u8>| {
                page[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
            };
            put(&mut code, site.at, site.jump(*slot, self.distance));
            put(&mut trampolines, *slot, site.trampoline(&self.original, *slot, self.distance));
        }
        self.file.copy_in(self.code_offset(), &code);
        self.file.copy_in(self.trampolines_offset(), &trampolines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Vec<u8> {
        let mut p = vec![0x90; PAGE as usize];
        p[0x100..0x107].copy_from_slice(&[0xb8, 39, 0, 0, 0, 0x0f, 0x05]);
        p[0x200..0x208].copy_from_slice(&[0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff]);
        p
    }

    #[test]
    fn sites_add_up_and_are_found_again() {
        let file = Arc::new(SharedFile::new(c"test", MAX_PATCHES * 2 * PAGE).unwrap());
        let patches = Patches::new(&file);
        let page = page();
        let site = |ret, nr| trampoline::find(&page, ret, nr);
        let one = patches.make(0x5000, &page, None, site(0x107, 39), 1 << 29).unwrap();
        assert!(one.has(0x107) && !one.has(0x202));
        let two = patches.make(0x5000, &page, Some(&one), site(0x202, 0), 1 << 29).unwrap();
        assert!(two.has(0x107) && two.has(0x202));
        assert!(patches.make(0x5000, &page, Some(&two), site(0x202, 0), 1 << 29).is_none());
        assert!(Arc::ptr_eq(&patches.known(0x5000, &page, None).unwrap(), &two));
        let slot = two.sites[1].1;
        assert_eq!(two.moved(0x202), Some(slot + two.sites[1].0.tail_at()));
        assert_eq!((two.moved(0x208), two.moved(0x107)), (None, None));
        assert_eq!(two.locate(slot), Some(Located::Before { ret: 0x202, number: None }));
        assert_eq!(two.locate(two.moved(0x202).unwrap()), Some(Located::After { offset: 0x202 }));
        assert_eq!(two.locate(slot + trampoline::LEN - 8), Some(Located::After { offset: 0x208 }));
        assert_eq!(two.locate(slot + trampoline::LEN), None);
        // The memory now holds something else.
        assert!(
            patches.known(0x5000, &[0; 4096], None).is_none() && patches.known(0x5000, &page, None).is_none()
        );
        // Another space has rewritten the second call first.
        let other = patches.make(0x5000, &page, None, site(0x202, 0), 1 << 29).unwrap();
        assert!(two.keeps(&one) && !one.keeps(&two) && !other.keeps(&one));
        assert!(patches.known(0x5000, &page, Some(&one)).is_none());
        let number = one.number;
        drop(one);
        let again = patches.make(0x6000, &page, None, site(0x107, 39), 1 << 29).unwrap();
        assert_eq!(again.number, number);
    }
}
