//! Pieces of ELF images.

use alloc::string::String;
use alloc::vec::Vec;

/// The hash of `DT_HASH` and of versions.
pub(super) fn elf_hash(name: &str) -> u32 {
    name.bytes().fold(0_u32, |h, c| {
        let h = (h << 4).wrapping_add(c.into());
        let high = h & 0xf000_0000;
        (h ^ high >> 24) & !high
    })
}

/// The hash of `DT_GNU_HASH`.
pub(super) fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |h, c| h.wrapping_mul(33).wrapping_add(c.into()))
}

/// A string table.
#[derive(Default)]
pub(super) struct Strings(String);

impl Strings {
    /// Adds a name and says where it is.
    pub(super) fn add(&mut self, name: &str) -> u32 {
        if self.0.is_empty() {
            self.0.push('\0');
        }
        let at = self.0.len() as u32;
        self.0.push_str(name);
        self.0.push('\0');
        at
    }
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What a section is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SectionKind {
    Hash,
    GnuHash,
    DynSym,
    DynStr,
    VerSym,
    VerDef,
    EhFrame,
    EhFrameHdr,
    Dynamic,
    Text,
}

impl SectionKind {
    /// Name, type, flags, and size of an entry.
    fn describe(self) -> (&'static str, u32, u64, u64) {
        const ALLOC: u64 = 2;
        const EXEC: u64 = 4;
        match self {
            SectionKind::Hash => (".hash", 5, ALLOC, 4),
            SectionKind::GnuHash => (".gnu.hash", 0x6fff_fff6, ALLOC, 0),
            SectionKind::DynSym => (".dynsym", 11, ALLOC, 24),
            SectionKind::DynStr => (".dynstr", 3, ALLOC, 0),
            SectionKind::VerSym => (".gnu.version", 0x6fff_ffff, ALLOC, 2),
            SectionKind::VerDef => (".gnu.version_d", 0x6fff_fffd, ALLOC, 0),
            SectionKind::EhFrame => (".eh_frame", 1, ALLOC, 0),
            SectionKind::EhFrameHdr => (".eh_frame_hdr", 1, ALLOC, 0),
            SectionKind::Dynamic => (".dynamic", 6, ALLOC, 16),
            SectionKind::Text => (".text", 1, ALLOC | EXEC, 0),
        }
    }
    /// The section that it refers to, and its extra number.
    fn links(self) -> (Option<SectionKind>, u32) {
        match self {
            SectionKind::Hash | SectionKind::GnuHash | SectionKind::VerSym => (Some(SectionKind::DynSym), 0),
            // The first symbol that is not local.
            SectionKind::DynSym => (Some(SectionKind::DynStr), 1),
            SectionKind::VerDef => (Some(SectionKind::DynStr), 2),
            SectionKind::Dynamic => (Some(SectionKind::DynStr), 0),
            _ => (None, 0),
        }
    }
}

/// Where a section is.
#[derive(Clone, Copy)]
pub(super) struct Section {
    pub(super) kind: SectionKind,
    pub(super) at: u64,
    pub(super) len: u64,
}

/// Appends to an image.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// With `n` bytes, all zero.
    pub(super) fn new(n: usize) -> Writer {
        Writer(alloc::vec![0; n])
    }
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
    pub(super) fn pad_to(&mut self, n: usize) {
        self.0.resize(n, 0);
    }
    pub(super) fn bytes(&mut self, b: &[u8]) {
        self.0.extend_from_slice(b);
    }
    pub(super) fn half(&mut self, v: u16) {
        self.bytes(&v.to_le_bytes());
    }
    pub(super) fn words(&mut self, v: &[u32]) {
        v.iter().for_each(|v| self.bytes(&v.to_le_bytes()));
    }
    pub(super) fn longs(&mut self, v: &[u64]) {
        v.iter().for_each(|v| self.bytes(&v.to_le_bytes()));
    }
    /// Adds a section, aligned.
    pub(super) fn section(&mut self, kind: SectionKind, fill: impl FnOnce(&mut Writer)) -> Section {
        self.pad_to(self.len().next_multiple_of(8));
        let at = self.len();
        fill(self);
        Section { kind, at: at as u64, len: (self.len() - at) as u64 }
    }
    /// Adds the table of sections with their names; says where it is and how many entries it has.
    pub(super) fn section_headers(&mut self, sections: &[Section]) -> (u64, u16) {
        let mut names = Strings::default();
        let name_at: Vec<u32> = sections.iter().map(|s| names.add(s.kind.describe().0)).collect();
        let own_name = names.add(".shstrtab");
        let strings = self.len() as u64;
        self.bytes(names.bytes());
        let end = self.len() as u64;
        self.pad_to(self.len().next_multiple_of(8));
        let at = self.len() as u64;
        self.longs(&[0; 8]);
        for (s, name) in sections.iter().zip(name_at) {
            let (_, kind, flags, entry) = s.kind.describe();
            let (link, info) = s.kind.links();
            let linked = sections.iter().position(|o| Some(o.kind) == link).map_or(0, |n| n + 1);
            self.words(&[name, kind]);
            self.longs(&[flags, s.at, s.at, s.len]);
            self.words(&[linked as u32, info]);
            self.longs(&[8, entry]);
        }
        self.words(&[own_name, 3]);
        self.longs(&[0, 0, strings, end - strings]);
        self.words(&[0, 0]);
        self.longs(&[1, 0]);
        (at, sections.len() as u16 + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_loaders() {
        assert_eq!(elf_hash("LINUX_2.6"), 0x3ae_75f6);
        assert_eq!(gnu_hash("printf"), 0x156b_2bb8);
        assert_eq!(gnu_hash(""), 5381);
    }
}
