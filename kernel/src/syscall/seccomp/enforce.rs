//! What a filter's answer does to a system call.

use abi::Errno;
use abi::task::ptrace::PTRACE_EVENT_SECCOMP;
use abi::task::seccomp::*;
use kcore::addr::GuestAddr;
use task::ExitStatus;
use task::seccomp::{Seccomp, SeccompData};
use task::signal::code::SYS_SECCOMP;
use task::signal::{SigFields, SigInfo, Signal};

use crate::current::CurrentTask;
use crate::log::guest_log;
use crate::run::NO_CALL;

const MAX_ERRNO: u32 = 4095;

impl CurrentTask {
    /// Asks the filters about the call that the registers describe. Returns whether it shall be made; if not, the registers have its
    /// result, or the task has begun to exit.
    pub(crate) async fn pass_filters(&mut self) -> bool {
        let mut seen_by_tracer = false;
        loop {
            let data = self.seccomp_data();
            let seccomp = self.task.core.seccomp();
            let answer = seccomp.check(&data);
            let value = answer & SECCOMP_RET_DATA;
            match answer & SECCOMP_RET_ACTION_FULL {
                SECCOMP_RET_ALLOW => return true,
                SECCOMP_RET_LOG => {
                    self.log_filter(&data, "logs");
                    return true;
                }
                SECCOMP_RET_TRACE if seen_by_tracer => return true,
                SECCOMP_RET_TRACE => {
                    if !self.stop_for_filter(value).await || self.task.core.fatal_pending() {
                        return false;
                    }
                    // The tracer may have put another call in place of this one, or none.
                    if self.regs.number() == NO_CALL {
                        return false;
                    }
                    seen_by_tracer = true;
                }
                SECCOMP_RET_ERRNO => {
                    self.regs.set_result(u64::from(value.min(MAX_ERRNO)).wrapping_neg());
                    return false;
                }
                SECCOMP_RET_TRAP => {
                    self.regs.set_result(self.regs.number());
                    let fields = SigFields::Sys { addr: data.ip, nr: data.nr, arch: data.arch };
                    let info = SigInfo::new(Signal::SYS, SYS_SECCOMP, fields);
                    self.fault_signal(SigInfo { errno: value.cast_signed(), ..info });
                    return false;
                }
                // Nobody listens, since no filter here has a listener.
                SECCOMP_RET_USER_NOTIF => {
                    self.regs.set_result(Errno::ENOSYS.to_ret());
                    return false;
                }
                action => {
                    self.log_filter(&data, "ends");
                    self.regs.set_result(self.regs.number());
                    self.end_by_filter(&seccomp, action);
                    return false;
                }
            }
        }
    }

    fn seccomp_data(&self) -> SeccompData {
        let [a, b, c, d, ..] = self.regs.number().to_le_bytes();
        SeccompData {
            nr: i32::from_le_bytes([a, b, c, d]),
            arch: AUDIT_ARCH_X86_64,
            ip: self.regs.get().rip,
            args: self.regs.args(),
        }
    }

    /// Shows a call to the tracer. Returns whether there was one that wants to know; without it the call fails with `ENOSYS`.
    async fn stop_for_filter(&mut self, value: u32) -> bool {
        self.regs.set_result(Errno::ENOSYS.to_ret());
        self.stop_if(|table, task| table.ptrace_event(task, PTRACE_EVENT_SECCOMP, value.into())).await
    }

    fn log_filter(&self, data: &SeccompData, does: &str) {
        let (pid, nr) = (self.task.tid().0, data.nr);
        guest_log!(self.kernel, INFO, pid, nr, ip = %GuestAddr(data.ip), does, "a filter of system calls");
    }

    /// Ends the thread, or the process if the filter says so or there is no other thread.
    fn end_by_filter(&mut self, seccomp: &Seccomp, action: u32) {
        let core = &self.task.core;
        let group = core.group();
        let killed = |signal, core| ExitStatus::Signaled { signal, core };
        self.exiting = Some(match seccomp {
            Seccomp::Strict => killed(Signal::KILL, false),
            _ if action == SECCOMP_RET_KILL_THREAD && group.thread_count() > 1 => killed(Signal::SYS, false),
            _ => self.kernel.processes().exit_group(core, killed(Signal::SYS, group.dumps_core())),
        });
    }
}
