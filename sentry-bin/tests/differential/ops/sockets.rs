//! Operations on unix sockets.

use abi::fs::poll;

use super::Arg::{Bits, Named, Of, Path, Slot, UpTo};
use super::{Spec, call, op};

/// Stream, datagram, sequenced packets; close on exec; one that there is not.
const TYPES: super::Arg = Of(&[1, 1, 2, 5, 0o2000001, 3, 9]);
const SIZES: super::Arg = Of(&[100, 10, 0, 1, 5000]);
/// Peek, truncate, wait for all.
const FLAGS: super::Arg = Of(&[0, 0, 0, 2, 0x20, 0x100, 0x22]);
/// Type, error, peer's and own credentials, listening, reuse, times, sizes, domain, mark, broadcast, keepalive, linger, nonsense.
const OPTIONS: super::Arg = Of(&[3, 4, 17, 16, 30, 2, 39, 38, 5, 6, 9, 42, 59, 999]);

pub(super) const OPS: &[Spec] = &[
    op("socketpair", call::socketpair, 12, &[Slot, Slot, TYPES]),
    op("socket", call::socket, 6, &[Slot, TYPES]),
    op("bind", call::bind, 6, &[Slot, Path]),
    op("connect", call::connect, 6, &[Slot, Path]),
    op("listen", call::listen, 5, &[Slot, Of(&[5, 0, 1, -1])]),
    op("accept", call::accept4, 5, &[Slot, Slot, Of(&[0, 0o2000000])]),
    op("shutdown", call::shutdown, 2, &[Slot, UpTo(3)]),
    op("sockname", call::getsockname, 2, &[Slot]),
    op("peername", call::getpeername, 2, &[Slot]),
    op("send", call::sendto, 10, &[Slot, SIZES, UpTo(200), Of(&[0, 0, 0, 0x80, 0x8000])]),
    op("send_to", call::sendto, 3, &[Slot, Path, SIZES]),
    op("recv", call::recvfrom, 10, &[Slot, SIZES, FLAGS]),
    op("send_fd", call::sendmsg, 5, &[Slot, Slot, Of(&[10, 0, 1])]),
    op("recv_msg", call::recvmsg, 8, &[Slot, Slot, SIZES, FLAGS, Of(&[256, 0, 16, 24, 20])]),
    op("getsockopt", call::getsockopt, 3, &[Slot, OPTIONS, Of(&[16, 4, 2, 0])]),
    op("setsockopt", call::setsockopt, 3, &[Slot, OPTIONS, Of(&[1, 0, 5000]), Of(&[4, 16, 2])]),
    op("read", call::read, 4, &[Slot, SIZES]),
    op("write", call::write, 4, &[Slot, SIZES, UpTo(200)]),
    op(
        "poll",
        call::poll,
        5,
        &[Slot, Bits(&[0x1, 0x2, 0x4, 0x2000], poll::POLL_EVENTS), Slot, Of(&[5, 0x2005])],
    ),
    op("fionread", call::ioctl, 2, &[Slot]),
    op("close", call::close, 5, &[Slot]),
    op("unlink", call::unlink, 2, &[Path]),
    op("fork", call::clone, 3, &[Of(&[0]), UpTo(4), Of(&[0])]),
    op("splice", call::splice, 1, &[Slot, Of(&[-1, 0]), Slot, Of(&[-1, 0]), SIZES]),
    op("pipe", call::pipe2, 1, &[Slot, Slot, Of(&[0])]),
    op("sendfile", call::sendfile, 1, &[Slot, Slot, Of(&[-1, 0, 50]), SIZES]),
    op("epoll_create", call::epoll_create1, 1, &[Slot, Of(&[0])]),
    op(
        "epoll_ctl",
        call::epoll_ctl,
        3,
        &[Slot, Named(&[1, 2, 3], poll::EPOLL_OPS), Slot, Of(&[0x5, 0x2005, 1 << 31 | 5])],
    ),
    op("epoll_wait", call::epoll_wait, 2, &[Slot, Of(&[8])]),
];
