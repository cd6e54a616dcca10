//! A task in the hands of its tracer: where its registers are while it stands still, and where it stops.

use abi::Errno;
use kcore::sync::{LockClass, Mutex};
use platform::{ExceptionInfo, FpuState, UserRegs};
use task::ProcessTable;
use task::ptrace::Resume;
use task::signal::{SigInfo, Signal};

use crate::current::CurrentTask;
use crate::task::Resources;
use crate::watch::{DebugRegisters, Watches};

static STOPPED: LockClass = LockClass::new("registers of tracees", 271);

/// The trap flag of the processor.
const TF: u64 = 0x100;

/// The registers of a task that stands still.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    pub(crate) regs: UserRegs,
    pub(crate) fpu: FpuState,
    pub(crate) debug: DebugRegisters,
}

/// How a tracee runs an instruction at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stepping {
    /// The trap flag is set on behalf of others, and not the program's own.
    forced: bool,
    /// The tracer wants to know of the next instruction.
    for_tracer: bool,
    debug: DebugRegisters,
    watches: Watches,
}

/// Holds the registers of a task from before its tracer is told of a stop until the stop ends.
pub(crate) struct StoppedSlot(Mutex<Option<Registers>>);

impl Default for StoppedSlot {
    fn default() -> StoppedSlot {
        StoppedSlot(Mutex::new(&STOPPED, None))
    }
}

impl StoppedSlot {
    /// Looks at the registers, or changes them.
    ///
    /// Errors: `ESRCH` if the task runs.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Registers) -> R) -> Result<R, Errno> {
        self.0.lock().as_mut().map(f).ok_or(Errno::ESRCH)
    }
}

impl CurrentTask {
    /// Stands still for the tracer, which is told once the registers are where it finds them, and takes them back as it leaves
    /// them.
    pub(crate) async fn stand_for_tracer(&mut self) {
        self.show_registers();
        self.kernel.processes().ptrace_announce(&self.task.core);
        self.stand_still().await;
        self.take_registers();
    }
    /// The stop before the end, which only the tracer ends.
    pub(crate) async fn stop_at_end(&mut self, status: task::ExitStatus) {
        let core = self.task.core.clone();
        if !self.kernel.processes().ptrace_exit(&core, status) {
            return;
        }
        self.show_registers();
        self.kernel.processes().ptrace_announce(&core);
        self.wait_until(|| !core.in_last_stop()).await;
    }
    fn show_registers(&mut self) {
        let core = self.task.core.clone();
        let Some(slot) = core.resources::<Resources>().map(Resources::stopped) else { return };
        if core::mem::take(&mut self.stepping.forced) {
            self.regs.get_mut().eflags &= !TF;
        }
        let fpu = self.thread.get_mut().copy_fpu();
        *slot.0.lock() = Some(Registers { regs: self.regs.get(), fpu, debug: self.stepping.debug });
    }
    fn take_registers(&mut self) {
        let core = self.task.core.clone();
        let Some(slot) = core.resources::<Resources>().map(Resources::stopped) else { return };
        let Some(shown) = slot.0.lock().take() else { return };
        self.regs.set(shown.regs);
        let thread = self.thread.get_mut();
        if thread.copy_fpu() != shown.fpu {
            thread.set_fpu(shown.fpu);
        }
        let mode = self.kernel.processes().ptrace_mode(&core);
        // What only a tracer can set ends with it.
        let debug = mode.map_or(DebugRegisters::default(), |_| shown.debug);
        let (for_tracer, watches) = (mode.is_some_and(Resume::steps), debug.watches(self.task.mm()));
        let forced = for_tracer || !watches.is_empty();
        self.stepping = Stepping { forced, for_tracer, debug, watches };
        if forced {
            self.regs.get_mut().eflags |= TF;
        }
    }
    /// The program's own flags: without the trap flag that is there for its tracer.
    pub(crate) fn own_eflags(&self) -> u64 {
        let eflags = self.regs.get().eflags;
        if self.stepping.forced { eflags & !TF } else { eflags }
    }
    /// Sets the trap flag again that the tracer needs, in registers that replace others.
    pub(crate) fn force_steps(&mut self) {
        if self.stepping.forced {
            self.regs.get_mut().eflags |= TF;
        }
    }
    /// The task has run an instruction with the trap flag set. Returns what its tracer or itself is told of that; `None` if it was
    /// only to look at watched addresses.
    pub(crate) fn stepped(&mut self, info: &ExceptionInfo) -> Option<i32> {
        const TRAP_HWBKPT: i32 = 4;
        let (mm, rip) = (self.task.mm().clone(), self.regs.get().rip);
        let s = &mut self.stepping;
        let hit = s.watches.check(&mm, rip);
        if hit != 0 {
            s.debug.hit(hit);
            return Some(TRAP_HWBKPT);
        }
        (s.for_tracer || !s.forced).then_some(info.code)
    }
    /// Stands still if `stops` says that the tracer wants it to.
    pub(crate) async fn stop_if(&mut self, stops: impl FnOnce(&ProcessTable, &task::Task) -> bool) -> bool {
        let core = self.task.core.clone();
        let stands = core.is_traced() && stops(self.kernel.processes(), &core);
        if stands {
            self.stand_for_tracer().await;
        }
        stands
    }
    /// The stop before a system call. Returns whether the call shall be made: the tracer may have put another one in place of it, or
    /// none (number -1), or serve it itself.
    pub(crate) async fn stop_at_entry(&mut self) -> bool {
        let core = self.task.core.clone();
        self.regs.set_result(Errno::ENOSYS.to_ret());
        let emulates = self.kernel.processes().ptrace_mode(&core).is_some_and(Resume::emulates);
        let stood = self.stop_if(|table, task| table.ptrace_syscall_stop(task, true)).await;
        !(stood && (core.fatal_pending() || emulates))
    }
    /// The stop after a system call.
    pub(crate) async fn stop_at_exit(&mut self) {
        const TRAP_BRKPT: i32 = 1;
        let stepped = self.stepping.for_tracer;
        // The kernel's own stores are not the program's.
        self.stepping.watches.check(self.task.mm(), 0);
        let stood = self.stop_if(|table, task| table.ptrace_syscall_stop(task, false)).await;
        if stepped && !stood {
            self.fault_signal(SigInfo::fault(Signal::TRAP, TRAP_BRKPT, self.regs.get().rip));
        }
    }
    /// The stop for `PTRACE_EVENT_*` about a task, if the tracer asked for it.
    pub(crate) async fn stop_for_event(&mut self, event: u32, about: &task::PidNode) {
        let message = self.number_for_tracer(about);
        self.stop_if(|table, task| table.ptrace_event(task, event, message)).await;
    }
    /// A number as the tracer sees it.
    fn number_for_tracer(&self, pid: &task::PidNode) -> u64 {
        let tracer = self.kernel.processes().tracer(&self.task.core);
        tracer.map_or(0, |t| u64::try_from(pid.in_ns(&t.pid_ns()).0).unwrap_or(0))
    }
    /// The stop after a successful `execve` of the thread that was `old`.
    pub(crate) async fn stop_for_exec(&mut self, old: &task::PidNode) {
        let message = self.number_for_tracer(old);
        self.stop_if(|table, task| table.ptrace_exec(task, message)).await;
    }
}
