//! Listing directories: [`getdents(2)`](https://man7.org/linux/man-pages/man2/getdents.2.html).

use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::GuestAddr;
use kcore::id::Fd;
use kcore::user::UserMemory;
use vfs::{DirSink, FileKind};

use super::SysResult;
use crate::current::CurrentTask;

/// Most bytes of directory entries that one call gives, whatever the guest asks for.
const MAX_DENTS: u32 = 1 << 20;

/// How records lie in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `struct linux_dirent`: the type is the last byte of the record.
    Old,
    /// `struct linux_dirent64`.
    Large,
}

/// Collects records up to a size.
struct Records {
    bytes: Vec<u8>,
    limit: usize,
    layout: Layout,
    /// An entry did not fit.
    full: bool,
}

impl DirSink for Records {
    fn entry(&mut self, ino: u64, next: u64, kind: FileKind, name: &[u8]) -> bool {
        // Inode number, offset and length; the name, its NUL and the type, in one order or the other; padded to 8.
        let len = (18 + name.len() + 2).next_multiple_of(8);
        let reclen = u16::try_from(len).ok().filter(|_| self.bytes.len() + len <= self.limit);
        let Some(reclen) = reclen else {
            self.full = true;
            return false;
        };
        let end = self.bytes.len() + len;
        self.bytes.extend(ino.to_le_bytes());
        self.bytes.extend(next.to_le_bytes());
        self.bytes.extend(reclen.to_le_bytes());
        if self.layout == Layout::Large {
            self.bytes.push(kind.d_type());
        }
        self.bytes.extend(name);
        self.bytes.resize(end, 0);
        if self.layout == Layout::Old
            && let Some(last) = self.bytes.last_mut()
        {
            *last = kind.d_type();
        }
        true
    }
}

fn list(cx: &CurrentTask, fd: Fd, buf: GuestAddr, size: u32, layout: Layout) -> SysResult {
    let file = cx.task.files().get_open(fd)?;
    let limit = usize::try_from(size.min(MAX_DENTS)).map_err(|_| Errno::EINVAL)?;
    let mut records = Records { bytes: Vec::new(), limit, layout, full: false };
    file.readdir(&mut records)?;
    if records.bytes.is_empty() && records.full {
        return Err(Errno::EINVAL);
    }
    if cx.task.mm().copy_out(buf, &records.bytes) < records.bytes.len() {
        return Err(Errno::EFAULT);
    }
    Ok(records.bytes.len() as u64)
}

/// `getdents(2)`, the older form.
pub(super) fn getdents(cx: &mut CurrentTask, fd: Fd, buf: GuestAddr, size: u32) -> SysResult {
    list(cx, fd, buf, size, Layout::Old)
}

/// `getdents64(2)`.
pub(super) fn getdents64(cx: &mut CurrentTask, fd: Fd, buf: GuestAddr, size: u32) -> SysResult {
    list(cx, fd, buf, size, Layout::Large)
}
