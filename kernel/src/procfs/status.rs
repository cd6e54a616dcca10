//! `/proc/PID/status`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::id::Pid;
use task::PidNode;
use task::signal::SigSet;

use super::task::TaskRef;
use super::text::{self, Text, allowed, line, mask, ranges};
use crate::task::Resources;

/// `status`.
pub(super) fn status(of: &TaskRef) -> Result<Vec<u8>, Errno> {
    let mut t = Text::default();
    identity(of, &mut t)?;
    memory(of, &mut t);
    signals(of, &mut t)?;
    rights(of, &mut t);
    machine(of, &mut t)?;
    Ok(t.into_bytes())
}

fn state_name(letter: char) -> &'static str {
    match letter {
        'R' => "running",
        'S' => "sleeping",
        'T' => "stopped",
        't' => "tracing stop",
        'Z' => "zombie",
        _ => "dead",
    }
}

fn identity(of: &TaskRef, t: &mut Text) -> Result<(), Errno> {
    let kernel = of.kernel()?;
    let (processes, group, ns) = (kernel.processes(), of.task.group(), of.ns());
    let cred = of.task.cred();
    line!(t, "Name:\t{}", text::comm(of.task.comm(), b"\n\\"));
    if let Some(fs) = of.view() {
        line!(t, "Umask:\t{:04o}", fs.umask);
    }
    let state = of.state();
    line!(t, "State:\t{state} ({})", state_name(state));
    line!(t, "Tgid:\t{}", group.tgid_in(ns));
    line!(t, "Ngid:\t0");
    line!(t, "Pid:\t{}", of.task.tid_in(ns));
    line!(t, "PPid:\t{}", processes.parent(group).map_or(Pid(0), |p| p.tgid_in(ns)));
    line!(t, "TracerPid:\t{}", processes.tracer(&of.task).map_or(Pid(0), |p| p.tid_in(ns)));
    line!(t, "Uid:\t{}\t{}\t{}\t{}", cred.uid, cred.euid, cred.suid, cred.fsuid);
    line!(t, "Gid:\t{}\t{}\t{}\t{}", cred.gid, cred.egid, cred.sgid, cred.fsgid);
    let files = of.resources().and_then(Resources::files);
    // As Linux does it, tables grow in steps of 64 slots.
    let slots = files.map_or(0, |f| f.list().last().map_or(64, |(fd, _)| (fd.0 / 64 + 1) * 64));
    line!(t, "FDSize:\t{slots}");
    let groups: Vec<_> = cred.groups.iter().map(|g| alloc::format!("{g}")).collect();
    line!(t, "Groups:\t{} ", groups.join(" "));
    // The namespaces from the reader's down to the task's own.
    let own = of.task.pid_ns();
    let mut levels: Vec<_> = core::iter::successors(Some(&own), |n| n.parent()).collect();
    levels.truncate(levels.iter().position(|n| Arc::ptr_eq(n, ns)).map_or(1, |i| i + 1));
    let numbers =
        |p: &PidNode| levels.iter().rev().map(|n| alloc::format!("\t{}", p.in_ns(n))).collect::<String>();
    line!(t, "NStgid:{}", numbers(group.pid()));
    line!(t, "NSpid:{}", numbers(&of.task.pid()));
    line!(t, "NSpgid:{}", processes.pgrp(group).map_or(String::from("\t0"), |p| numbers(&p)));
    line!(t, "NSsid:{}", processes.session(group).map_or(String::from("\t0"), |p| numbers(&p)));
    line!(t, "Kthread:\t0");
    Ok(())
}

fn memory(of: &TaskRef, t: &mut Text) {
    let Some(mm) = of.mm() else { return };
    let s = mm.stats();
    // The program's own code is what its file maps; the rest is libraries.
    let code = mm.code_range();
    let own = (code.end().0.next_multiple_of(4096) - code.start().page_down().0).min(s.exe);
    // Tables of eight bytes a page, and those above.
    let tables = (s.rss / 512).next_multiple_of(4096) + 3 * 4096;
    let rows = [
        ("VmPeak", s.peak),
        ("VmSize", s.vsize),
        ("VmLck", s.locked),
        ("VmPin", 0),
        ("VmHWM", s.peak_rss),
        ("VmRSS", s.rss),
        ("RssAnon", s.rss - s.rss_file),
        ("RssFile", s.rss_file),
        ("RssShmem", 0),
        ("VmData", s.data),
        ("VmStk", s.stack),
        ("VmExe", own),
        ("VmLib", s.exe - own),
        ("VmPTE", tables),
        ("VmSwap", 0),
        ("HugetlbPages", 0),
    ];
    for (name, bytes) in rows {
        line!(t, "{name}:\t{:8} kB", bytes >> 10);
    }
    line!(t, "CoreDumping:\t0");
    line!(t, "THP_enabled:\t0");
    line!(t, "untag_mask:\t0xffffffffffffffff");
}

fn signals(of: &TaskRef, t: &mut Text) -> Result<(), Errno> {
    let kernel = of.kernel()?;
    let group = of.task.group();
    let queued = kernel.processes().queued_signal_count(of.task.cred().uid);
    let limit = group.rlimit(task::rlimit::Resource::Sigpending).cur;
    line!(t, "Threads:\t{}", group.thread_count());
    line!(t, "SigQ:\t{queued}/{limit}");
    let (own, shared) = of.task.pending_sets();
    let (ignored, caught) = group.handlers().sets();
    let mut row = |name: &str, s: SigSet| line!(t, "{name}:\t{:016x}", s.0);
    row("SigPnd", own);
    row("ShdPnd", shared);
    row("SigBlk", of.task.sigmask());
    row("SigIgn", ignored);
    row("SigCgt", caught);
    Ok(())
}

fn rights(of: &TaskRef, t: &mut Text) {
    let cred = of.task.cred();
    let sets = [
        ("CapInh", cred.inheritable),
        ("CapPrm", cred.permitted),
        ("CapEff", cred.effective),
        ("CapBnd", cred.bounding),
        ("CapAmb", cred.ambient),
    ];
    for (name, set) in sets {
        line!(t, "{name}:\t{:016x}", set.0);
    }
    let (mode, filters) = of.task.with_fields(|f| (f.seccomp.mode(), f.seccomp.filters()));
    line!(t, "NoNewPrivs:\t{}", u8::from(of.task.no_new_privs()));
    line!(t, "Seccomp:\t{mode}");
    line!(t, "Seccomp_filters:\t{filters}");
    line!(t, "Speculation_Store_Bypass:\tunknown");
    line!(t, "SpeculationIndirectBranch:\tunknown");
}

fn machine(of: &TaskRef, t: &mut Text) -> Result<(), Errno> {
    let cpus = of.kernel()?.host().machine.cpus.len();
    let affinity = of.task.with_fields(|f| f.sched.affinity);
    line!(t, "Cpus_allowed:\t{}", mask(&affinity, cpus));
    line!(t, "Cpus_allowed_list:\t{}", ranges(allowed(&affinity, cpus)));
    line!(t, "Mems_allowed:\t1");
    line!(t, "Mems_allowed_list:\t0");
    line!(t, "voluntary_ctxt_switches:\t{}", of.task.counters.nvcsw.get());
    line!(t, "nonvoluntary_ctxt_switches:\t{}", of.task.counters.nivcsw.get());
    Ok(())
}
