//! `struct msghdr` in guest memory.

use abi::Errno;
use abi::net::addr::SOCKADDR_STORAGE;
use abi::net::socket::Msghdr;
use kcore::addr::GuestAddr;
use kcore::user::UserPtr;
use mm::IovecList;

use crate::current::CurrentTask;
use crate::usermem::IOV_MAX;

/// The fields of a message's header that calls write back, by their offsets.
pub(super) const NAMELEN_AT: u64 = core::mem::offset_of!(Msghdr, msg_namelen) as u64;
pub(super) const CONTROLLEN_AT: u64 = core::mem::offset_of!(Msghdr, msg_controllen) as u64;
pub(super) const FLAGS_AT: u64 = core::mem::offset_of!(Msghdr, msg_flags) as u64;

/// A message's header, and its buffers.
pub(super) struct Message {
    pub(super) head: Msghdr,
    pub(super) iov: IovecList,
}

impl Message {
    /// Errors: `EFAULT`, `EINVAL` for bad lengths, `EMSGSIZE` for too many buffers, `ENOBUFS` for too much control data.
    pub(super) fn read(cx: &CurrentTask, at: GuestAddr) -> Result<Message, Errno> {
        let mut head = UserPtr::<Msghdr>::new(at).read(&**cx.task.mm())?;
        if head.msg_namelen < 0 {
            return Err(Errno::EINVAL);
        }
        head.msg_namelen = head.msg_namelen.min(i32::try_from(SOCKADDR_STORAGE).unwrap_or(i32::MAX));
        let count = usize::try_from(head.msg_iovlen).ok().filter(|n| *n <= IOV_MAX).ok_or(Errno::EMSGSIZE)?;
        let iov = cx.read_iovecs(UserPtr::new(GuestAddr(head.msg_iov)), count)?;
        Ok(Message { head, iov })
    }
}
