//! The address space itself: state, construction, and how its parts are kept together.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange, PAGE_SIZE};
use kcore::frame::{FileOffset, FrameStore};
use kcore::mappable::{MappingObserver, Removal};
use kcore::sync::{LockClass, RwLock, WriteGuard};

use crate::density::Density;
use crate::frames::FrameAllocator;
use crate::lookaside::Lookaside;
use crate::resident::{Kind, ResidentSet, Run};
use crate::types::{Layout, Limits, MapOp, Prot, SpaceBackend, VmFlags};
use crate::vma::VmaSet;

// A parent's lock is held while the child that `fork` makes, which nobody else knows yet, is filled.
static ADDRESS_SPACE: LockClass = LockClass::nesting("address space", 500);

/// The memory of one process (or of several that share it): mappings, resident pages, and the hardware address space that shows
/// them to the guest.
pub struct AddressSpace {
    pub(crate) id: u64,
    pub(crate) frames: Arc<FrameAllocator>,
    pub(crate) inner: RwLock<Inner>,
}

pub(crate) struct Inner {
    pub(crate) me: Weak<AddressSpace>,
    pub(crate) frames: Arc<FrameAllocator>,
    pub(crate) store: Arc<dyn FrameStore>,
    pub(crate) backend: Arc<dyn SpaceBackend>,
    pub(crate) precise: bool,
    pub(crate) layout: Layout,
    pub(crate) limits: Limits,
    pub(crate) vmas: VmaSet,
    pub(crate) resident: ResidentSet,
    pub(crate) brk_start: u64,
    pub(crate) brk_end: u64,
    /// Flags that new mappings get (`mlockall(MCL_FUTURE)`).
    pub(crate) future: VmFlags,
    /// Counts changes of the hardware address space.
    pub(crate) generation: u64,
    /// Faults that found everything in place, by thread and address, with the generation then.
    pub(crate) spurious: BTreeMap<(u64, u64), u64>,
    /// The thread whose fault is being dealt with; none for the kernel's own access.
    pub(crate) faulting: Option<u64>,
    /// Whether the guest is shown nothing yet.
    pub(crate) held_back: bool,
    /// Mappings since the last fault that the next one may map something in.
    pub(crate) fresh: Vec<(u64, u64)>,
    /// Operations that are carried out before the next ones, within one fault. What they map counts as mapped.
    pub(crate) queue: Vec<MapOp>,
    pub(crate) density: Density,
    pub(crate) lookaside: Lookaside,
    pub(crate) peak_total: u64,
    pub(crate) peak_rss: u64,
    pub(crate) marks: Marks,
}

/// Ranges that procfs shows and the kernel sets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    pub(crate) code: (u64, u64),
    pub(crate) data: (u64, u64),
    pub(crate) args: (u64, u64),
    pub(crate) env: (u64, u64),
    pub(crate) stack_start: u64,
}

fn new_id() -> u64 {
    // Ids only need to differ; they say nothing about order, and two kernels in a process may draw from one counter.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl AddressSpace {
    /// An empty address space whose pages come from `store` and which `backend` shows to the guest. `precise_faults` says that
    /// the backend tells loads from stores in faults.
    pub fn new(
        store: Arc<FrameAllocator>,
        backend: Arc<dyn SpaceBackend>,
        layout: Layout,
        precise_faults: bool,
    ) -> Arc<AddressSpace> {
        Arc::new_cyclic(|me| {
            let inner = Inner {
                me: me.clone(),
                frames: store.clone(),
                store: store.clone(),
                backend,
                precise: precise_faults,
                layout,
                limits: Limits::default(),
                vmas: VmaSet::default(),
                resident: ResidentSet::default(),
                brk_start: 0,
                brk_end: 0,
                future: VmFlags::empty(),
                generation: 0,
                spurious: BTreeMap::new(),
                faulting: None,
                held_back: false,
                fresh: Vec::new(),
                queue: Vec::new(),
                density: Density::default(),
                lookaside: Lookaside::default(),
                peak_total: 0,
                peak_rss: 0,
                marks: Marks::default(),
            };
            AddressSpace { id: new_id(), frames: store, inner: RwLock::new(&ADDRESS_SPACE, inner) }
        })
    }
    /// A number that no other address space of this process has.
    pub fn id(&self) -> u64 {
        self.id
    }
    /// Where the pages come from.
    pub fn store(&self) -> &Arc<FrameAllocator> {
        &self.frames
    }
    /// Where mappings may lie.
    pub fn layout(&self) -> Layout {
        self.inner.read().layout
    }
    /// Changes where mappings may lie; those that exist stay.
    pub fn set_layout(&self, layout: Layout) {
        self.lock().layout = layout;
    }
    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.inner.read().limits
    }
    /// Sets the limits for what is mapped from now on, `setrlimit(2)`.
    pub fn set_limits(&self, limits: Limits) {
        self.lock().limits = limits;
    }
    /// Removes every mapping (`exit`, `execve`). Break, ranges and locking flags are reset too.
    pub fn clear(&self) {
        self.update(|s| {
            s.clear();
            Ok(())
        })
        .ok();
    }
    /// Lets the backend map something of its own in `range`, if nothing is mapped there. When a mapping is made there later, the
    /// backend is told to unmap the range first.
    pub fn reserve(&self, range: GuestRange) -> bool {
        self.update(|s| {
            let (start, end) = (range.start().0, range.end().0);
            let fits = s.layout.min.0 <= start && end <= s.layout.max.0 && s.is_free(start, end);
            if fits {
                s.vmas.reserve(start, end);
            }
            Ok(fits)
        })
        .unwrap_or(false)
    }
    /// Locks it for changes, after which nothing is where it was found.
    pub(crate) fn lock(&self) -> WriteGuard<'_, Inner> {
        let mut inner = self.inner.write();
        inner.lookaside.forget();
        inner
    }
    /// Runs `f` with the lock held for writing; drops removed mappings after it is released, because dropping an object may take
    /// locks of any rank.
    pub(crate) fn update<R>(&self, f: impl FnOnce(&mut Inner) -> Result<R, Errno>) -> Result<R, Errno> {
        let (result, garbage) = {
            let mut inner = self.lock();
            let r = f(&mut inner);
            inner.take_back();
            inner.peak_total = inner.peak_total.max(inner.vmas.total);
            inner.peak_rss = inner.peak_rss.max(inner.resident.pages);
            (r, core::mem::take(&mut inner.vmas.garbage))
        };
        drop(garbage);
        result
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        self.update(|s| {
            s.end();
            s.clear();
            Ok(())
        })
        .ok();
    }
}

/// References to frames that an address space had.
struct Given {
    frames: Arc<FrameAllocator>,
    runs: Vec<Run>,
}

impl Drop for Given {
    fn drop(&mut self) {
        for r in &self.runs {
            self.frames.release(FileOffset(r.at), r.pages());
        }
    }
}

impl core::fmt::Debug for AddressSpace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "AddressSpace({})", self.id)
    }
}

impl MappingObserver for AddressSpace {
    fn invalidate(&self, object: usize, offset: u64, end: u64, why: Removal) {
        self.update(|s| {
            s.invalidate(object, offset, end, why);
            Ok(())
        })
        .ok();
    }
}

pub(crate) fn guest_range(start: u64, end: u64) -> GuestRange {
    GuestRange::new(GuestAddr(start), GuestAddr(end)).expect("ordered range")
}

impl Inner {
    pub(crate) fn apply(&mut self, ops: &[MapOp]) -> Result<(), Errno> {
        self.take_back();
        let mut queue = core::mem::take(&mut self.queue);
        if queue.is_empty() {
            return self.carry_out(ops);
        }
        queue.extend_from_slice(ops);
        // What of the queue is mapped now is not known.
        self.carry_out(&queue).inspect_err(|_| self.forget(0, !(PAGE_SIZE - 1)))
    }
    fn carry_out(&mut self, ops: &[MapOp]) -> Result<(), Errno> {
        if ops.is_empty() {
            return Ok(());
        }
        self.generation += 1;
        self.backend.apply(ops)
    }
    /// Has the backend leave what it had reserved where mappings are now.
    fn take_back(&mut self) {
        for (start, end) in core::mem::take(&mut self.vmas.taken_back) {
            // A backend that cannot is one whose guest will not run again.
            let _ = self.backend.apply(&[MapOp::Unmap { range: guest_range(start, end) }]);
        }
    }
    pub(crate) fn observer(&self) -> Option<Arc<dyn MappingObserver>> {
        self.me.upgrade().map(|a| a as Arc<dyn MappingObserver>)
    }
    pub(crate) fn clear(&mut self) {
        let (lo, hi) = (0, u64::MAX);
        self.evict(lo, hi, |_| true);
        self.vmas.discard(lo, hi);
        self.brk_start = 0;
        self.brk_end = 0;
        self.future = VmFlags::empty();
        self.spurious.clear();
        self.fresh.clear();
        self.marks = Marks::default();
    }
    /// Leaves all that is resident to the backend: the guest will not run here again.
    fn end(&mut self) {
        let runs = self.resident.take(0, u64::MAX);
        let mut mapped = runs.iter().filter(|r| r.mapped.is_some());
        let first = mapped.next().map(|r| (r.start, r.end));
        let last = mapped.next_back().map(|r| r.end);
        let bytes = runs.iter().filter(|r| r.kind == Kind::Own).map(|r| r.end - r.start).sum();
        let pages = Box::new(Given { frames: self.frames.clone(), runs });
        if let Some((start, end)) = first {
            self.backend.end(guest_range(start, last.unwrap_or(end)), bytes, pages);
        }
    }
    /// Drops the resident pages in `start..end` that `which` selects, first from the hardware, then their frames.
    pub(crate) fn evict(&mut self, start: u64, end: u64, which: impl Fn(&Run) -> bool) {
        let mut gone: Vec<Run> = Vec::new();
        let mut ops: Vec<MapOp> = Vec::new();
        // The range to unmap grows over holes, but not over pages that stay.
        let mut open: Option<(u64, u64)> = None;
        for run in self.resident.take(start, end) {
            if which(&run) {
                if run.mapped.is_some() {
                    open = Some((open.map_or(run.start, |o| o.0), run.end));
                }
                gone.push(run);
            } else {
                if let Some((s, e)) = open.take() {
                    ops.push(MapOp::Unmap { range: guest_range(s, e) });
                }
                self.resident.insert(run);
            }
        }
        if let Some((s, e)) = open {
            ops.push(MapOp::Unmap { range: guest_range(s, e) });
        }
        // Frames that the guest may still reach must never be reused: leak them if the host refuses.
        if self.apply(&ops).is_ok() {
            self.release(&gone);
        }
    }
    pub(crate) fn release(&self, runs: &[Run]) {
        for r in runs {
            self.frames.release(FileOffset(r.at), r.pages());
        }
    }
    fn invalidate(&mut self, object: usize, offset: u64, end: u64, why: Removal) {
        let mut hit: Vec<(u64, u64)> = Vec::new();
        for v in self.vmas.iter() {
            let Some((file, first)) = v.file_at(v.start) else { continue };
            let (lo, hi) = (first.max(offset), first.saturating_add(v.len()).min(end));
            if file.id() == object && lo < hi {
                let up = PAGE_SIZE - 1;
                hit.push(((v.start + (lo - first)) & !up, (v.start + (hi - first)).saturating_add(up) & !up));
            }
        }
        for (lo, hi) in hit {
            self.evict(lo, hi, |r| {
                why == Removal::Truncated || matches!(r.kind, Kind::Cache | Kind::SharedRo | Kind::SharedRw)
            });
        }
    }
    /// Collects `Map` and `Protect` operations for the hardware, joining neighbours.
    pub(crate) fn push_map(ops: &mut Vec<MapOp>, run: &Run, access: Prot) {
        let private = !matches!(run.kind, Kind::SharedRo | Kind::SharedRw);
        if let Some(MapOp::Map { range, offset, access: a, private: p, .. }) = ops.last_mut()
            && range.end().0 == run.start
            && offset.0 + range.len() == run.at
            && *a == access
            && *p == private
        {
            *range = guest_range(range.start().0, run.end);
            return;
        }
        let range = guest_range(run.start, run.end);
        ops.push(MapOp::Map { range, offset: FileOffset(run.at), access, populate: false, private });
    }
}
