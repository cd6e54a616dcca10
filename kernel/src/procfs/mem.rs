//! What procfs shows of a process's memory: `mem`, `pagemap`, `cmdline`, `environ`, `auxv`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::{GuestAddr, GuestRange, PAGE_SIZE};
use kcore::io::{IoResult, IoSink, IoSource};
use mm::AddressSpace;
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoFile, PseudoNode};
use vfs::{FileOps, OpenFile, Whence};

use super::task::TaskRef;
use crate::task::Resources;

/// Most bytes of arguments or environment that are shown.
const MAX_STRINGS: u64 = 4 << 20;

fn read_range(mm: &AddressSpace, start: GuestAddr, end: GuestAddr) -> Vec<u8> {
    let len = end.0.saturating_sub(start.0).min(MAX_STRINGS);
    let mut buf = alloc::vec![0; usize::try_from(len).unwrap_or(0)];
    let n = mm.copy_in_unchecked_prot(start, &mut buf);
    buf.truncate(n);
    buf
}

fn read_whole(mm: &AddressSpace, range: GuestRange) -> Vec<u8> {
    read_range(mm, range.start(), range.end())
}

/// `cmdline`: the arguments. A program that wrote a title over them, without a NUL where they ended, shows it up to the first NUL.
pub(super) fn cmdline(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let Some(mm) = of.mm() else { return Ok(Vec::new()) };
    let (args, env) = (mm.arg_range(), mm.env_range());
    let text = read_whole(&mm, args);
    if text.last().is_none_or(|b| *b == 0) {
        return Ok(text);
    }
    let end = if env.start() == args.end() { env.end() } else { args.end() };
    let mut title = read_range(&mm, args.start(), end);
    if let Some(nul) = title.iter().position(|b| *b == 0) {
        title.truncate(nul + 1);
    }
    Ok(title)
}

/// `environ`.
pub(super) fn environ(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    Ok(of.mm().map_or_else(Vec::new, |mm| read_whole(&mm, mm.env_range())))
}

/// `auxv`.
pub(super) fn auxv(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let words = of.resources().and_then(Resources::image).map(|i| i.auxv());
    Ok(words.iter().flat_map(|w| w.iter()).flat_map(|w| w.to_le_bytes()).collect())
}

/// `mem`.
pub(super) fn node(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(Memory { of: of.clone(), map: false })
}

/// `pagemap`.
pub(super) fn pagemap(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(Memory { of: of.clone(), map: true })
}

struct Memory {
    of: TaskRef,
    map: bool,
}

impl PseudoFile for Memory {
    fn open(self: Arc<Self>, _: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        self.of.check_access(caller)?;
        // A file opened before an exec keeps showing the old program's memory.
        let mm = self.of.mm();
        Ok(if self.map { Arc::new(OpenPagemap(mm)) } else { Arc::new(OpenMem(mm)) })
    }
    fn attr(&self) -> PseudoAttr {
        self.of.owner(if self.map { 0o400 } else { 0o600 })
    }
    fn alive(&self) -> bool {
        self.of.alive()
    }
}

/// Positions of memory files are addresses: any number is one.
fn seek(pos: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
    match whence {
        Whence::Set => Ok(off.cast_unsigned()),
        Whence::Cur => Ok(pos.wrapping_add_signed(off)),
        _ => Err(Errno::EINVAL),
    }
}

/// Bytes moved at once.
const CHUNK: usize = 4096;

struct OpenMem(Option<Arc<AddressSpace>>);

impl FileOps for OpenMem {
    fn seekable(&self) -> bool {
        true
    }
    fn seek(&self, _: &OpenFile, pos: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
        seek(pos, whence, off)
    }
    fn read(&self, _: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        let Some(mm) = &self.0 else { return Ok(0) };
        let (mut buf, mut done) = ([0; CHUNK], 0);
        while dst.remaining() > 0 {
            let at = at.unwrap_or(0).checked_add(done as u64).map(GuestAddr);
            let want = dst.remaining().min(CHUNK);
            let got = at.map_or(0, |at| mm.copy_in_unchecked_prot(at, &mut buf[..want]));
            if got == 0 {
                break;
            }
            let taken = dst.write(&buf[..got])?;
            done += taken;
            if taken < want {
                break;
            }
        }
        if done == 0 && dst.remaining() > 0 { Err(Errno::EIO.into()) } else { Ok(done) }
    }
    fn write(&self, _: &OpenFile, at: Option<u64>, src: &mut dyn IoSource) -> IoResult<usize> {
        let Some(mm) = &self.0 else { return Ok(0) };
        let (mut buf, mut done) = ([0; CHUNK], 0);
        while src.remaining() > 0 {
            let at = at.unwrap_or(0).checked_add(done as u64).map(GuestAddr);
            let n = match src.read(&mut buf) {
                Ok(n) => n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e.into()),
            };
            let put = at.map_or(0, |at| mm.copy_out_force(at, &buf[..n]));
            done += put;
            if put < n {
                return if done == 0 { Err(Errno::EIO.into()) } else { Ok(done) };
            }
        }
        Ok(done)
    }
}

/// The bits of an entry that are told; frame numbers are nobody's business.
const PRESENT: u64 = 1 << 63;
const FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;

struct OpenPagemap(Option<Arc<AddressSpace>>);

impl FileOps for OpenPagemap {
    fn seekable(&self) -> bool {
        true
    }
    fn seek(&self, _: &OpenFile, pos: u64, whence: Whence, off: i64) -> Result<u64, Errno> {
        seek(pos, whence, off)
    }
    fn read(&self, _: &OpenFile, at: Option<u64>, dst: &mut dyn IoSink) -> IoResult<usize> {
        const ENTRY: usize = 8;
        let Some(mm) = &self.0 else { return Ok(0) };
        let at = at.unwrap_or(0);
        if !at.is_multiple_of(8) || !dst.remaining().is_multiple_of(ENTRY) {
            return Err(Errno::EINVAL.into());
        }
        let Some(start) = (at / 8).checked_mul(PAGE_SIZE) else { return Ok(0) };
        let entries = (dst.remaining() / ENTRY).min(CHUNK);
        let bits = |on, bit| if on { bit } else { 0 };
        let states = mm.page_states(GuestAddr(start), entries);
        let words = states.iter().map(|p| {
            bits(p.present, PRESENT) | bits(p.file, FILE) | bits(p.present && p.exclusive, EXCLUSIVE)
        });
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        Ok(if bytes.is_empty() { 0 } else { dst.write(&bytes)? })
    }
}
