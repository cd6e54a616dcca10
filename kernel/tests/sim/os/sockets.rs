//! Unix sockets of simulated guests.

use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;

use super::{BUFFER, Os, Sys};

const AF_UNIX: u64 = 1;
const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;

pub const SOCK_STREAM: u64 = 1;
pub const SOCK_DGRAM: u64 = 2;
pub const SOCK_SEQPACKET: u64 = 5;

/// An address in the abstract namespace.
fn abstract_address(name: &str) -> Vec<u8> {
    [b"\x01\0\0", name.as_bytes()].concat()
}

fn long(n: u64) -> [u8; 8] {
    n.to_le_bytes()
}

impl Os {
    pub async fn socketpair(&self, kind: u64) -> (u64, u64) {
        let at = self.args;
        assert_eq!(self.call(nr::socketpair, [AF_UNIX, kind, 0, at]).await, Ok(0));
        let fds = self.words_at(at, 2).await;
        (fds[0].into(), fds[1].into())
    }
    /// A socket that listens at an abstract name.
    pub async fn listen(&self, name: &str, backlog: u64) -> u64 {
        let fd = self.call(nr::socket, [AF_UNIX, SOCK_STREAM, 0]).await.unwrap();
        let address = abstract_address(name);
        let at = self.arg(0, &address).await;
        assert_eq!(self.call(nr::bind, [fd, at, address.len() as u64]).await, Ok(0));
        assert_eq!(self.call(nr::listen, [fd, backlog]).await, Ok(0));
        fd
    }
    /// A datagram socket, bound to an abstract name or connected to one.
    pub async fn datagrams(&self, name: &str, receiver: bool) -> u64 {
        let fd = self.call(nr::socket, [AF_UNIX, SOCK_DGRAM, 0]).await.unwrap();
        let address = abstract_address(name);
        let at = self.arg(0, &address).await;
        let call = if receiver { nr::bind } else { nr::connect };
        assert_eq!(self.call(call, [fd, at, address.len() as u64]).await, Ok(0));
        fd
    }
    pub async fn accept(&self, fd: u64) -> Sys<u64> {
        self.call(nr::accept4, [fd, 0, 0, 0]).await
    }
    pub async fn connect(&self, name: &str) -> Sys<u64> {
        let fd = self.call(nr::socket, [AF_UNIX, SOCK_STREAM, 0]).await?;
        let address = abstract_address(name);
        let at = self.arg(0, &address).await;
        let connected = self.call(nr::connect, [fd, at, address.len() as u64]).await;
        if connected.is_err() {
            self.close(fd).await;
        }
        connected.map(|_| fd)
    }
    /// Sends a byte with a descriptor.
    pub async fn send_fd(&self, socket: u64, fd: u64) -> Sys<u64> {
        let control =
            [&long(20)[..], &SOL_SOCKET.to_le_bytes(), &SCM_RIGHTS.to_le_bytes(), &(fd as u32).to_le_bytes()];
        let control = self.arg(64, &control.concat()).await;
        let header = self.message(control).await;
        self.call(nr::sendmsg, [socket, header, 0]).await
    }
    /// Receives one; `None` at the end of the stream.
    pub async fn recv_fd(&self, socket: u64) -> Sys<Option<u64>> {
        let control = self.arg(64, &[0; 24]).await;
        let header = self.message(control).await;
        if self.call(nr::recvmsg, [socket, header, 0]).await? == 0 {
            return Ok(None);
        }
        let words = self.words_at(control, 5).await;
        assert_eq!((words[0], words[3]), (20, SCM_RIGHTS), "a descriptor comes with the byte");
        Ok(Some(words[4].into()))
    }
    /// A header for one byte at the buffer, with 24 bytes of control data.
    async fn message(&self, control: u64) -> u64 {
        let buffer = self.args + BUFFER;
        self.g.store(GuestAddr(buffer), b"x").await;
        let iov = self.arg(128, &[long(buffer), long(1)].concat()).await;
        let header = [long(0), long(0), long(iov), long(1), long(control), long(24), long(0)];
        self.arg(192, &header.concat()).await
    }
}
