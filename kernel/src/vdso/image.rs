//! The vDSO's ELF image: one page, found by loaders through its program headers, by debuggers through its section headers.

use alloc::vec::Vec;

use kcore::addr::PAGE_SIZE;
use platform::vdso::{CODE, code, functions};

use super::elf::{Section, SectionKind, Strings, Writer, elf_hash, gnu_hash};

/// Its name (`DT_SONAME`), and the version of its functions.
const SONAME: &str = "linux-vdso.so.1";
const VERSION: &str = "LINUX_2.6";
/// Index of that version in the tables; 1 is the image itself.
const VERSION_INDEX: u16 = 2;
const CODE_SECTION: u16 = 10;
const HEADERS: usize = 64;
const PROGRAM_HEADERS: usize = 4;

/// A function under one of its names.
struct Symbol {
    name: u32,
    hash: (u32, u32),
    weak: bool,
    at: u64,
    len: u64,
}

/// The page.
pub(super) fn build() -> Vec<u8> {
    let mut strings = Strings::default();
    let (soname, version) = (strings.add(SONAME), strings.add(VERSION));
    let mut symbols = Vec::new();
    for (name, at, len) in functions() {
        let full = alloc::format!("__vdso_{name}");
        for (name, weak) in [(full.as_str(), false), (name, true)] {
            let hash = (elf_hash(name), gnu_hash(name));
            symbols.push(Symbol { name: strings.add(name), hash, weak, at: at as u64, len: len as u64 });
        }
    }
    let mut w = Writer::new(HEADERS + PROGRAM_HEADERS * 56);
    let hash = w.section(SectionKind::Hash, |w| w.words(&hash_table(&symbols)));
    let gnu = w.section(SectionKind::GnuHash, |w| gnu_hash_table(w, &symbols));
    let dynsym = w.section(SectionKind::DynSym, |w| symbol_table(w, &symbols));
    let dynstr = w.section(SectionKind::DynStr, |w| w.bytes(strings.bytes()));
    let versym = w.section(SectionKind::VerSym, |w| {
        w.half(0);
        symbols.iter().for_each(|_| w.half(VERSION_INDEX));
    });
    let verdef = w.section(SectionKind::VerDef, |w| version_table(w, soname, version));
    let frames = w.section(SectionKind::EhFrame, frame_table);
    let find = w.section(SectionKind::EhFrameHdr, |w| frame_index(w, &frames));
    let dynamic = w.section(SectionKind::Dynamic, |w| {
        const DT: [u64; 10] = [4, 0x6fff_fef5, 5, 6, 10, 11, 14, 0x6fff_fff0, 0x6fff_fffc, 0x6fff_fffd];
        let values = [
            hash.at,
            gnu.at,
            dynstr.at,
            dynsym.at,
            dynstr.len,
            24,
            u64::from(soname),
            versym.at,
            verdef.at,
            2,
        ];
        DT.into_iter().zip(values).chain([(0, 0)]).for_each(|(tag, value)| w.longs(&[tag, value]));
    });
    assert!(w.len() <= CODE, "the headers end before the code");
    w.pad_to(CODE);
    let text = w.section(SectionKind::Text, |w| w.bytes(code()));
    let sections = [hash, gnu, dynsym, dynstr, versym, verdef, frames, find, dynamic, text];
    let (at, count) = w.section_headers(&sections);
    let mut page = w.into_bytes();
    page.resize(PAGE_SIZE as usize, 0);
    file_header(&mut page, at, count);
    program_headers(&mut page, &dynamic, &find);
    page
}

fn file_header(page: &mut [u8], sections: u64, section_count: u16) {
    let mut w = Writer::new(0);
    w.bytes(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    // ET_DYN, EM_X86_64.
    [3, 62].into_iter().for_each(|v| w.half(v));
    w.words(&[1]);
    w.longs(&[CODE as u64, HEADERS as u64, sections]);
    w.words(&[0]);
    [64, 56, PROGRAM_HEADERS as u16, 64, section_count, section_count - 1]
        .into_iter()
        .for_each(|v| w.half(v));
    page[..HEADERS].copy_from_slice(&w.into_bytes());
}

fn program_headers(page: &mut [u8], dynamic: &Section, frames: &Section) {
    let mut w = Writer::new(0);
    let mut header = |kind, flags, at: u64, len: u64, align| {
        w.words(&[kind, flags]);
        w.longs(&[at, at, at, len, len, align]);
    };
    // PT_LOAD readable and executable, PT_DYNAMIC, PT_GNU_EH_FRAME, PT_GNU_STACK without execution.
    header(1, 5, 0, PAGE_SIZE, PAGE_SIZE);
    header(2, 4, dynamic.at, dynamic.len, 8);
    header(0x6474_e550, 4, frames.at, frames.len, 4);
    header(0x6474_e551, 6, 0, 0, 16);
    let bytes = w.into_bytes();
    page[HEADERS..HEADERS + bytes.len()].copy_from_slice(&bytes);
}

/// `DT_HASH` with two buckets.
fn hash_table(symbols: &[Symbol]) -> Vec<u32> {
    const BUCKETS: u32 = 2;
    let count = symbols.len() as u32 + 1;
    let mut buckets = alloc::vec![0; BUCKETS as usize];
    let mut chains = alloc::vec![0; count as usize];
    for (index, symbol) in (1..count).zip(symbols) {
        let bucket = (symbol.hash.0 % BUCKETS) as usize;
        chains[index as usize] = core::mem::replace(&mut buckets[bucket], index);
    }
    [alloc::vec![BUCKETS, count], buckets, chains].concat()
}

/// `DT_GNU_HASH` with one bucket, in which all symbols are in order.
fn gnu_hash_table(w: &mut Writer, symbols: &[Symbol]) {
    const SHIFT: u32 = 6;
    let bloom = symbols.iter().fold(0_u64, |b, s| b | 1 << (s.hash.1 % 64) | 1 << ((s.hash.1 >> SHIFT) % 64));
    w.words(&[1, 1, 1, SHIFT]);
    w.longs(&[bloom]);
    w.words(&[1]);
    for (n, symbol) in symbols.iter().enumerate() {
        let is_last = n + 1 == symbols.len();
        w.words(&[symbol.hash.1 & !1 | u32::from(is_last)]);
    }
}

fn symbol_table(w: &mut Writer, symbols: &[Symbol]) {
    w.longs(&[0; 3]);
    for s in symbols {
        w.words(&[s.name]);
        // STT_FUNC; STB_WEAK or STB_GLOBAL.
        let binding = if s.weak { 2 } else { 1 };
        w.bytes(&[binding << 4 | 2, 0]);
        w.half(CODE_SECTION);
        w.longs(&[s.at, s.len]);
    }
}

/// Two definitions, each with its name: the image itself and the functions' version.
fn version_table(w: &mut Writer, soname: u32, version: u32) {
    let definitions = [(1, 1, SONAME, soname, 28), (0, VERSION_INDEX, VERSION, version, 0)];
    for (flags, index, name, offset, next) in definitions {
        [1, flags, index, 1].into_iter().for_each(|v| w.half(v));
        w.words(&[elf_hash(name), 20, next, offset, 0]);
    }
}

/// `.eh_frame`: everywhere in the code the return address is where the stack pointer points.
fn frame_table(w: &mut Writer) {
    // Version 1, "zR", alignments 1 and -8, return address in 16, pointers relative and of 32 bits; CFA = rsp + 8, return address below.
    w.words(&[20, 0]);
    w.bytes(&[1, b'z', b'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0]);
    w.words(&[16, 28]);
    let here = w.len() as u32;
    w.words(&[(CODE as u32).wrapping_sub(here), code().len() as u32, 0]);
    w.words(&[0]);
}

/// `.eh_frame_hdr`, by which unwinders at run time find the description of the only range of code.
fn frame_index(w: &mut Writer, frames: &Section) {
    const FIRST_RANGE: u64 = 24;
    let here = w.len() as u64;
    let relative = |to: u64, from: u64| to.wrapping_sub(from) as u32;
    // Version 1; the pointer to the descriptions relative to itself, a count, and a table relative to here.
    w.bytes(&[1, 0x1b, 3, 0x3b]);
    w.words(&[relative(frames.at, here + 4), 1]);
    w.words(&[relative(CODE as u64, here), relative(frames.at + FIRST_RANGE, here)]);
}

#[cfg(test)]
mod tests {
    use object::read::elf::ElfFile64;
    use object::{Object, ObjectSymbol};

    use super::*;

    #[test]
    fn an_elf_reader_finds_the_functions() {
        let page = build();
        assert_eq!(page.len(), 4096);
        let elf = ElfFile64::<object::LittleEndian>::parse(&*page).unwrap();
        let names: Vec<&str> = elf.dynamic_symbols().map(|s| s.name().unwrap()).collect();
        assert_eq!(names.len(), 10);
        for (name, at, len) in functions() {
            let full = alloc::format!("__vdso_{name}");
            let symbol = elf.dynamic_symbols().find(|s| s.name() == Ok(&full)).unwrap();
            assert_eq!((symbol.address(), symbol.size()), (at as u64, len as u64));
        }
    }
}
