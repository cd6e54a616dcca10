//! `/proc/PID/{smaps,smaps_rollup,clear_refs}`.

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use mm::{Prot, VmFlags, VmaInfo, VmaUsage};
use vfs::context::Caller;

use super::maps::header;
use super::task::TaskRef;
use super::text::{Text, line, number};

/// `smaps`.
pub(super) fn smaps(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let mut t = Text::default();
    let Some(mm) = of.mm() else { return Ok(Vec::new()) };
    let root = of.view().map(|v| v.root.clone());
    for (vma, used) in mm.vma_usage() {
        header(&mut t, &vma, root.as_ref());
        let size = vma.range.end().0 - vma.range.start().0;
        size_line(&mut t, "Size", size);
        size_line(&mut t, "KernelPageSize", PAGE_SIZE);
        size_line(&mut t, "MMUPageSize", PAGE_SIZE);
        size_line(&mut t, "Rss", used.rss);
        size_line(&mut t, "Pss", used.pss / PAGE_SIZE);
        size_line(&mut t, "Pss_Dirty", used.pss_dirty / PAGE_SIZE);
        sums(&mut t, &used);
        line!(t, "THPeligible:           0");
        line!(t, "VmFlags: {}", flags(&vma));
    }
    Ok(t.into_bytes())
}

/// `smaps_rollup`: all mappings as one.
pub(super) fn rollup(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let mut t = Text::default();
    let mm = of.mm().ok_or(Errno::ESRCH)?;
    let all = mm.vma_usage();
    let (mut sum, mut anon, mut file, mut shmem) = (VmaUsage::default(), 0, 0, 0);
    for (vma, used) in &all {
        sum.add(used);
        let part = match &vma.object {
            None => &mut anon,
            Some(_) if vma.owner.is_none() => &mut shmem,
            Some(_) => &mut file,
        };
        *part += used.pss;
    }
    let start = all.first().map_or(0, |(v, _)| v.range.start().0);
    let end = all.last().map_or(0, |(v, _)| v.range.end().0);
    let at = t.len();
    t.put(format_args!("{start:08x}-{end:08x} ---p 00000000 00:00 0 "));
    t.pad_line(at, 73);
    line!(t, "[rollup]");
    size_line(&mut t, "Rss", sum.rss);
    size_line(&mut t, "Pss", sum.pss / PAGE_SIZE);
    size_line(&mut t, "Pss_Dirty", sum.pss_dirty / PAGE_SIZE);
    size_line(&mut t, "Pss_Anon", anon / PAGE_SIZE);
    size_line(&mut t, "Pss_File", file / PAGE_SIZE);
    size_line(&mut t, "Pss_Shmem", shmem / PAGE_SIZE);
    sums(&mut t, &sum);
    Ok(t.into_bytes())
}

fn size_line(t: &mut Text, name: &str, bytes: u64) {
    let name = alloc::format!("{name}:");
    line!(t, "{name:<16}{:>8} kB", bytes >> 10);
}

fn sums(t: &mut Text, u: &VmaUsage) {
    size_line(t, "Shared_Clean", u.shared_clean);
    size_line(t, "Shared_Dirty", u.shared_dirty);
    size_line(t, "Private_Clean", u.private_clean);
    size_line(t, "Private_Dirty", u.private_dirty);
    // Pages are not aged: what is in memory counts as used of late.
    size_line(t, "Referenced", u.rss);
    size_line(t, "Anonymous", u.anonymous);
    let none = [
        "KSM",
        "LazyFree",
        "AnonHugePages",
        "ShmemPmdMapped",
        "FilePmdMapped",
        "Shared_Hugetlb",
        "Private_Hugetlb",
        "Swap",
        "SwapPss",
    ];
    none.iter().for_each(|name| size_line(t, name, 0));
    size_line(t, "Locked", u.locked);
}

/// The two-letter names of `smaps(5)`, each with a space after it.
fn flags(v: &VmaInfo) -> alloc::string::String {
    let prot = |p| v.prot.contains(p);
    let may = |p| v.max_prot.contains(p);
    let vm = |f| v.flags.contains(f);
    let all = [
        (prot(Prot::READ), "rd"),
        (prot(Prot::WRITE), "wr"),
        (prot(Prot::EXEC), "ex"),
        (v.shared, "sh"),
        (may(Prot::READ), "mr"),
        (may(Prot::WRITE), "mw"),
        (may(Prot::EXEC), "me"),
        (v.shared && may(Prot::WRITE), "ms"),
        (vm(VmFlags::GROWSDOWN), "gd"),
        (vm(VmFlags::LOCKED), "lo"),
        (vm(VmFlags::DONTFORK), "dc"),
        (!vm(VmFlags::NORESERVE) && prot(Prot::WRITE) && !v.shared, "ac"),
        (vm(VmFlags::NORESERVE), "nr"),
        (vm(VmFlags::WIPEONFORK), "wf"),
        (vm(VmFlags::DONTDUMP), "dd"),
        (vm(VmFlags::HUGEPAGE), "hg"),
        (vm(VmFlags::NOHUGEPAGE), "nh"),
        (vm(VmFlags::SEALED), "sl"),
    ];
    let mut out = alloc::string::String::new();
    for (_, name) in all.iter().filter(|(on, _)| *on) {
        out.push_str(name);
        out.push(' ');
    }
    out
}

/// Writing to `clear_refs`: 1 to 4 forget which pages were used or written, which nothing keeps; 5 resets the peak of the resident
/// size. Errors: `EINVAL` for other numbers.
pub(super) fn clear_refs(of: &TaskRef, _: &Caller<'_>, data: &[u8]) -> Result<(), Errno> {
    match number::<i32>(data)? {
        1..=4 => Ok(()),
        5 => {
            if let Some(mm) = of.mm() {
                mm.reset_peak_rss();
            }
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}
