//! Maps a program and its interpreter into an address space.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange, PAGE_SIZE};
use kcore::io::{IoError, SliceSink};
use kcore::user::UserMemory;
use mm::{AddressSpace, FileMapping, MmapRequest, Prot};
use vfs::OpenFile;

use super::elf::{ElfFile, ReadAt, Segment};

/// Where position-independent programs start, before randomization (`ELF_ET_DYN_BASE`).
const DYN_BASE: u64 = 0x5555_5555_4000;

/// What the initial stack and the first registers need to know of a mapped program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loaded {
    /// Where execution starts: in the interpreter if there is one.
    pub(crate) start: GuestAddr,
    /// The program's own entry point (`AT_ENTRY`).
    pub(crate) entry: GuestAddr,
    /// Load address of the interpreter (`AT_BASE`), or 0.
    pub(crate) interp_base: u64,
    /// The program headers in memory (`AT_PHDR`).
    pub(crate) headers: u64,
    /// Their number.
    pub(crate) header_count: u16,
    /// Whether the stack is executable.
    pub(crate) exec_stack: bool,
}

impl ReadAt for OpenFile {
    fn read_exact_at(&self, at: u64, dst: &mut [u8]) -> Result<(), Errno> {
        let len = dst.len();
        let mut sink = SliceSink::new(dst);
        while sink.done() < len {
            let pos = at.checked_add(sink.done() as u64).ok_or(Errno::ENOEXEC)?;
            match self.ops().read(self, Some(pos), &mut sink) {
                Ok(0) | Err(IoError::Again) => return Err(Errno::ENOEXEC),
                Ok(_) => {}
                Err(IoError::Errno(e)) => return Err(e),
            }
        }
        Ok(())
    }
}

/// Maps `file`, whose headers are `elf`, and the interpreter that `open_interp` opens, into the empty `mm`. `random` moves
/// position-independent programs.
///
/// Errors: `ENOMEM`, `ENOEXEC`, `ELIBBAD` for a bad interpreter, and what opening it says.
pub(crate) fn load(
    mm: &AddressSpace,
    file: &Arc<OpenFile>,
    elf: &ElfFile,
    random: u64,
    open_interp: impl FnOnce(&[u8]) -> Result<Arc<OpenFile>, Errno>,
) -> Result<Loaded, Errno> {
    let interp: Option<(Arc<OpenFile>, ElfFile)> = match &elf.interp {
        Some(name) => {
            let file = open_interp(name)?;
            let parsed =
                ElfFile::parse(&*file).map_err(|e| if e == Errno::ENOEXEC { Errno::ELIBBAD } else { e })?;
            Some((file, parsed))
        }
        None => None,
    };
    // A program without an interpreter may be one that loads others, which need the usual place.
    let moved = elf.relocatable && interp.is_none();
    let bias = if !elf.relocatable {
        0
    } else if moved {
        find_place(mm, elf)?
    } else {
        let base = DYN_BASE.wrapping_add((random & 0xfff_ffff) * PAGE_SIZE) & !(elf.align - 1);
        base.wrapping_sub(elf.span().0)
    };
    map_segments(mm, file, elf, bias)?;
    if let Some(code) = part(elf, bias, |s| s.exec) {
        mm.set_code_range(code);
    }
    if let Some(data) = part(elf, bias, |s| s.write) {
        mm.set_data_range(data);
    }
    let end = if moved { DYN_BASE } else { bias.wrapping_add(elf.span().1) };
    mm.set_brk_start(GuestAddr(end + (random >> 32 & 0x1fff) * PAGE_SIZE));
    let entry = GuestAddr(bias.wrapping_add(elf.entry));
    let headers = elf.headers_vaddr();
    let mut loaded = Loaded {
        start: entry,
        entry,
        interp_base: 0,
        headers: if headers == 0 { 0 } else { bias.wrapping_add(headers) },
        header_count: elf.phnum,
        exec_stack: elf.exec_stack,
    };
    if let Some((file, elf)) = interp {
        let bias = if elf.relocatable { find_place(mm, &elf)? } else { 0 };
        map_segments(mm, &file, &elf, bias)?;
        loaded.interp_base = bias.wrapping_add(elf.span().0);
        loaded.start = GuestAddr(bias.wrapping_add(elf.entry));
    }
    Ok(loaded)
}

/// From the first byte of certain segments to the last byte that they have in the file.
fn part(elf: &ElfFile, bias: u64, which: fn(&Segment) -> bool) -> Option<GuestRange> {
    let those = || elf.segments.iter().filter(|s| which(s));
    let start = those().map(|s| bias.wrapping_add(s.vaddr)).min()?;
    let end = those().map(|s| bias.wrapping_add(s.vaddr).wrapping_add(s.file_size)).max()?;
    GuestRange::new(GuestAddr(start), GuestAddr(end))
}

/// A load bias for a position-independent interpreter: where the kernel would place a mapping of its size.
fn find_place(mm: &AddressSpace, elf: &ElfFile) -> Result<u64, Errno> {
    let (start, end) = elf.span();
    let len = (end - start).checked_add(elf.align).ok_or(Errno::ENOMEM)?;
    let at = mm.mmap(MmapRequest { len, prot: Prot::NONE, noreserve: true, ..MmapRequest::default() })?;
    mm.munmap(at, len)?;
    Ok(at.0.next_multiple_of(elf.align).wrapping_sub(start))
}

fn map_segments(mm: &AddressSpace, file: &Arc<OpenFile>, elf: &ElfFile, bias: u64) -> Result<(), Errno> {
    let object = file.mappable().ok_or(Errno::ENOEXEC)?;
    for s in &elf.segments {
        map_segment(mm, file, &object, s, bias)?;
    }
    Ok(())
}

fn map_segment(
    mm: &AddressSpace,
    file: &Arc<OpenFile>,
    object: &Arc<dyn kcore::mappable::Mappable>,
    s: &Segment,
    bias: u64,
) -> Result<(), Errno> {
    let mut prot = Prot::NONE;
    prot.set(Prot::READ, s.read);
    prot.set(Prot::WRITE, s.write);
    prot.set(Prot::EXEC, s.exec);
    let vaddr = GuestAddr(bias.wrapping_add(s.vaddr));
    let start = vaddr.page_down();
    let file_end = GuestAddr(vaddr.0 + s.file_size);
    let file_pages_end = if s.file_size == 0 { start } else { file_end.page_up().ok_or(Errno::ENOMEM)? };
    let mem_end = GuestAddr(vaddr.0 + s.mem_size).page_up().ok_or(Errno::ENOMEM)?;
    if file_pages_end > start {
        let offset = s.offset - vaddr.page_offset();
        let max_prot = Prot::READ | Prot::WRITE | Prot::EXEC;
        mm.mmap(MmapRequest {
            addr: start,
            len: file_pages_end.0 - start.0,
            prot,
            fixed: true,
            file: Some(FileMapping { object: object.clone(), offset, max_prot, owner: Some(file.clone()) }),
            ..MmapRequest::default()
        })?;
    }
    if mem_end > file_pages_end {
        let len = mem_end.0 - file_pages_end.0;
        mm.mmap(MmapRequest { addr: file_pages_end, len, prot, fixed: true, ..MmapRequest::default() })?;
    }
    // What the last file page holds past the segment's bytes must read as zero where the segment has more memory.
    if s.write && s.mem_size > s.file_size && file_end.page_offset() != 0 {
        let n = usize::try_from(file_pages_end.0 - file_end.0).map_err(|_| Errno::ENOMEM)?;
        if mm.zero_out(file_end, n) < n {
            return Err(Errno::EFAULT);
        }
    }
    Ok(())
}

/// The first bytes of a program file, at most as many as a script's line takes.
pub(crate) fn read_head(file: &OpenFile) -> Result<Vec<u8>, Errno> {
    let mut buf = alloc::vec![0u8; super::script::LINE_MAX];
    let mut sink = SliceSink::new(&mut buf);
    while sink.done() < super::script::LINE_MAX {
        match file.ops().read(file, Some(sink.done() as u64), &mut sink) {
            Ok(0) => break,
            Ok(_) => {}
            Err(e) => return Err(e.errno()),
        }
    }
    let n = sink.done();
    buf.truncate(n);
    Ok(buf)
}
