//! System calls for simulated guests: what a C library is to machine code.

mod events;
mod futex;
mod signals;
mod sockets;
mod threads;

use abi::Errno;
use abi::nr::x86_64 as nr;
use kcore::addr::GuestAddr;
use platform::sim::{Guest, Rng};

pub use events::{EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT};
pub use futex::{Cond, Mutex, Word};
pub use signals::*;
pub use sockets::{SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};

/// Bytes of the area for arguments.
const ARGS: u64 = 0x2000;
/// Where in it data goes, after structures.
const BUFFER: u64 = 0x1000;

pub const O_NONBLOCK: u64 = 0o4000;
pub const O_CLOEXEC: u64 = 0o2_000_000;
pub const WNOHANG: u64 = 1;
pub const WUNTRACED: u64 = 2;
pub const WCONTINUED: u64 = 8;

/// A guest with some stack for the arguments of its system calls.
#[derive(Clone)]
pub struct Os {
    pub g: Guest,
    args: u64,
}

pub type Sys<T> = Result<T, Errno>;

/// The words that bytes are.
pub fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect()
}

/// A `struct timespec`.
pub fn timespec(ns: u64) -> [u8; 16] {
    let mut t = [0; 16];
    t[..8].copy_from_slice(&(ns / 1_000_000_000).to_le_bytes());
    t[8..].copy_from_slice(&(ns % 1_000_000_000).to_le_bytes());
    t
}

impl Os {
    /// A closure that begins calls this once.
    pub async fn begin(g: Guest) -> Os {
        let args = g.reserve(ARGS).await.0;
        Os { g, args }
    }
    /// Numbers that follow from the seed and `salt`.
    pub fn rng(&self, salt: u64) -> Rng {
        Rng::new(self.g.sim().seed().rotate_left(32) ^ salt)
    }
    /// Makes a system call with plain numbers.
    pub async fn call<const N: usize>(&self, nr: u32, args: [u64; N]) -> Sys<u64> {
        self.g.syscall(nr, args).await
    }
    /// Stores an argument at `offset` of the area for arguments; returns its address.
    pub async fn arg(&self, offset: u64, bytes: &[u8]) -> u64 {
        assert!(offset + bytes.len() as u64 <= BUFFER);
        self.g.store(GuestAddr(self.args + offset), bytes).await;
        self.args + offset
    }
    async fn words_at(&self, at: u64, n: usize) -> Vec<u32> {
        words(&self.g.load(GuestAddr(at), 4 * n).await)
    }

    pub async fn write(&self, fd: u64, bytes: &[u8]) -> Sys<usize> {
        assert!(bytes.len() as u64 <= ARGS - BUFFER);
        let at = self.args + BUFFER;
        self.g.store(GuestAddr(at), bytes).await;
        self.call(nr::write, [fd, at, bytes.len() as u64]).await.map(|n| n as usize)
    }
    /// Writes all of it, however many calls that takes.
    pub async fn write_all(&self, fd: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            match self.write(fd, &bytes[done..]).await {
                Ok(n) => done += n,
                Err(Errno::EINTR) => {}
                Err(e) => panic!("write: {e:?}"),
            }
        }
    }
    pub async fn read(&self, fd: u64, len: usize) -> Sys<Vec<u8>> {
        assert!(len as u64 <= ARGS - BUFFER);
        let at = self.args + BUFFER;
        let n = self.call(nr::read, [fd, at, len as u64]).await?;
        Ok(self.g.load(GuestAddr(at), n as usize).await)
    }
    /// Reads exactly so many bytes, or fewer at the end of the file.
    pub async fn read_exact(&self, fd: u64, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < len {
            match self.read(fd, len - all.len()).await {
                Ok(b) if b.is_empty() => break,
                Ok(b) => all.extend(b),
                Err(Errno::EINTR) => {}
                Err(e) => panic!("read: {e:?}"),
            }
        }
        all
    }
    pub async fn print(&self, text: &str) {
        assert_eq!(self.write(1, text.as_bytes()).await, Ok(text.len()));
    }
    pub async fn close(&self, fd: u64) {
        assert_eq!(self.call(nr::close, [fd]).await, Ok(0));
    }
    /// The reading and the writing end.
    pub async fn pipe(&self, flags: u64) -> (u64, u64) {
        let at = self.args;
        assert_eq!(self.call(nr::pipe2, [at, flags]).await, Ok(0));
        let fds = self.words_at(at, 2).await;
        (fds[0].into(), fds[1].into())
    }
    pub async fn getpid(&self) -> u64 {
        self.call(nr::getpid, []).await.unwrap()
    }
    pub async fn gettid(&self) -> u64 {
        self.call(nr::gettid, []).await.unwrap()
    }
    pub async fn sleep(&self, ns: u64) -> Sys<u64> {
        let at = self.arg(0, &timespec(ns)).await;
        self.call(nr::nanosleep, [at, 0]).await
    }
    /// Nanoseconds on `CLOCK_MONOTONIC`.
    pub async fn now(&self) -> u64 {
        let at = self.args;
        assert_eq!(self.call(nr::clock_gettime, [1, at]).await, Ok(0));
        let secs = self.g.load_u64(GuestAddr(at)).await;
        secs * 1_000_000_000 + self.g.load_u64(GuestAddr(at + 8)).await
    }
    /// Memory that processes made from now on share.
    pub async fn map_shared(&self, len: u64) -> GuestAddr {
        const SHARED_ANONYMOUS: u64 = 0x21;
        GuestAddr(self.call(nr::mmap, [0, len, 3, SHARED_ANONYMOUS, u64::MAX, 0]).await.unwrap())
    }

    /// Opens a file for reading and writing, and makes it if there is none.
    pub async fn create(&self, path: &str) -> u64 {
        const CREATE_READ_WRITE: u64 = 0o102;
        let at = self.arg(0, &[path.as_bytes(), b"\0"].concat()).await;
        self.call(nr::open, [at, CREATE_READ_WRITE, 0o600]).await.unwrap()
    }
    /// Puts a program into the file system.
    pub async fn install<F, Fut>(&self, path: &str, main: F)
    where
        F: Fn(Guest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        const CREATE_FOR_WRITING: u64 = 0o101;
        let at = self.arg(0, &[path.as_bytes(), b"\0"].concat()).await;
        let fd = self.call(nr::open, [at, CREATE_FOR_WRITING, 0o755]).await.unwrap();
        self.write_all(fd, &self.g.sim().program(main)).await;
        self.close(fd).await;
    }
    /// `execve(2)`; returns only if that fails.
    pub async fn exec(&self, path: &str) -> Errno {
        let at = self.arg(0, &[path.as_bytes(), b"\0"].concat()).await;
        self.call(nr::execve, [at, 0, 0]).await.expect_err("it does not return")
    }
    /// Makes a process that runs `child`. Returns its number.
    pub async fn fork<F, Fut>(&self, child: F) -> u64
    where
        F: FnOnce(Os) -> Fut + Send + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        let args = self.args;
        self.g.make_process(nr::fork, [], move |g| child(Os { g, args })).await.unwrap()
    }
    /// `vfork(2)`: the child has the memory of its parent, who waits until it executes a program or ends.
    pub async fn vfork<F, Fut>(&self, child: F) -> u64
    where
        F: FnOnce(Os) -> Fut + Send + 'static,
        Fut: Future<Output = u8> + Send + 'static,
    {
        let args = self.args;
        self.g.make_process(nr::vfork, [], move |g| child(Os { g, args })).await.unwrap()
    }
    /// `wait4(2)`: the child and its status.
    pub async fn wait(&self, pid: i64, options: u64) -> Sys<(u64, u32)> {
        let at = self.args;
        let pid = self.call(nr::wait4, [pid.cast_unsigned(), at, options, 0]).await?;
        let status = self.words_at(at, 1).await[0];
        Ok((pid, if pid == 0 { 0 } else { status }))
    }
    /// Waits for a child that must end well.
    pub async fn join(&self, pid: u64) {
        loop {
            match self.wait(pid as i64, 0).await {
                Ok(ended) => return assert_eq!(ended, (pid, 0)),
                Err(e) => assert_eq!(e, Errno::EINTR),
            }
        }
    }
    pub async fn exit_group(&self, status: u64) -> ! {
        let returned = self.call(nr::exit_group, [status]).await;
        panic!("exit_group returned {returned:?}");
    }
}
