//! Content of files, read to where it is wanted and written from where it is.

use std::os::fd::{AsRawFd, BorrowedFd};

use abi::Errno;
use kcore::raw::RawBytes;

use super::last_errno;

/// [`pread(2)`](https://man7.org/linux/man-pages/man2/pread.2.html) of `file` at `at`, into memory that others may change meanwhile: 0 at
/// the end.
///
/// Errors: as there; `EINVAL` for an offset that the host does not know.
pub fn pread(file: BorrowedFd<'_>, dst: RawBytes<'_>, at: u64) -> Result<usize, Errno> {
    let at = libc::off_t::try_from(at).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the bytes are there and writable, and nobody has references to them, as `RawBytes` promises.
    let n = unsafe { libc::pread(file.as_raw_fd(), dst.as_mut_ptr().cast(), dst.len(), at) };
    usize::try_from(n).map_err(|_| last_errno())
}

/// [`pwrite(2)`](https://man7.org/linux/man-pages/man2/pwrite.2.html) to `file` at `at`, from memory that others may change meanwhile.
///
/// Errors: as there; `EINVAL` for an offset that the host does not know.
pub fn pwrite(file: BorrowedFd<'_>, src: RawBytes<'_>, at: u64) -> Result<usize, Errno> {
    let at = libc::off_t::try_from(at).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the bytes are there and readable, as `RawBytes` promises.
    let n = unsafe { libc::pwrite(file.as_raw_fd(), src.as_mut_ptr().cast(), src.len(), at) };
    usize::try_from(n).map_err(|_| last_errno())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn reads_what_was_written() {
        let path = std::env::temp_dir().join(format!("picket-content-{}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut buf = [*b"6789", *b"0123", *b"45.."].concat();
        let all = RawBytes::of(&mut buf);
        assert_eq!(pwrite(file.as_fd(), all, 0), Ok(12));
        assert_eq!(pwrite(file.as_fd(), all.skip(4), 0), Ok(8));
        assert_eq!(pwrite(file.as_fd(), all, u64::MAX), Err(Errno::EINVAL));
        let mut buf = [0; 4];
        for (at, n) in [(2, Ok(4)), (10, Ok(2)), (12, Ok(0)), (u64::MAX, Err(Errno::EINVAL))] {
            assert_eq!(pread(file.as_fd(), RawBytes::of(&mut buf), at), n, "at {at}");
        }
        assert_eq!(&buf, b"..45");
    }
}
