//! What procfs shows.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange, PAGE_SIZE};
use kcore::mappable::{Mappable, MappableInfo};

use crate::ops::round_up;
use crate::resident::Kind;
use crate::space::{AddressSpace, Inner, guest_range};
use crate::types::{Owner, Prot, VmFlags};
use crate::vma::Vma;

/// One mapping, as `/proc/PID/maps` and `smaps` show it.
#[derive(Clone)]
pub struct VmaInfo {
    /// Where it is.
    pub range: GuestRange,
    /// Allowed accesses.
    pub prot: Prot,
    /// Accesses that `mprotect` may allow.
    pub max_prot: Prot,
    /// `MAP_SHARED`.
    pub shared: bool,
    /// Offset in the object.
    pub offset: u64,
    /// Its own name, such as `[heap]`.
    pub name: Option<&'static str>,
    /// What the program calls it, if it is anonymous.
    pub anon_name: Option<Arc<str>>,
    /// The object, unless anonymous.
    pub object: Option<MappableInfo>,
    /// The open file that it was made from.
    pub owner: Option<Owner>,
    /// Pages in memory.
    pub rss_pages: u64,
    /// Of those, pages that are the process's own copies.
    pub private_pages: u64,
    /// Other properties.
    pub flags: VmFlags,
}

impl VmaInfo {
    pub(crate) fn of(inner: &Inner, v: &Vma) -> VmaInfo {
        let private_pages = inner
            .resident
            .range(v.start, v.end)
            .filter(|r| matches!(r.kind, Kind::Own | Kind::Cow))
            .map(|r| (r.end.min(v.end) - r.start.max(v.start)) / PAGE_SIZE)
            .sum();
        let file = v.file_at(v.start);
        VmaInfo {
            range: guest_range(v.start, v.end),
            prot: v.prot,
            max_prot: v.max_prot,
            shared: v.shared(),
            offset: file.map_or(0, |(_, o)| o),
            name: v.name,
            anon_name: v.anon_name.clone(),
            object: file.map(|(f, _)| f.object.info()),
            owner: file.and_then(|(f, _)| f.owner.clone()),
            rss_pages: inner.resident.pages_in(v.start, v.end),
            private_pages,
            flags: v.flags,
        }
    }
}

/// Totals of an address space, in bytes, for `/proc/PID/{stat,statm,status}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceStats {
    /// All mappings (`VmSize`).
    pub vsize: u64,
    /// Resident (`VmRSS`). Includes pages mapped ahead of their first use.
    pub rss: u64,
    /// Resident pages of files (`RssFile` and `RssShmem`).
    pub rss_file: u64,
    /// Private writable mappings (`VmData`).
    pub data: u64,
    /// Stacks (`VmStk`).
    pub stack: u64,
    /// Executable file mappings (`VmExe` and `VmLib`).
    pub exe: u64,
    /// Locked (`VmLck`).
    pub locked: u64,
    /// Shared mappings.
    pub shared: u64,
    /// Most that was ever mapped (`VmPeak`).
    pub peak: u64,
    /// Most that was ever resident (`VmHWM`).
    pub peak_rss: u64,
    /// Number of mappings.
    pub mappings: usize,
}

impl AddressSpace {
    /// All mappings by address, [`proc_pid_maps(5)`](https://man7.org/linux/man-pages/man5/proc_pid_maps.5.html).
    pub fn vmas(&self) -> Vec<VmaInfo> {
        let inner = self.inner.read();
        inner.vmas.iter().map(|v| VmaInfo::of(&inner, v)).collect()
    }
    /// What is mapped in shared mappings, where, and from which offset on.
    pub fn shared_objects(&self) -> Vec<(GuestRange, u64, Arc<dyn Mappable>)> {
        let inner = self.inner.read();
        let shared = inner.vmas.iter().filter(|v| v.shared());
        shared
            .filter_map(|v| {
                let (file, offset) = v.file_at(v.start)?;
                Some((guest_range(v.start, v.end), offset, file.object.clone()))
            })
            .collect()
    }
    /// Totals.
    pub fn stats(&self) -> SpaceStats {
        let inner = self.inner.read();
        let mut s = SpaceStats {
            vsize: inner.vmas.total,
            rss: inner.resident.pages * PAGE_SIZE,
            data: inner.vmas.data,
            locked: inner.vmas.locked,
            peak: inner.peak_total.max(inner.vmas.total),
            peak_rss: inner.peak_rss.max(inner.resident.pages) * PAGE_SIZE,
            mappings: inner.vmas.count(),
            ..SpaceStats::default()
        };
        for v in inner.vmas.iter() {
            if v.flags.contains(VmFlags::GROWSDOWN) {
                s.stack += v.len();
            }
            if v.shared() {
                s.shared += v.len();
            }
            if v.prot.contains(Prot::EXEC) && !v.is_anon() {
                s.exe += v.len();
            }
        }
        s.rss_file = inner
            .resident
            .range(0, u64::MAX)
            .filter(|r| !matches!(r.kind, Kind::Own | Kind::Cow))
            .map(|r| r.pages() * PAGE_SIZE)
            .sum();
        s
    }
    /// Most bytes that were ever resident.
    pub fn peak_rss(&self) -> u64 {
        let inner = self.inner.read();
        inner.peak_rss.max(inner.resident.pages) * PAGE_SIZE
    }
    /// Which pages are resident, one byte each, [`mincore(2)`](https://man7.org/linux/man-pages/man2/mincore.2.html).
    ///
    /// Errors: `EINVAL` for an unaligned address; `ENOMEM` if part of the range is not mapped. The caller bounds `len`.
    pub fn mincore(&self, addr: GuestAddr, len: u64) -> Result<Vec<u8>, Errno> {
        if !addr.is_page_aligned() {
            return Err(Errno::EINVAL);
        }
        let end = round_up(len).and_then(|l| addr.0.checked_add(l)).ok_or(Errno::ENOMEM)?;
        let inner = self.inner.read();
        if addr.0 < end && !inner.vmas.covers(addr.0, end) {
            return Err(Errno::ENOMEM);
        }
        let mut out = alloc::vec![0u8; ((end - addr.0) / PAGE_SIZE) as usize];
        for r in inner.resident.range(addr.0, end) {
            let (lo, hi) = (r.start.max(addr.0) - addr.0, r.end.min(end) - addr.0);
            out[(lo / PAGE_SIZE) as usize..(hi / PAGE_SIZE) as usize].fill(1);
        }
        // A file's pages may be in memory without being mapped here.
        for v in inner.vmas.range(addr.0, end) {
            let mut at = v.start.max(addr.0);
            while at < v.end.min(end) {
                let byte = &mut out[((at - addr.0) / PAGE_SIZE) as usize];
                if *byte == 0
                    && let Some((f, offset)) = v.file_at(at)
                    && f.object.resident_page(offset).is_some()
                {
                    *byte = 1;
                }
                at += PAGE_SIZE;
            }
        }
        Ok(out)
    }
    /// The mapping that holds `addr`.
    pub fn vma_at(&self, addr: GuestAddr) -> Option<GuestRange> {
        self.inner.read().vmas.find(addr.0).map(|v| guest_range(v.start, v.end))
    }
    /// The start of the stack that `start..end` begins in or below, for `PROT_GROWSDOWN`.
    ///
    /// Errors: `ENOMEM` if nothing is mapped there; `EINVAL` for a mapping that does not grow downwards.
    pub fn stack_at(&self, start: GuestAddr, end: GuestAddr) -> Result<GuestAddr, Errno> {
        let inner = self.inner.read();
        let v = inner.vmas.range(start.0, end.0).next().ok_or(Errno::ENOMEM)?;
        if v.flags.contains(VmFlags::GROWSDOWN) { Ok(GuestAddr(v.start)) } else { Err(Errno::EINVAL) }
    }
    /// Start and end of the heap (`start_brk` and `brk`).
    pub fn brk_range(&self) -> GuestRange {
        let inner = self.inner.read();
        guest_range(inner.brk_start, inner.brk_end)
    }
    /// Where the program's code is (`start_code`, `end_code`).
    pub fn code_range(&self) -> GuestRange {
        let (s, e) = self.inner.read().marks.code;
        guest_range(s, e)
    }
    /// Sets [`AddressSpace::code_range`].
    pub fn set_code_range(&self, range: GuestRange) {
        self.lock().marks.code = (range.start().0, range.end().0);
    }
    /// Where the program's initialized data is (`start_data`, `end_data`).
    pub fn data_range(&self) -> GuestRange {
        let (s, e) = self.inner.read().marks.data;
        guest_range(s, e)
    }
    /// Sets [`AddressSpace::data_range`].
    pub fn set_data_range(&self, range: GuestRange) {
        self.lock().marks.data = (range.start().0, range.end().0);
    }
    /// Where the arguments are (`arg_start`, `arg_end`).
    pub fn arg_range(&self) -> GuestRange {
        let (s, e) = self.inner.read().marks.args;
        guest_range(s, e)
    }
    /// Sets [`AddressSpace::arg_range`].
    pub fn set_arg_range(&self, range: GuestRange) {
        self.lock().marks.args = (range.start().0, range.end().0);
    }
    /// Where the environment is (`env_start`, `env_end`).
    pub fn env_range(&self) -> GuestRange {
        let (s, e) = self.inner.read().marks.env;
        guest_range(s, e)
    }
    /// Sets [`AddressSpace::env_range`].
    pub fn set_env_range(&self, range: GuestRange) {
        self.lock().marks.env = (range.start().0, range.end().0);
    }
    /// The stack pointer at the program's start (`start_stack`).
    pub fn stack_start(&self) -> GuestAddr {
        GuestAddr(self.inner.read().marks.stack_start)
    }
    /// Sets [`AddressSpace::stack_start`].
    pub fn set_stack_start(&self, at: GuestAddr) {
        self.lock().marks.stack_start = at.0;
    }
}
