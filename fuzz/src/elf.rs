//! Program files of arbitrary bytes: parsing may refuse them, and never panics; what it accepts keeps what it promises.

use abi::Errno;
use kernel::loader::{ElfFile, ReadAt, Script};

struct Bytes<'a>(&'a [u8]);

impl ReadAt for Bytes<'_> {
    fn read_exact_at(&self, at: u64, dst: &mut [u8]) -> Result<(), Errno> {
        let at = usize::try_from(at).map_err(|_| Errno::ENOEXEC)?;
        let end = at.checked_add(dst.len()).ok_or(Errno::ENOEXEC)?;
        dst.copy_from_slice(self.0.get(at..end).ok_or(Errno::ENOEXEC)?);
        Ok(())
    }
}

/// Parses the input as a script and as an ELF program.
pub fn run(data: &[u8]) {
    if let Some(script) = Script::parse(&data[..data.len().min(256)]) {
        assert!(!script.interpreter.is_empty() && !script.interpreter.contains(&0));
        assert!(script.argument.is_none_or(|a| !a.is_empty() && !a.contains(&b'\n')));
    }
    if let Ok(elf) = ElfFile::parse(&Bytes(data)) {
        let (start, end) = elf.span();
        let inside = |at: u64| (start..=end).contains(&at);
        assert!(elf.segments.iter().all(|s| inside(s.vaddr) && inside(s.vaddr + s.mem_size)));
        assert!(elf.segments.is_sorted_by_key(|s| s.vaddr));
        assert!(elf.interp.is_none_or(|i| !i.contains(&0)));
    }
}
