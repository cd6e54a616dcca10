//! What procfs shows of an address space.

use alloc::vec::Vec;

use kcore::addr::{GuestRange, PAGE_SIZE};
use kcore::mappable::MappableInfo;

use crate::space::{AddressSpace, guest_range};
use crate::types::{Prot, VmFlags};

/// One mapping, as `/proc/PID/maps` and `smaps` show it.
#[derive(Clone, Debug)]
pub struct VmaInfo {
    /// Addresses.
    pub range: GuestRange,
    /// What it allows.
    pub prot: Prot,
    /// Other properties.
    pub flags: VmFlags,
    /// Offset of the first page in the file.
    pub offset: u64,
    /// The file, if there is one.
    pub file: Option<MappableInfo>,
    /// Another name, such as `[stack]`.
    pub name: Option<&'static str>,
    /// Resident pages.
    pub rss_pages: u64,
}

/// Sizes in bytes, as `/proc/PID/status` shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceStats {
    /// All mappings (`VmSize`).
    pub size: u64,
    /// Most there ever were (`VmPeak`).
    pub peak: u64,
    /// Resident (`VmRSS`).
    pub rss: u64,
    /// Most there ever was (`VmHWM`).
    pub peak_rss: u64,
    /// Private writable (`VmData`).
    pub data: u64,
    /// Locked (`VmLck`).
    pub locked: u64,
}

impl AddressSpace {
    /// All mappings, in order.
    pub fn vmas(&self) -> Vec<VmaInfo> {
        let s = self.inner.read();
        let info = |v: &crate::vma::Vma| {
            let file = v.file_at(v.start);
            VmaInfo {
                range: guest_range(v.start, v.end),
                prot: v.prot,
                flags: v.flags,
                offset: file.map_or(0, |f| f.1),
                file: file.map(|f| f.0.object.info()),
                name: v.name,
                rss_pages: s.resident.pages_in(v.start, v.end),
            }
        };
        s.vmas.iter().map(info).collect()
    }
    /// Sizes.
    pub fn stats(&self) -> SpaceStats {
        let s = self.inner.read();
        SpaceStats {
            size: s.vmas.total,
            peak: s.peak_total.max(s.vmas.total),
            rss: s.resident.pages * PAGE_SIZE,
            peak_rss: s.peak_rss.max(s.resident.pages) * PAGE_SIZE,
            data: s.vmas.data,
            locked: s.vmas.locked,
        }
    }
}
