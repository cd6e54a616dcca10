//! The bytes in a pipe: a queue of page-sized segments, without locks, counts of ends or waiting.
//!
//! Like Linux's, a pipe's size is a number of segments, and a small write never shares a segment with the part of another one:
//! that is what makes writes of up to [`PIPE_BUF`] bytes atomic, `pipe(7)`.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::io::{IoSink, IoSource};

/// Bytes in a segment.
pub const SEGMENT: usize = 4096;
/// Writes of up to this many bytes are atomic.
pub const PIPE_BUF: usize = 4096;
/// Bytes that a new pipe holds.
pub const DEFAULT_SIZE: usize = 16 * SEGMENT;
/// Spare pages kept for the next write.
const SPARES: usize = 2;

type Page = Arc<[u8; SEGMENT]>;

/// A run of bytes in a page that other rings may share (after `tee`).
#[derive(Clone, Debug)]
pub struct Segment {
    page: Page,
    start: usize,
    end: usize,
    packet: bool,
    gift: bool,
}

impl Segment {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.page[self.start..self.end]
    }
    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.end - self.start
    }
    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
    /// A segment of its own with a copy of the first [`SEGMENT`] bytes of `bytes`.
    pub fn from_bytes(bytes: &[u8], packet: bool) -> Segment {
        let mut page = [0; SEGMENT];
        let end = bytes.len().min(SEGMENT);
        page[..end].copy_from_slice(&bytes[..end]);
        Segment { page: Arc::new(page), start: 0, end, packet, gift: true }
    }
    /// Drops the first `n` bytes.
    pub fn advance(&mut self, n: usize) {
        self.start += n.min(self.len());
    }
    /// The first `n` bytes, on the same page.
    fn prefix(&self, n: usize) -> Segment {
        // Nothing is merged behind a part of a segment, as Linux clears PIPE_BUF_FLAG_CAN_MERGE.
        Segment { end: self.start + n.min(self.len()), gift: true, ..self.clone() }
    }
}

/// The bytes in a pipe.
#[derive(Debug)]
pub struct Ring {
    segments: VecDeque<Segment>,
    slots: usize,
    bytes: usize,
    spare: Vec<Page>,
}

impl Default for Ring {
    fn default() -> Self {
        Ring::new(DEFAULT_SIZE / SEGMENT)
    }
}

impl Ring {
    /// An empty ring of `slots` segments, at least one.
    pub fn new(slots: usize) -> Ring {
        Ring { segments: VecDeque::new(), slots: slots.max(1), bytes: 0, spare: Vec::new() }
    }
    /// Bytes that wait to be read.
    pub fn len(&self) -> usize {
        self.bytes
    }
    /// Whether no bytes wait.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
    /// Whether no segment is free: a small write would wait unless it fits behind the last one.
    pub fn is_full(&self) -> bool {
        self.segments.len() >= self.slots
    }
    /// Segments that are free.
    pub fn free_slots(&self) -> usize {
        self.slots.saturating_sub(self.segments.len())
    }
    /// The size in bytes.
    pub fn size(&self) -> usize {
        self.slots * SEGMENT
    }
    /// Sets the number of segments.
    ///
    /// Errors: `EBUSY` if more are in use.
    pub fn resize(&mut self, slots: usize) -> Result<(), Errno> {
        if slots < self.segments.len().max(1) {
            return Err(Errno::EBUSY);
        }
        self.slots = slots;
        Ok(())
    }

    fn blank(&mut self) -> Page {
        self.spare.pop().unwrap_or_else(|| Arc::new([0; SEGMENT]))
    }

    fn retire(&mut self, mut segment: Segment) {
        if self.spare.len() < SPARES && Arc::get_mut(&mut segment.page).is_some() {
            self.spare.push(segment.page);
        }
    }

    /// Takes bytes from `src` while there are free segments; `packet` makes each segment a packet of its own, `O_DIRECT`.
    /// Returns how many bytes; zero if there is no room or `src` is empty.
    ///
    /// Errors: `EFAULT` if nothing could be loaded.
    pub fn fill(&mut self, src: &mut dyn IoSource, packet: bool) -> Result<usize, Errno> {
        let mut done = 0;
        let odd = src.remaining() % SEGMENT;
        if odd > 0 && !packet {
            done += self.merge(src, odd)?;
            if done > 0 && done < odd {
                return Ok(done);
            }
        }
        while src.remaining() > 0 && !self.is_full() {
            let want = src.remaining().min(SEGMENT);
            let mut page = self.blank();
            let got = match Arc::get_mut(&mut page).map(|p| src.read(&mut p[..want])) {
                Some(Ok(n)) => n,
                Some(Err(_)) if done > 0 => break,
                Some(Err(e)) => return Err(e),
                None => 0, // A spare page is never shared.
            };
            if got > 0 {
                self.push(Segment { page, start: 0, end: got, packet, gift: false });
            }
            done += got;
            if got < want {
                break;
            }
        }
        Ok(done)
    }

    /// Puts the first `n` bytes of `src` behind those of the last segment if they all fit.
    fn merge(&mut self, src: &mut dyn IoSource, n: usize) -> Result<usize, Errno> {
        let Some(last) = self.segments.back_mut() else { return Ok(0) };
        if last.packet || last.gift || last.end + n > SEGMENT {
            return Ok(0);
        }
        let end = last.end;
        let Some(page) = Arc::get_mut(&mut last.page) else { return Ok(0) };
        let got = src.read(&mut page[end..end + n])?;
        last.end += got;
        self.bytes += got;
        Ok(got)
    }

    /// Gives bytes to `dst`, at most `limit`, and at most one packet. Returns how many bytes left the ring for `dst`;
    /// what `dst` could not take of a packet is lost.
    ///
    /// Errors: `EFAULT` if nothing could be stored.
    pub fn drain(&mut self, dst: &mut dyn IoSink, limit: usize) -> Result<usize, Errno> {
        let mut done = 0;
        while done < limit && dst.remaining() > 0 {
            let Some(first) = self.segments.front_mut() else { break };
            let want = first.len().min(limit - done).min(dst.remaining());
            let got = match dst.write(&first.page[first.start..first.start + want]) {
                Ok(n) => n,
                Err(_) if done > 0 => break,
                Err(e) => return Err(e),
            };
            done += got;
            let packet = first.packet;
            first.start += got;
            self.bytes -= got;
            if packet || first.is_empty() {
                self.drop_front();
            }
            if packet || got < want {
                break;
            }
        }
        Ok(done)
    }

    fn drop_front(&mut self) {
        if let Some(s) = self.segments.pop_front() {
            self.bytes -= s.len();
            self.retire(s);
        }
    }

    /// Adds a segment. The caller has checked [`Ring::is_full`].
    pub fn push(&mut self, segment: Segment) {
        self.bytes += segment.len();
        self.segments.push_back(segment);
    }

    /// Puts back what [`Ring::take`] took, or what is left of it.
    pub fn unread(&mut self, segment: Segment) {
        self.bytes += segment.len();
        self.segments.push_front(segment);
    }

    /// Takes the first segment, or the first `limit` bytes of it if it is longer.
    pub fn take(&mut self, limit: usize) -> Option<Segment> {
        let first = self.segments.front_mut()?;
        if limit == 0 {
            return None;
        }
        if first.len() <= limit {
            let s = self.segments.pop_front()?;
            self.bytes -= s.len();
            return Some(s);
        }
        let part = first.prefix(limit);
        first.start += limit;
        self.bytes -= limit;
        Some(part)
    }

    /// Copies references to the first segments, of at most `limit` bytes and `max` segments, without taking them: `tee(2)`.
    pub fn peek(&self, limit: usize, max: usize) -> Vec<Segment> {
        let mut left = limit;
        let mut out = Vec::new();
        for s in self.segments.iter().take(max) {
            if left == 0 {
                break;
            }
            let part = s.prefix(left);
            left -= part.len();
            out.push(part);
        }
        out
    }

    /// The bytes of the first segment.
    pub fn front(&self) -> Option<&[u8]> {
        self.segments.front().map(Segment::bytes)
    }

    /// Drops the first `n` bytes.
    pub fn consume(&mut self, mut n: usize) {
        while n > 0 {
            let Some(first) = self.segments.front_mut() else { return };
            let k = first.len().min(n);
            first.start += k;
            self.bytes -= k;
            n -= k;
            if first.is_empty() {
                self.drop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use kcore::io::{SliceSource, VecSink};

    fn put(r: &mut Ring, b: &[u8], packet: bool) -> usize {
        r.fill(&mut SliceSource::new(b), packet).unwrap()
    }
    fn get(r: &mut Ring, n: usize) -> Vec<u8> {
        let mut s = VecSink::new(n);
        r.drain(&mut s, usize::MAX).unwrap();
        s.into_vec()
    }

    #[test]
    fn small_writes_merge() {
        let mut r = Ring::new(1);
        assert_eq!(put(&mut r, b"ab", false), 2);
        assert_eq!(put(&mut r, b"cd", false), 2);
        assert!(r.is_full());
        assert_eq!(get(&mut r, 3), b"abc");
        assert_eq!(get(&mut r, 3), b"d");
        assert!(r.is_empty() && r.is_empty());
    }

    #[test]
    fn small_writes_are_whole_or_nothing() {
        let mut r = Ring::new(1);
        assert_eq!(put(&mut r, &[1; 4000], false), 4000);
        assert_eq!(put(&mut r, &[2; 97], false), 0);
        assert_eq!(put(&mut r, &[2; 96], false), 96);
        assert_eq!(r.len(), 4096);
    }

    #[test]
    fn large_writes_are_partial() {
        let mut r = Ring::new(2);
        assert_eq!(put(&mut r, &[7; 10000], false), 8192);
        assert_eq!(r.resize(1), Err(Errno::EBUSY));
        assert_eq!(get(&mut r, 20000), vec![7; 8192]);
    }

    #[test]
    fn packets_keep_their_borders_and_lose_their_tails() {
        let mut r = Ring::new(4);
        put(&mut r, b"hello", true);
        put(&mut r, b"world", true);
        assert_eq!(get(&mut r, 2), b"he");
        assert_eq!(get(&mut r, 100), b"world");
        assert!(r.is_empty() && r.is_empty());
    }

    #[test]
    fn shared_pages_do_not_merge() {
        let mut a = Ring::new(4);
        put(&mut a, b"xy", false);
        let mut b = Ring::new(4);
        for s in a.peek(10, 4) {
            b.push(s);
        }
        put(&mut a, b"z", false);
        put(&mut b, b"w", false);
        assert_eq!(get(&mut a, 10), b"xyz");
        assert_eq!(get(&mut b, 10), b"xyw");
    }
}
