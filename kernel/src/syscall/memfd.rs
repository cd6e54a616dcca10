//! [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).

use core::ffi::c_char;

use abi::Errno;
use abi::fs::fcntl::{
    F_SEAL_EXEC, F_SEAL_SEAL, MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_HUGETLB, MFD_NOEXEC_SEAL,
};
use kcore::io::IoError;
use kcore::user::{UserPtr, read_c_string};
use vfs::consts::{O_LARGEFILE, O_RDWR};

use super::SysResult;
use crate::current::CurrentTask;

/// Longest name with its terminator: a file name without `memfd:`.
const NAME_MAX: usize = 250;

/// `memfd_create(2)`. Errors: `EINVAL` for unknown or contradicting flags or a long name, `EFAULT`, `EMFILE`; `ENOSYS` for
/// `MFD_HUGETLB`, as without huge pages.
pub(super) fn memfd_create(cx: &mut CurrentTask, name: UserPtr<c_char>, flags: u32) -> SysResult {
    if flags & MFD_HUGETLB != 0 {
        return Err(Errno::ENOSYS);
    }
    if flags & !(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC) != 0
        || flags & MFD_EXEC != 0 && flags & MFD_NOEXEC_SEAL != 0
    {
        return Err(Errno::EINVAL);
    }
    let given = read_c_string(&**cx.task.mm(), name.addr(), NAME_MAX).map_err(|e| match e {
        Errno::ENAMETOOLONG => Errno::EINVAL,
        e => e,
    })?;
    let (mode, seals) = match flags {
        f if f & MFD_NOEXEC_SEAL != 0 => (0o666, F_SEAL_EXEC),
        f if f & MFD_ALLOW_SEALING != 0 => (0o777, 0),
        _ => (0o777, F_SEAL_SEAL),
    };
    let cred = cx.task.cred();
    let name = [b"memfd:", &given[..]].concat();
    let memfds = cx.kernel().memfds()?;
    let inode = memfds.fs.memfd(cred.fsuid, cred.fsgid, mode, seals)?;
    let flags_of_file = O_RDWR | O_LARGEFILE;
    let file = vfs::ops::open_unlisted(&memfds.mount, inode, &name, flags_of_file).map_err(IoError::errno)?;
    cx.install(file, flags & MFD_CLOEXEC != 0)
}
