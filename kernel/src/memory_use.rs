//! How much memory the sandbox uses, and for what.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use kcore::addr::PAGE_SIZE;
use kcore::frame::FrameStore;
use mm::AddressSpace;

use crate::kernel::Kernel;
use crate::task::Resources;

/// Memory of the sandbox, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// What there is.
    pub(crate) total: u64,
    /// Private pages of processes.
    pub(crate) anonymous: u64,
    /// Pages of files, in memory file systems too.
    pub(crate) cached: u64,
    /// Of those, pages of memory file systems.
    pub(crate) shmem: u64,
    /// Pages that processes map from files.
    pub(crate) mapped: u64,
    /// Locked pages.
    pub(crate) locked: u64,
    /// What processes may come to use of their own (`Committed_AS`).
    pub(crate) committed: u64,
}

impl MemoryUse {
    /// What nobody uses.
    pub(crate) fn free(&self) -> u64 {
        self.total.saturating_sub(self.anonymous).saturating_sub(self.cached)
    }
    /// What could be used without pushing anything out that is needed.
    pub(crate) fn available(&self) -> u64 {
        self.free().saturating_add(self.cached.saturating_sub(self.shmem))
    }
}

impl Kernel {
    /// Looks at all address spaces and memory file systems.
    pub(crate) fn memory_use(&self) -> MemoryUse {
        let host = self.host();
        let file = host.frames.max_pages().saturating_mul(PAGE_SIZE);
        let mut m = MemoryUse { total: host.machine.memory.min(file), ..MemoryUse::default() };
        for space in self.spaces().into_values() {
            let s = space.stats();
            m.anonymous += s.rss.saturating_sub(s.rss_file);
            m.mapped += s.rss_file;
            m.locked += s.locked;
            m.committed += s.data;
        }
        let used = host.frames.used_pages().saturating_mul(PAGE_SIZE);
        // Pages that relatives share after a fork count once for each of them above.
        m.anonymous = m.anonymous.min(used);
        m.cached = used - m.anonymous;
        m.shmem = self.shmem().min(m.cached);
        m
    }
    fn spaces(&self) -> BTreeMap<u64, Arc<AddressSpace>> {
        let tasks = self.processes().tasks();
        let spaces = tasks.iter().filter_map(|t| t.resources::<Resources>()?.mm());
        spaces.map(|mm| (mm.id(), mm)).collect()
    }
    /// What init's memory file systems hold.
    fn shmem(&self) -> u64 {
        let first = self.processes().tasks().into_iter().next();
        let Some(fs) = first.and_then(|t| t.resources::<Resources>()?.fs()) else { return 0 };
        let mut seen = BTreeMap::new();
        for mount in fs.view().ns.mounts() {
            if mount.fs().name() == "tmpfs"
                && let Ok(s) = mount.fs().statfs()
            {
                seen.insert(mount.fs().dev(), s.blocks.saturating_sub(s.bfree).saturating_mul(s.bsize));
            }
        }
        seen.into_values().sum()
    }
}
