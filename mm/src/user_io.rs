//! Guest buffers as sinks and sources of bytes.

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::frame::{FileOffset, FrameStore};
use kcore::io::{IoSink, IoSource};
use kcore::user::UserMemory;
use smallvec::SmallVec;

use crate::space::AddressSpace;

/// One buffer of a guest: address and length in bytes, not known to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iovec {
    /// Where it starts.
    pub addr: GuestAddr,
    /// Its length.
    pub len: u64,
}

impl From<(GuestAddr, u64)> for Iovec {
    fn from((addr, len): (GuestAddr, u64)) -> Iovec {
        Iovec { addr, len }
    }
}

/// The buffers of one call.
pub type IovecList = SmallVec<[Iovec; 4]>;

/// Where in a list of buffers the next byte goes or comes from.
struct Cursor<'a> {
    mm: &'a AddressSpace,
    list: IovecList,
    index: usize,
    within: u64,
    left: u64,
}

impl<'a> Cursor<'a> {
    fn new(mm: &'a AddressSpace, list: IovecList) -> Cursor<'a> {
        let left = list.iter().fold(0u64, |n, v| n.saturating_add(v.len));
        Cursor { mm, list, index: 0, within: 0, left }
    }
    fn remaining(&self) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }
    /// Calls `copy` with pieces of the buffers, until `len` bytes are done or one falls short. Errors: `EFAULT` if that was the first.
    fn advance(
        &mut self,
        len: usize,
        mut copy: impl FnMut(GuestAddr, usize, usize) -> usize,
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while done < len {
            let Some(v) = self.list.get(self.index) else { break };
            let room = v.len - self.within;
            if room == 0 {
                self.index += 1;
                self.within = 0;
                continue;
            }
            let n = usize::try_from(room).unwrap_or(usize::MAX).min(len - done);
            let copied = v.addr.checked_add(self.within).map_or(0, |at| copy(at, done, n));
            done += copied;
            self.within += copied as u64;
            self.left -= copied as u64;
            if copied < n {
                return if done == 0 { Err(Errno::EFAULT) } else { Ok(done) };
            }
        }
        Ok(done)
    }
}

/// Stores bytes in a guest's buffers.
pub struct UserSink<'a>(Cursor<'a>);

impl<'a> UserSink<'a> {
    /// Fills the buffers in order.
    pub fn new(mm: &'a AddressSpace, list: IovecList) -> UserSink<'a> {
        UserSink(Cursor::new(mm, list))
    }
}

impl IoSink for UserSink<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }
    fn write(&mut self, src: &[u8]) -> Result<usize, Errno> {
        let mm = self.0.mm;
        self.0.advance(src.len(), |at, done, n| mm.copy_out(at, &src[done..done + n]))
    }
    fn write_frames(&mut self, store: &dyn FrameStore, at: FileOffset, len: usize) -> Result<usize, Errno> {
        let mm = self.0.mm;
        debug_assert_eq!(store.max_pages(), mm.frames.max_pages(), "one memory file for all");
        self.0.advance(len, |to, done, n| mm.copy_out_frames(to, FileOffset(at.0 + done as u64), n))
    }
    fn write_zeros(&mut self, len: usize) -> Result<usize, Errno> {
        let mm = self.0.mm;
        self.0.advance(len, |at, _, n| mm.zero_out(at, n))
    }
}

/// Loads bytes from a guest's buffers.
pub struct UserSource<'a>(Cursor<'a>);

impl<'a> UserSource<'a> {
    /// Takes from the buffers in order.
    pub fn new(mm: &'a AddressSpace, list: IovecList) -> UserSource<'a> {
        UserSource(Cursor::new(mm, list))
    }
}

impl IoSource for UserSource<'_> {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }
    fn read(&mut self, dst: &mut [u8]) -> Result<usize, Errno> {
        let mm = self.0.mm;
        self.0.advance(dst.len(), |at, done, n| mm.copy_in(at, &mut dst[done..done + n]))
    }
    fn read_frames(&mut self, store: &dyn FrameStore, at: FileOffset, len: usize) -> Result<usize, Errno> {
        let mm = self.0.mm;
        debug_assert_eq!(store.max_pages(), mm.frames.max_pages(), "one memory file for all");
        self.0.advance(len, |from, done, n| mm.copy_in_frames(from, FileOffset(at.0 + done as u64), n))
    }
}
