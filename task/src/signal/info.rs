//! `siginfo_t`, typed.

use abi::Errno;
use kcore::id::{Pid, Uid};

use super::Signal;

/// Values of `si_code`, `sigaction(2)`.
#[expect(missing_docs, reason = "the names are those of sigaction(2)")]
pub mod code {
    pub const SI_USER: i32 = 0;
    pub const SI_KERNEL: i32 = 0x80;
    pub const SI_QUEUE: i32 = -1;
    pub const SI_TIMER: i32 = -2;
    pub const SI_MESGQ: i32 = -3;
    pub const SI_ASYNCIO: i32 = -4;
    pub const SI_SIGIO: i32 = -5;
    pub const SI_TKILL: i32 = -6;
    pub const SI_ASYNCNL: i32 = -60;
    pub const CLD_EXITED: i32 = 1;
    pub const CLD_KILLED: i32 = 2;
    pub const CLD_DUMPED: i32 = 3;
    pub const CLD_TRAPPED: i32 = 4;
    pub const CLD_STOPPED: i32 = 5;
    pub const CLD_CONTINUED: i32 = 6;
    pub const SEGV_MAPERR: i32 = 1;
    pub const SEGV_ACCERR: i32 = 2;
    pub const BUS_ADRERR: i32 = 2;
    pub const SYS_SECCOMP: i32 = 1;
    pub const TRAP_BRKPT: i32 = 1;
    pub const TRAP_TRACE: i32 = 2;
}

/// What a signal carries beside its number and code; the union of `siginfo_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SigFields {
    /// Nothing.
    None,
    /// `kill(2)`: the sender, as the receiver's pid and user namespaces see it.
    Kill {
        /// Sender.
        pid: Pid,
        /// Its real user.
        uid: Uid,
    },
    /// A POSIX timer.
    Timer {
        /// The timer.
        id: i32,
        /// Expirations missed.
        overrun: i32,
        /// `sigev_value`.
        value: u64,
    },
    /// `sigqueue(3)`.
    Rt {
        /// Sender.
        pid: Pid,
        /// Its real user.
        uid: Uid,
        /// `si_value`.
        value: u64,
    },
    /// `SIGCHLD`.
    Child {
        /// The child.
        pid: Pid,
        /// Its real user.
        uid: Uid,
        /// Exit code or signal number.
        status: i32,
        /// User time in clock ticks.
        utime: i64,
        /// System time in clock ticks.
        stime: i64,
    },
    /// A fault of the processor.
    Fault {
        /// Where.
        addr: u64,
    },
    /// `SIGIO`.
    Poll {
        /// Poll events.
        band: i64,
        /// The descriptor.
        fd: i32,
    },
    /// `SIGSYS`.
    Sys {
        /// The instruction after the call.
        addr: u64,
        /// The number called.
        nr: i32,
        /// `AUDIT_ARCH_*`.
        arch: u32,
    },
    /// As `rt_sigqueueinfo(2)` passed it: bytes 16 to 127.
    Raw([u8; 112]),
}

/// A signal and what it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SigInfo {
    /// Which signal.
    pub signal: Signal,
    /// `si_errno`.
    pub errno: i32,
    /// `si_code`.
    pub code: i32,
    /// The rest.
    pub fields: SigFields,
}

impl SigInfo {
    /// A signal with `code` and fields.
    pub const fn new(signal: Signal, code: i32, fields: SigFields) -> SigInfo {
        SigInfo { signal, errno: 0, code, fields }
    }
    /// A signal from the kernel, `SI_KERNEL`.
    pub const fn kernel(signal: Signal) -> SigInfo {
        SigInfo::new(signal, code::SI_KERNEL, SigFields::None)
    }
    /// A signal as `kill(2)` sends it.
    pub const fn user(signal: Signal, pid: Pid, uid: Uid) -> SigInfo {
        SigInfo::new(signal, code::SI_USER, SigFields::Kill { pid, uid })
    }
    /// A fault at `addr`.
    pub const fn fault(signal: Signal, code: i32, addr: u64) -> SigInfo {
        SigInfo::new(signal, code, SigFields::Fault { addr })
    }
    /// Whether a process made it (`si_code <= 0`), so that it obeys `RLIMIT_SIGPENDING`.
    pub const fn from_user(&self) -> bool {
        self.code <= 0
    }
    /// The layout of `siginfo_t` on 64-bit machines.
    pub fn to_bytes(&self) -> [u8; 128] {
        let mut b = [0; 128];
        fn put<const N: usize>(b: &mut [u8; 128], at: usize, v: [u8; N]) {
            b[at..at + N].copy_from_slice(&v);
        }
        put(&mut b, 0, self.signal.number().to_le_bytes());
        put(&mut b, 4, self.errno.to_le_bytes());
        put(&mut b, 8, self.code.to_le_bytes());
        match self.fields {
            SigFields::None => {}
            SigFields::Kill { pid, uid } => {
                put(&mut b, 16, pid.0.to_le_bytes());
                put(&mut b, 20, uid.0.to_le_bytes());
            }
            SigFields::Timer { id, overrun, value } => {
                put(&mut b, 16, id.to_le_bytes());
                put(&mut b, 20, overrun.to_le_bytes());
                put(&mut b, 24, value.to_le_bytes());
            }
            SigFields::Rt { pid, uid, value } => {
                put(&mut b, 16, pid.0.to_le_bytes());
                put(&mut b, 20, uid.0.to_le_bytes());
                put(&mut b, 24, value.to_le_bytes());
            }
            SigFields::Child { pid, uid, status, utime, stime } => {
                put(&mut b, 16, pid.0.to_le_bytes());
                put(&mut b, 20, uid.0.to_le_bytes());
                put(&mut b, 24, status.to_le_bytes());
                put(&mut b, 32, utime.to_le_bytes());
                put(&mut b, 40, stime.to_le_bytes());
            }
            SigFields::Fault { addr } => put(&mut b, 16, addr.to_le_bytes()),
            SigFields::Poll { band, fd } => {
                put(&mut b, 16, band.to_le_bytes());
                put(&mut b, 24, fd.to_le_bytes());
            }
            SigFields::Sys { addr, nr, arch } => {
                put(&mut b, 16, addr.to_le_bytes());
                put(&mut b, 24, nr.to_le_bytes());
                put(&mut b, 28, arch.to_le_bytes());
            }
            SigFields::Raw(raw) => put(&mut b, 16, raw),
        }
        b
    }
    /// From the bytes that a guest passed, for `signal`; the rest stays opaque.
    ///
    /// Errors: `E2BIG` for a code whose layout is not known and that uses more than `kernel_siginfo` has.
    pub fn from_bytes(signal: Signal, b: &[u8; 128]) -> Result<SigInfo, Errno> {
        const KERNEL_SIZE: usize = 48;
        const SI_DETHREAD: i32 = -7;
        let word = |at: usize| i32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
        let code = word(8);
        let tail = &b[KERNEL_SIZE..];
        if code < SI_DETHREAD && code != code::SI_ASYNCNL && tail.iter().any(|x| *x != 0) {
            return Err(Errno::E2BIG);
        }
        let mut raw = [0; 112];
        raw[..KERNEL_SIZE - 16].copy_from_slice(&b[16..KERNEL_SIZE]);
        Ok(SigInfo { signal, errno: word(4), code, fields: SigFields::Raw(raw) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_queues_comes_back() {
        let mut b = [0; 128];
        b[8..12].copy_from_slice(&code::SI_QUEUE.to_le_bytes());
        b[16..28].fill(7);
        let info = SigInfo::from_bytes(Signal::USR1, &b).unwrap();
        b[0] = 10;
        assert_eq!(info.to_bytes(), b);
        b[100] = 1;
        assert_ne!(SigInfo::from_bytes(Signal::USR1, &b).unwrap().to_bytes()[100], 1);
        b[8..12].copy_from_slice(&(-100i32).to_le_bytes());
        assert_eq!(SigInfo::from_bytes(Signal::USR1, &b), Err(Errno::E2BIG));
    }
}
