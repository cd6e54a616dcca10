//! Flags of messages.

use abi::net::socket::*;

bitflags::bitflags! {
    /// Flags of `send(2)` and `recv(2)`, and those that come with what was received. Linux ignores unknown ones.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MsgFlags: u32 {
        /// Urgent data.
        const OOB = MSG_OOB;
        /// Leave the message where it is.
        const PEEK = MSG_PEEK;
        /// Control data was cut.
        const CTRUNC = MSG_CTRUNC;
        /// The message was cut; to `recv(2)`: report its real length.
        const TRUNC = MSG_TRUNC;
        /// Do not wait.
        const DONTWAIT = MSG_DONTWAIT;
        /// End of a record.
        const EOR = MSG_EOR;
        /// Wait for all of it.
        const WAITALL = MSG_WAITALL;
        /// Queued errors.
        const ERRQUEUE = MSG_ERRQUEUE;
        /// No `SIGPIPE`.
        const NOSIGNAL = MSG_NOSIGNAL;
        /// To `recvmmsg(2)`: wait for the first message only.
        const WAITFORONE = MSG_WAITFORONE;
        /// Close descriptors that come along at `execve(2)`.
        const CMSG_CLOEXEC = MSG_CMSG_CLOEXEC;
    }
}
