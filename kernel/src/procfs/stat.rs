//! `/proc/PID/{stat,statm,sched,schedstat,io}` and `children`: figures of a task.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use kcore::io::IoResult;
use task::rusage::{CpuMode, Rusage};
use vfs::FileOps;
use vfs::context::Caller;
use vfs::fs::pseudo::{PseudoAttr, PseudoFile, PseudoNode, snapshot};

use super::task::TaskRef;
use super::text::{self, Text, line};
use crate::job::tty_numbers;
use crate::syscall::TICK;

impl TaskRef {
    /// The letter of `ps`'s `STAT` column.
    pub(super) fn state(&self) -> char {
        let Ok(kernel) = self.kernel() else { return 'X' };
        if kernel.processes().is_dead(&self.task) {
            return if self.alive() { 'Z' } else { 'X' };
        }
        if self.task.is_stopped() {
            return if self.task.is_trace_stopped() { 't' } else { 'T' };
        }
        match self.task.times.mode().0 {
            CpuMode::Idle => 'S',
            CpuMode::User | CpuMode::System => 'R',
        }
    }
    /// What the task or, for its process, all of its threads used.
    fn used(&self, now: u64) -> Rusage {
        if self.process { self.task.group().rusage_self(now) } else { Rusage::of_task(&self.task, now) }
    }
}

/// `stat`: some fields are zero for who may not look into the task.
pub(super) fn node(of: &TaskRef) -> PseudoNode {
    PseudoNode::file(Stat(of.clone()))
}

struct Stat(TaskRef);

impl PseudoFile for Stat {
    fn open(self: Arc<Self>, _: u32, caller: &Caller<'_>) -> IoResult<Arc<dyn FileOps>> {
        let permitted = self.0.check_access(caller).is_ok();
        let read = move || {
            self.0.check_alive()?;
            stat(&self.0, permitted)
        };
        Ok(snapshot(read, |_, _| Err(Errno::EIO)))
    }
    fn attr(&self) -> PseudoAttr {
        self.0.owner(0o444)
    }
    fn alive(&self) -> bool {
        self.0.alive()
    }
}

/// The addresses in `stat`: code, stack, data, arguments, environment.
#[derive(Default)]
struct Addresses {
    code: [u64; 2],
    stack: u64,
    data: [u64; 3],
    strings: [u64; 4],
}

fn stat(of: &TaskRef, permitted: bool) -> Result<Vec<u8>, Errno> {
    let kernel = of.kernel()?;
    let now = kernel.host().clock.monotonic();
    let (processes, ns, group) = (kernel.processes(), of.ns(), of.task.group());
    let number = |p: Option<Arc<task::PidNode>>| p.map_or(0, |p| p.in_ns(ns).0);
    let pgrp = number(processes.pgrp(group));
    let session = number(processes.session(group));
    let ppid = processes.parent(group).map_or(0, |p| p.tgid_in(ns).0);
    let (tty, foreground) = tty_numbers(processes, group, ns);
    let used = of.used(now);
    let waited = if of.process { group.rusage_children() } else { Rusage::default() };
    let threads = processes.threads(group).len();
    let mm = of.mm();
    let stats = mm.as_ref().map(|m| m.stats()).unwrap_or_default();
    let at = mm.as_ref().filter(|_| permitted).map_or_else(Addresses::default, |m| Addresses {
        code: [m.code_range().start().0, m.code_range().end().0],
        stack: m.stack_start().0,
        data: [m.data_range().start().0, m.data_range().end().0, m.brk_range().start().0],
        strings: [
            m.arg_range().start().0,
            m.arg_range().end().0,
            m.env_range().start().0,
            m.env_range().end().0,
        ],
    });
    let sched = of.task.with_fields(|f| f.sched);
    let exit_signal = match processes.exit_signal(group) {
        _ if !of.task.is_leader() => -1,
        s => s.map_or(0, task::signal::Signal::number),
    };
    let (pending, _) = of.task.pending_sets();
    let (ignored, caught) = group.handlers().sets();
    let limit = group.rlimit(task::rlimit::Resource::Rss).cur;
    let status = processes.zombie_status(group).map_or(0, task::ExitStatus::wait_status);

    let mut t = Text::default();
    t.put(format_args!("{} (", of.task.tid_in(ns)));
    t.bytes(text::comm(of.task.comm(), b"\n\\").as_bytes());
    t.put(format_args!(") {} {ppid} {pgrp} {session} {tty} {foreground} ", of.state()));
    // Flags: PF_RANDOMIZE; PF_EXITING once it is dead.
    t.put(format_args!("{} ", if mm.is_some() { 0x40_0000 } else { 4 }));
    t.put(format_args!("{} {} {} {} ", used.min_flt, waited.min_flt, used.maj_flt, waited.maj_flt));
    t.put(format_args!("{} {} ", used.user_ns / TICK, used.system_ns / TICK));
    t.put(format_args!("{} {} ", waited.user_ns / TICK, waited.system_ns / TICK));
    let priority = if sched.policy == 1 || sched.policy == 2 { -1 - sched.priority } else { 20 + sched.nice };
    t.put(format_args!("{priority} {} {threads} 0 {} ", sched.nice, of.task.start_time() / TICK));
    t.put(format_args!("{} {} {limit} ", stats.vsize, stats.rss / PAGE_SIZE));
    t.put(format_args!("{} {} {} 0 0 ", at.code[0], at.code[1], at.stack));
    // Only the first 31 signals have ever been here.
    let low = |s: task::signal::SigSet| s.0 & 0x7fff_ffff;
    t.put(format_args!("{} {} {} {} ", low(pending), low(of.task.sigmask()), low(ignored), low(caught)));
    t.put(format_args!("0 0 0 {exit_signal} 0 {} {} 0 0 0 ", sched.priority, sched.policy));
    t.put(format_args!("{} {} {} ", at.data[0], at.data[1], at.data[2]));
    at.strings.iter().for_each(|a| t.put(format_args!("{a} ")));
    line!(t, "{}", if permitted { status } else { 0 });
    Ok(t.into_bytes())
}

/// `statm`.
pub(super) fn statm(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let s = of.mm().map(|m| m.stats()).unwrap_or_default();
    let pages =
        [s.vsize, s.rss, s.rss_file, s.exe, 0, s.data.saturating_add(s.stack), 0].map(|b| b / PAGE_SIZE);
    let text: Vec<String> = pages.iter().map(|n| alloc::format!("{n}")).collect();
    Ok((text.join(" ") + "\n").into_bytes())
}

/// `io`. There are no block devices below, so nothing is read from or written to any.
pub(super) fn io(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let u = of.used(of.kernel()?.host().clock.monotonic());
    let mut t = Text::default();
    line!(t, "rchar: {}", u.rchar);
    line!(t, "wchar: {}", u.wchar);
    line!(t, "syscr: {}", u.syscr);
    line!(t, "syscw: {}", u.syscw);
    for name in ["read_bytes", "write_bytes", "cancelled_write_bytes"] {
        line!(t, "{name}: 0");
    }
    Ok(t.into_bytes())
}

/// `schedstat`: time on a processor, time waiting for one, turns. Waiting is the host's business and is not known here.
pub(super) fn schedstat(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let u = Rusage::of_task(&of.task, of.kernel()?.host().clock.monotonic());
    Ok(alloc::format!("{} 0 {}\n", u.user_ns + u.system_ns, u.nvcsw + u.nivcsw).into_bytes())
}

/// `sched`: what is known of what Linux shows there.
pub(super) fn sched(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let now = of.kernel()?.host().clock.monotonic();
    let u = Rusage::of_task(&of.task, now);
    let s = of.task.with_fields(|f| f.sched);
    let threads = of.kernel()?.processes().threads(of.task.group()).len();
    let mut t = Text::default();
    let name = text::comm(of.task.comm(), b"\n\\");
    line!(t, "{name} ({}, #threads: {threads})", of.task.tid_in(of.ns()));
    line!(t, "{:-<67}", "");
    let ms = |ns: u64| alloc::format!("{}.{:06}", ns / 1_000_000, ns % 1_000_000);
    let number = |n: u64| alloc::format!("{n}");
    let mut row = |name: &str, value: String| line!(t, "{name:<45}:{value:>21}");
    row("se.exec_start", ms(of.task.times.mode().1));
    row("se.sum_exec_runtime", ms(u.user_ns + u.system_ns));
    row("nr_switches", number(u.nvcsw + u.nivcsw));
    row("nr_voluntary_switches", number(u.nvcsw));
    row("nr_involuntary_switches", number(u.nivcsw));
    row("policy", number(s.policy.into()));
    row("prio", alloc::format!("{}", 120 + s.nice));
    Ok(t.into_bytes())
}

/// `children` of a thread: those that it made and that are not reaped.
pub(super) fn children(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let mut out = String::new();
    for child in of.kernel()?.processes().children_of_thread(&of.task) {
        let n = child.tgid_in(of.ns());
        if n.0 > 0 {
            // Writing to a string cannot fail.
            let _ = write!(out, "{n} ");
        }
    }
    Ok(out.into_bytes())
}
