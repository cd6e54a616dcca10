//! ELF headers, `elf(5)`, checked.

use alloc::vec::Vec;

use abi::Errno;
use object::LittleEndian as LE;
use object::elf::{
    EM_X86_64, ET_DYN, ET_EXEC, FileHeader64, PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD,
    ProgramHeader64,
};
use object::pod::{from_bytes, slice_from_bytes};
use object::read::elf::FileHeader;

use kcore::addr::PAGE_SIZE;

/// Most bytes of program headers, as Linux has it.
const MAX_HEADERS: u64 = 65536;
/// Longest name of an interpreter with its terminator.
const MAX_INTERP: u64 = 4096;

/// Reads a program file at an offset: all of the buffer or an error.
pub trait ReadAt {
    /// Fills `dst` from byte `at`. Errors: `ENOEXEC` past the end, `EIO`.
    fn read_exact_at(&self, at: u64, dst: &mut [u8]) -> Result<(), Errno>;
}

/// One loadable piece of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Address, before relocation by the load bias.
    pub vaddr: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes from the file.
    pub file_size: u64,
    /// Bytes in memory; those past `file_size` are zero.
    pub mem_size: u64,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub exec: bool,
}

/// What a program's headers say.
#[derive(Clone, Debug)]
pub struct ElfFile {
    /// Whether it can be loaded anywhere (`ET_DYN`).
    pub relocatable: bool,
    /// Entry point, before relocation.
    pub entry: u64,
    /// Offset of the program headers in the file.
    pub phoff: u64,
    /// Number of program headers.
    pub phnum: u16,
    /// Loadable segments, in order.
    pub segments: Vec<Segment>,
    /// The interpreter's path, without NUL.
    pub interp: Option<Vec<u8>>,
    /// Whether the stack should be executable.
    pub exec_stack: bool,
    /// Largest alignment that a segment asks for.
    pub align: u64,
}

impl ElfFile {
    /// Reads and checks the headers of a program for this architecture.
    ///
    /// Errors: `ENOEXEC` for anything that is not such a program; `EINVAL` for an interpreter's name that is empty or not terminated.
    pub fn parse(file: &dyn ReadAt) -> Result<ElfFile, Errno> {
        let mut head = [0u8; size_of::<FileHeader64<LE>>()];
        file.read_exact_at(0, &mut head)?;
        let (header, _) = from_bytes::<FileHeader64<LE>>(&head).map_err(|()| Errno::ENOEXEC)?;
        if !header.is_supported() || header.e_machine.get(LE) != EM_X86_64 {
            return Err(Errno::ENOEXEC);
        }
        let relocatable = match header.e_type.get(LE) {
            ET_EXEC => false,
            ET_DYN => true,
            _ => return Err(Errno::ENOEXEC),
        };
        let (phoff, phnum) = (header.e_phoff.get(LE), header.e_phnum.get(LE));
        let size = size_of::<ProgramHeader64<LE>>();
        let bytes = u64::from(phnum) * size as u64;
        if usize::from(header.e_phentsize.get(LE)) != size || bytes == 0 || bytes > MAX_HEADERS {
            return Err(Errno::ENOEXEC);
        }
        let mut raw = alloc::vec![0u8; usize::try_from(bytes).map_err(|_| Errno::ENOEXEC)?];
        file.read_exact_at(phoff, &mut raw)?;
        let (headers, _) =
            slice_from_bytes::<ProgramHeader64<LE>>(&raw, usize::from(phnum)).map_err(|()| Errno::ENOEXEC)?;
        let mut elf = ElfFile {
            relocatable,
            entry: header.e_entry.get(LE),
            phoff,
            phnum,
            segments: Vec::new(),
            interp: None,
            exec_stack: false,
            align: PAGE_SIZE,
        };
        for h in headers {
            elf.add(h, file)?;
        }
        if elf.segments.is_empty() { Err(Errno::ENOEXEC) } else { Ok(elf) }
    }

    fn add(&mut self, h: &ProgramHeader64<LE>, file: &dyn ReadAt) -> Result<(), Errno> {
        let flags = h.p_flags.get(LE).0;
        match h.p_type.get(LE) {
            PT_LOAD => {
                let s = Segment {
                    vaddr: h.p_vaddr.get(LE),
                    offset: h.p_offset.get(LE),
                    file_size: h.p_filesz.get(LE),
                    mem_size: h.p_memsz.get(LE),
                    read: flags & PF_R.0 != 0,
                    write: flags & PF_W.0 != 0,
                    exec: flags & PF_X.0 != 0,
                };
                let ordered = self.segments.last().is_none_or(|p| p.vaddr + p.mem_size <= s.vaddr);
                if s.file_size > s.mem_size
                    || s.vaddr % PAGE_SIZE != s.offset % PAGE_SIZE
                    || s.vaddr.checked_add(s.mem_size).is_none_or(|end| end > 1 << 47)
                    || s.offset.checked_add(s.file_size).is_none_or(|end| end > 1 << 62)
                    || !ordered
                {
                    return Err(Errno::ENOEXEC);
                }
                let align = h.p_align.get(LE);
                if align.is_power_of_two() && align <= 1 << 30 {
                    self.align = self.align.max(align);
                }
                if s.mem_size > 0 {
                    self.segments.push(s);
                }
            }
            PT_INTERP if self.interp.is_none() => {
                let len = h.p_filesz.get(LE);
                if !(2..=MAX_INTERP).contains(&len) {
                    return Err(Errno::ENOEXEC);
                }
                let mut name = alloc::vec![0u8; usize::try_from(len).map_err(|_| Errno::ENOEXEC)?];
                file.read_exact_at(h.p_offset.get(LE), &mut name)?;
                if name.pop() != Some(0) {
                    return Err(Errno::ENOEXEC);
                }
                let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
                name.truncate(end);
                self.interp = Some(name);
            }
            PT_GNU_STACK => self.exec_stack = flags & PF_X.0 != 0,
            _ => {}
        }
        Ok(())
    }

    /// The addresses that the segments span, page-aligned, before relocation.
    pub fn span(&self) -> (u64, u64) {
        let start = self.segments.first().map_or(0, |s| s.vaddr & !(PAGE_SIZE - 1));
        let end = self.segments.last().map_or(0, |s| s.vaddr + s.mem_size);
        (start, end.next_multiple_of(PAGE_SIZE))
    }

    /// Where the program headers lie in memory, before relocation; 0 if no segment holds them.
    pub fn headers_vaddr(&self) -> u64 {
        self.segments
            .iter()
            .find(|s| (s.offset..s.offset.saturating_add(s.file_size)).contains(&self.phoff))
            .map_or(0, |s| s.vaddr + (self.phoff - s.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Vec<u8>);
    impl ReadAt for Bytes {
        fn read_exact_at(&self, at: u64, dst: &mut [u8]) -> Result<(), Errno> {
            let at = usize::try_from(at).map_err(|_| Errno::ENOEXEC)?;
            let end = at.checked_add(dst.len()).ok_or(Errno::ENOEXEC)?;
            dst.copy_from_slice(self.0.get(at..end).ok_or(Errno::ENOEXEC)?);
            Ok(())
        }
    }

    /// A header and one `PT_LOAD` of `mem` bytes, `file` of them from the file, at `vaddr`.
    fn program(vaddr: u64, file: u64, mem: u64) -> Vec<u8> {
        let mut b = alloc::vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
        b.resize(16, 0);
        b.extend(2u16.to_le_bytes());
        b.extend(62u16.to_le_bytes());
        b.extend(1u32.to_le_bytes());
        b.extend((vaddr + 120).to_le_bytes());
        b.extend(64u64.to_le_bytes());
        b.extend(0u64.to_le_bytes());
        b.extend(0u32.to_le_bytes());
        for n in [64u16, 56, 1, 0, 0, 0] {
            b.extend(n.to_le_bytes());
        }
        b.extend(1u32.to_le_bytes());
        b.extend(5u32.to_le_bytes());
        for n in [0, vaddr, vaddr, file, mem, 4096] {
            b.extend(u64::to_le_bytes(n));
        }
        b
    }

    #[test]
    fn reads_a_static_program() {
        let elf = ElfFile::parse(&Bytes(program(0x40_0000, 120, 0x2000))).unwrap();
        assert_eq!((elf.entry, elf.relocatable), (0x40_0078, false));
        assert_eq!(elf.span(), (0x40_0000, 0x40_2000));
        assert_eq!(elf.headers_vaddr(), 0x40_0040);
        assert!(elf.segments[0].exec && !elf.segments[0].write);
    }

    #[test]
    fn refuses_nonsense() {
        for bytes in [
            Vec::new(),
            alloc::vec![0; 64],
            b"#!/bin/sh\n".to_vec(),
            program(0x40_0000, 0x3000, 0x2000),
            program(0x40_0001, 120, 0x2000),
            program(u64::MAX - 4095, 120, 0x2000),
        ] {
            assert_eq!(ElfFile::parse(&Bytes(bytes)).unwrap_err(), Errno::ENOEXEC);
        }
        let mut other_machine = program(0x40_0000, 120, 0x2000);
        other_machine[18] = 183;
        assert_eq!(ElfFile::parse(&Bytes(other_machine)).unwrap_err(), Errno::ENOEXEC);
    }
}
