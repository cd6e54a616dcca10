//! Signals that others send to this process, taken one by one instead of by handlers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub signal: i32,
    /// Whether a process sent it, and not the host's kernel for a key of a terminal or a terminal's end.
    pub from_process: bool,
}

/// Signals that wait to be taken.
#[derive(Debug)]
pub struct HostSignals {
    fd: OwnedFd,
}

impl HostSignals {
    /// Keeps these signals from doing what they do by default. Only the calling thread and those that it starts from now on leave them
    /// to [`HostSignals::take`], so it is called before there are others.
    ///
    /// Errors: the host's, such as `EMFILE`.
    pub fn block(signals: &[i32]) -> io::Result<HostSignals> {
        // SAFETY: an all-zero set is valid storage; `sigemptyset` makes it the empty set.
        let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
        // SAFETY: `set` is valid for writes, and is initialised by the first call.
        unsafe {
            libc::sigemptyset(&raw mut set);
            for s in signals {
                libc::sigaddset(&raw mut set, *s);
            }
        }
        // SAFETY: `set` is initialised; the old mask is not asked for.
        let failed = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, core::ptr::null_mut()) };
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed));
        }
        // SAFETY: `set` is initialised.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(HostSignals { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }
    /// Takes the next signal, if one has come. Errors: the host's.
    pub fn take(&self) -> io::Result<Option<Received>> {
        // SAFETY: all-zero bytes are a valid record.
        let mut info: libc::signalfd_siginfo = unsafe { core::mem::zeroed() };
        // SAFETY: the buffer is `info`, with its length.
        let n = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), size_of_val(&info)) };
        if n < 0 {
            let e = io::Error::last_os_error();
            return match e.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(e),
            };
        }
        let signal = i32::try_from(info.ssi_signo).unwrap_or(0);
        Ok(Some(Received { signal, from_process: info.ssi_code <= 0 }))
    }
}

impl AsFd for HostSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_waits_to_be_taken() {
        let signals = HostSignals::block(&[libc::SIGUSR2]).unwrap();
        assert_eq!(signals.take().unwrap(), None);
        // SAFETY: sends a signal that this thread blocks to this thread.
        unsafe { libc::raise(libc::SIGUSR2) };
        assert_eq!(signals.take().unwrap(), Some(Received { signal: libc::SIGUSR2, from_process: true }));
        assert_eq!(signals.take().unwrap(), None);
    }
}
