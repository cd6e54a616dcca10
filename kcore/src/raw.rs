//! Bytes that are not Rust's own.

use core::marker::PhantomData;

/// A piece of this process's memory that others may change at any moment, such as guest memory: for the host to read into, or to write
/// from, without a buffer in between. There is never a Rust reference to the bytes; access is by copies.
///
/// ```
/// use kcore::raw::RawBytes;
///
/// let mut buf = [0; 4];
/// let piece = RawBytes::of(&mut buf);
/// piece.write(1, b"ab");
/// assert_eq!((piece.len(), &buf), (4, b"\0ab\0"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RawBytes<'a> {
    start: *mut u8,
    len: usize,
    life: PhantomData<&'a mut [u8]>,
}

impl<'a> RawBytes<'a> {
    /// `len` bytes from `start`.
    ///
    /// # Safety
    ///
    /// They stay mapped, readable and writable, during `'a`, and there are no Rust references to them meanwhile.
    pub unsafe fn new(start: *mut u8, len: usize) -> RawBytes<'a> {
        RawBytes { start, len, life: PhantomData }
    }
    /// Those of `bytes`.
    pub fn of(bytes: &'a mut [u8]) -> RawBytes<'a> {
        RawBytes { start: bytes.as_mut_ptr(), len: bytes.len(), life: PhantomData }
    }
    /// Where they are.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.start
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Those from `from` on. Panics if there are fewer.
    #[must_use]
    pub fn skip(&self, from: usize) -> RawBytes<'a> {
        assert!(from <= self.len, "beyond the bytes");
        // SAFETY: the result is a part of the same bytes, as just checked.
        let start = unsafe { self.start.add(from) };
        RawBytes { start, len: self.len - from, life: PhantomData }
    }
    /// Copies `src` to `at`. Panics if it does not fit.
    pub fn write(&self, at: usize, src: &[u8]) {
        let to = self.skip(at);
        assert!(src.len() <= to.len, "beyond the bytes");
        // SAFETY: the bytes are there, by the contract of `new`, and nobody has references to them, so `src` is not among them.
        unsafe { core::ptr::copy_nonoverlapping(src.as_ptr(), to.start, src.len()) }
    }
    /// Copies from `at` to `dst`. Panics if there is not so much.
    pub fn read(&self, at: usize, dst: &mut [u8]) {
        let from = self.skip(at);
        assert!(dst.len() <= from.len, "beyond the bytes");
        // SAFETY: as in `write`, the other way round; whatever is read is a valid u8.
        unsafe { core::ptr::copy_nonoverlapping(from.start.cast_const(), dst.as_mut_ptr(), dst.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_copied_in_and_out() {
        let mut buf = *b"0123456789";
        let piece = RawBytes::of(&mut buf).skip(2);
        piece.write(1, b"ab");
        let mut got = [0; 4];
        piece.read(0, &mut got);
        assert_eq!((&got, piece.len(), piece.skip(8).is_empty()), (b"2ab5", 8, true));
        assert_eq!(&buf, b"012ab56789");
    }
    #[test]
    #[should_panic(expected = "beyond the bytes")]
    fn a_copy_stays_inside() {
        RawBytes::of(&mut [0; 4]).skip(2).write(1, b"ab");
    }
}
