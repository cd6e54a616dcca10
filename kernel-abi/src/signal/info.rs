//! `siginfo_t`, `sigevent`, `sigaction` and `stack_t`.

use zerocopy::{FromBytes, Immutable, IntoBytes};

layout! {
    /// `siginfo_t`. What follows the code depends on the signal and the code: [`SigInfo::set`] and [`SigInfo::get`] write and read it
    /// as one of the structures below.
    pub struct SigInfo = general::siginfo {
        /// The signal.
        si_signo: i32 = __bindgen_anon_1.__bindgen_anon_1.si_signo,
        /// Unused by Linux.
        si_errno: i32 = __bindgen_anon_1.__bindgen_anon_1.si_errno,
        /// Why it was sent.
        si_code: i32 = __bindgen_anon_1.__bindgen_anon_1.si_code,
        @pad __pad: i32,
        /// The rest.
        fields: [u64; 14] = __bindgen_anon_1.__bindgen_anon_1._sifields,
    }
    /// Fields of a signal that a process sent by `kill(2)` or `tgkill(2)`.
    pub struct SigInfoKill = general::__sifields__bindgen_ty_1 {
        /// Sender.
        pid: i32 = _pid,
        /// Its user.
        uid: u32 = _uid,
    }
    /// Fields of the signal of a POSIX timer.
    pub struct SigInfoTimer = general::__sifields__bindgen_ty_2 {
        /// The timer.
        timerid: i32 = _tid,
        /// Overrun count.
        overrun: i32 = _overrun,
        /// `sigev_value`.
        value: u64 = _sigval,
        /// Zero.
        sys_private: i32 = _sys_private,
        @pad __pad: i32,
    }
    /// Fields of a signal that a process sent by `sigqueue(3)`, or that came from a message queue.
    pub struct SigInfoRt = general::__sifields__bindgen_ty_3 {
        /// Sender.
        pid: i32 = _pid,
        /// Its user.
        uid: u32 = _uid,
        /// What was sent along.
        value: u64 = _sigval,
    }
    /// Fields of `SIGCHLD`.
    pub struct SigInfoChild = general::__sifields__bindgen_ty_4 {
        /// Child.
        pid: i32 = _pid,
        /// Its user.
        uid: u32 = _uid,
        /// Exit status or signal.
        status: i32 = _status,
        @pad __pad: i32,
        /// Processor time in user mode, in clock ticks.
        utime: i64 = _utime,
        /// Processor time in the kernel, in clock ticks.
        stime: i64 = _stime,
    }
    /// Fields of `SIGSEGV`, `SIGBUS`, `SIGILL`, `SIGFPE` and `SIGTRAP`.
    pub struct SigInfoFault = general::__sifields__bindgen_ty_5 {
        /// Address of the fault.
        addr: u64 = _addr,
        /// Least significant bit of the address, for `BUS_MCEERR_*`.
        addr_lsb: u64 = __bindgen_anon_1,
        /// Lower bound, or protection key.
        lower: u64 = __bindgen_anon_1._addr_bnd._lower,
        /// Upper bound.
        upper: u64 = __bindgen_anon_1._addr_bnd._upper,
    }
    /// Fields of `SIGIO`.
    pub struct SigInfoPoll = general::__sifields__bindgen_ty_6 {
        /// Events.
        band: i64 = _band,
        /// Descriptor.
        fd: i32 = _fd,
        @pad __pad: i32,
    }
    /// Fields of `SIGSYS`.
    pub struct SigInfoSys = general::__sifields__bindgen_ty_7 {
        /// Address of the system call instruction.
        call_addr: u64 = _call_addr,
        /// System call.
        syscall: i32 = _syscall,
        /// `AUDIT_ARCH_*`.
        arch: u32 = _arch,
    }
    /// `struct sigevent`.
    pub struct SigEvent = general::sigevent {
        /// Passed to the handler.
        sigev_value: u64,
        /// Signal.
        sigev_signo: i32,
        /// `SIGEV_*`.
        sigev_notify: i32,
        /// Thread, for `SIGEV_THREAD_ID`.
        sigev_notify_thread_id: i32 = _sigev_un._tid,
        @pad __pad: [i32; 11],
    }
    /// `struct sigaction` of the kernel, `rt_sigaction(2)`.
    pub struct SigAction = general::kernel_sigaction {
        /// Handler, `SIG_DFL` or `SIG_IGN`.
        sa_handler: u64 = sa_handler_kernel,
        /// `SA_*`.
        sa_flags: u64,
        /// Where a handler returns to.
        sa_restorer: u64,
        /// Blocked while the handler runs.
        sa_mask: u64,
    }
    /// `stack_t`, `sigaltstack(2)`.
    pub struct SigStack = general::sigaltstack {
        /// Lowest address.
        ss_sp: u64,
        /// `SS_*`.
        ss_flags: i32,
        @pad __pad: i32,
        /// Size.
        ss_size: u64,
    }
}

impl SigInfo {
    /// A signal with its code and the fields that belong to it. `fields` is one of the structures of this module; bytes beyond the
    /// room of a `siginfo_t` would be cut off.
    pub fn new(signo: i32, code: i32, fields: &(impl IntoBytes + Immutable)) -> SigInfo {
        let mut info = SigInfo { si_signo: signo, si_code: code, ..SigInfo::default() };
        info.set(fields);
        info
    }

    /// Overwrites the start of the fields.
    pub fn set(&mut self, fields: &(impl IntoBytes + Immutable)) {
        let bytes = fields.as_bytes();
        let room = self.fields.as_mut_bytes();
        let n = bytes.len().min(room.len());
        room[..n].copy_from_slice(&bytes[..n]);
    }

    /// The fields as the structure `T`; `None` if that is larger than a `siginfo_t`.
    pub fn get<T: FromBytes>(&self) -> Option<T> {
        T::read_from_prefix(self.fields.as_bytes()).ok().map(|(t, _)| t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_go_in_and_come_out() {
        let kill = SigInfoKill { pid: 7, uid: 1000 };
        let info = SigInfo::new(15, 0, &kill);
        assert_eq!(info.get::<SigInfoKill>(), Some(kill));
        // `pid` follows three integers and their padding.
        assert_eq!(info.as_bytes()[16..20], 7i32.to_ne_bytes());
        assert_eq!(info.get::<[u64; 15]>(), None);
    }
}
