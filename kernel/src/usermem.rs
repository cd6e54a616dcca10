//! Guest buffers as sources and sinks of file data.

use abi::Errno;
use abi::fs::fcntl::Iovec;
use kcore::addr::GuestAddr;
use kcore::user::{ShortString, UserMemory, UserPtr, read_c_string};
use zerocopy::{Immutable, IntoBytes};

use crate::current::CurrentTask;

/// Most bytes that one call reads or writes (`MAX_RW_COUNT`).
pub(crate) const MAX_RW_COUNT: u64 = 0x7fff_f000;
/// Longest path with its terminator.
pub(crate) const PATH_MAX: usize = 4096;
/// Most buffers of one vectored call.
pub(crate) const IOV_MAX: usize = 1024;

impl CurrentTask {
    /// A path argument. Errors: `EFAULT`, `ENAMETOOLONG`.
    pub(crate) fn read_path(&self, ptr: UserPtr<core::ffi::c_char>) -> Result<ShortString, Errno> {
        read_c_string(&**self.task.mm(), ptr.addr(), PATH_MAX)
    }
    /// The buffers of a vectored call, cut at [`MAX_RW_COUNT`]. Errors: `EINVAL` for too many or too long ones, `EFAULT`.
    pub(crate) fn read_iovecs(&self, ptr: UserPtr<Iovec>, count: usize) -> Result<mm::IovecList, Errno> {
        if count > IOV_MAX {
            return Err(Errno::EINVAL);
        }
        let mut left = MAX_RW_COUNT;
        let mut list = mm::IovecList::new();
        let mem = &**self.task.mm();
        for i in 0..count {
            let v = ptr.offset(i)?.read(mem)?;
            if i64::try_from(v.iov_len).is_err() {
                return Err(Errno::EINVAL);
            }
            let len = v.iov_len.min(left);
            left -= len;
            list.push((GuestAddr(v.iov_base), len));
        }
        Ok(list)
    }
    /// Stores a value. Errors: `EFAULT`.
    pub(crate) fn put<T: IntoBytes + Immutable>(&self, addr: GuestAddr, value: &T) -> Result<(), Errno> {
        let bytes = value.as_bytes();
        if self.task.mm().copy_out(addr, bytes) == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }
}
