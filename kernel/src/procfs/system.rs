//! What concerns the whole machine: `meminfo`, `cpuinfo`, `stat`, `uptime` and so on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Errno;
use kcore::addr::PAGE_SIZE;
use vfs::fs::pseudo::{FixedDir, FnFile, PseudoAttr, PseudoFile, PseudoNode};

use super::Proc;
use super::text::{Text, line};
use crate::kernel::Kernel;
use crate::syscall::{RELEASE, SYSNAME, TICK, VERSION};
use crate::usage::LOAD_SHIFT;

const SECOND: u64 = 1_000_000_000;

type Make = fn(&Arc<Kernel>, &Proc) -> Text;

/// A file about the kernel.
struct KernelFile {
    proc: Arc<Proc>,
    make: Make,
    mode: u32,
}

impl PseudoFile for KernelFile {
    fn content(&self) -> Result<Vec<u8>, Errno> {
        Ok((self.make)(&self.proc.kernel()?, &self.proc).into_bytes())
    }
    fn attr(&self) -> PseudoAttr {
        PseudoAttr::root(self.mode)
    }
}

/// The files at the top of procfs, by name.
pub(super) fn files(proc: &Arc<Proc>) -> impl Iterator<Item = (&'static str, PseudoNode)> {
    const FILES: [(&str, Make); 13] = [
        ("cmdline", cmdline),
        ("cpuinfo", cpuinfo),
        ("devices", devices),
        ("diskstats", |_, _| Text::default()),
        ("filesystems", filesystems),
        ("loadavg", loadavg),
        ("meminfo", meminfo),
        ("partitions", partitions),
        ("stat", stat),
        ("swaps", swaps),
        ("uptime", uptime),
        ("version", version),
        ("vmstat", vmstat),
    ];
    FILES
        .into_iter()
        .map(|(name, make)| (name, PseudoNode::file(KernelFile { proc: proc.clone(), make, mode: 0o444 })))
}

/// `/proc/tty`: the drivers of terminals that there are.
pub(super) fn tty(_: &Arc<Proc>) -> FixedDir {
    const DRIVERS: &[u8] = b"/dev/tty             /dev/tty        5       0 system:/dev/tty\n\
        /dev/ptmx            /dev/ptmx       5       2 system\n\
        pty_slave            /dev/pts      136 0-1048575 pty:slave\n";
    FixedDir::new().file("drivers", FnFile(|| Ok(DRIVERS.to_vec())))
}

fn version(_: &Arc<Kernel>, _: &Proc) -> Text {
    let mut t = Text::default();
    line!(t, "{SYSNAME} version {RELEASE} (picket@picket) (rustc) {VERSION}");
    t
}

fn cmdline(_: &Arc<Kernel>, _: &Proc) -> Text {
    let mut t = Text::default();
    t.bytes(b"\n");
    t
}

fn uptime(k: &Arc<Kernel>, _: &Proc) -> Text {
    let now = k.host().clock.monotonic();
    let idle = idle_time(k, now);
    let hundredths = |ns: u64| ns % SECOND / 10_000_000;
    let mut t = Text::default();
    line!(t, "{}.{:02} {}.{:02}", now / SECOND, hundredths(now), idle / SECOND, hundredths(idle));
    t
}

/// Nanoseconds that all processors together had nothing to do for the sandbox.
fn idle_time(k: &Arc<Kernel>, now: u64) -> u64 {
    let used = k.processes().usage(now);
    let cpus = u64::try_from(k.host().machine.cpus.len()).unwrap_or(1);
    now.saturating_mul(cpus).saturating_sub(used.user_ns + used.system_ns)
}

fn loadavg(k: &Arc<Kernel>, proc: &Proc) -> Text {
    let now = k.host().clock.monotonic();
    let mut t = Text::default();
    for load in k.load().averages(k, now) {
        // Rounded to hundredths.
        let load = load + (1 << LOAD_SHIFT) / 200;
        let part = ((load & ((1 << LOAD_SHIFT) - 1)) * 100) >> LOAD_SHIFT;
        t.put(format_args!("{}.{part:02} ", load >> LOAD_SHIFT));
    }
    let processes = k.processes();
    let (running, all) = (processes.running_since(now), processes.tasks().len());
    line!(t, "{running}/{all} {}", processes.last_pid(&proc.ns));
    t
}

fn stat(k: &Arc<Kernel>, _: &Proc) -> Text {
    let clock = &k.host().clock;
    let now = clock.monotonic();
    let used = k.processes().usage(now);
    let cpus = u64::try_from(k.host().machine.cpus.len()).unwrap_or(1);
    let idle = idle_time(k, now);
    let mut t = Text::default();
    let ticks = [used.user_ns, used.system_ns, idle].map(|ns| ns / TICK);
    line!(t, "cpu  {} 0 {} {} 0 0 0 0 0 0", ticks[0], ticks[1], ticks[2]);
    for cpu in 0..cpus {
        // Guest threads move between processors at will: each gets its share, the first ones the rest.
        let part = |n: u64| n / cpus + u64::from(cpu < n % cpus);
        line!(t, "cpu{cpu} {} 0 {} {} 0 0 0 0 0 0", part(ticks[0]), part(ticks[1]), part(ticks[2]));
    }
    line!(t, "intr 0");
    line!(t, "ctxt {}", used.nvcsw + used.nivcsw);
    line!(t, "btime {}", clock.realtime().saturating_sub(now) / SECOND);
    line!(t, "processes {}", k.processes().created());
    line!(t, "procs_running {}", k.processes().running_since(now));
    line!(t, "procs_blocked 0");
    line!(t, "softirq 0 0 0 0 0 0 0 0 0 0 0");
    t
}

fn meminfo(k: &Arc<Kernel>, _: &Proc) -> Text {
    let m = k.memory_use();
    let files = m.cached - m.shmem;
    let rows = [
        ("MemTotal", m.total),
        ("MemFree", m.free()),
        ("MemAvailable", m.available()),
        ("Buffers", 0),
        ("Cached", m.cached),
        ("SwapCached", 0),
        ("Active", m.anonymous),
        ("Inactive", m.cached),
        ("Active(anon)", m.anonymous),
        ("Inactive(anon)", m.shmem),
        ("Active(file)", 0),
        ("Inactive(file)", files),
        ("Unevictable", m.locked),
        ("Mlocked", m.locked),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", m.anonymous),
        ("Mapped", m.mapped),
        ("Shmem", m.shmem),
        ("KReclaimable", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("KernelStack", 0),
        ("PageTables", 0),
        ("NFS_Unstable", 0),
        ("Bounce", 0),
        ("WritebackTmp", 0),
        ("CommitLimit", m.total / 2),
        ("Committed_AS", m.committed),
        ("VmallocTotal", 34_359_738_367 << 10),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
        ("Percpu", 0),
    ];
    let mut t = Text::default();
    for (name, bytes) in rows {
        let name = alloc::format!("{name}:");
        line!(t, "{name:<16}{:>8} kB", bytes >> 10);
    }
    t
}

fn vmstat(k: &Arc<Kernel>, _: &Proc) -> Text {
    let m = k.memory_use();
    let used = k.processes().usage(k.host().clock.monotonic());
    let pages = |bytes: u64| bytes / PAGE_SIZE;
    let rows = [
        ("nr_free_pages", pages(m.free())),
        ("nr_inactive_anon", pages(m.shmem)),
        ("nr_active_anon", pages(m.anonymous)),
        ("nr_inactive_file", pages(m.cached - m.shmem)),
        ("nr_active_file", 0),
        ("nr_unevictable", pages(m.locked)),
        ("nr_mlock", pages(m.locked)),
        ("nr_anon_pages", pages(m.anonymous)),
        ("nr_mapped", pages(m.mapped)),
        ("nr_file_pages", pages(m.cached)),
        ("nr_dirty", 0),
        ("nr_writeback", 0),
        ("nr_shmem", pages(m.shmem)),
        ("pgpgin", 0),
        ("pgpgout", 0),
        ("pswpin", 0),
        ("pswpout", 0),
        ("pgfault", used.min_flt + used.maj_flt),
        ("pgmajfault", used.maj_flt),
        ("oom_kill", 0),
    ];
    let mut t = Text::default();
    rows.iter().for_each(|(name, n)| line!(t, "{name} {n}"));
    t
}

fn cpuinfo(k: &Arc<Kernel>, _: &Proc) -> Text {
    let cpus = &k.host().machine.cpus;
    let mut t = Text::default();
    for (n, cpu) in cpus.iter().enumerate() {
        row(&mut t, "processor", &alloc::format!("{n}"));
        let siblings = cpus.iter().filter(|c| c.package == cpu.package).count();
        let mut cores: Vec<u32> = cpus.iter().filter(|c| c.package == cpu.package).map(|c| c.core).collect();
        cores.sort_unstable();
        cores.dedup();
        for (name, value) in &cpu.facts {
            row(&mut t, name, value);
            // Linux shows where the processor is after what its cache is.
            if name == "cache size" {
                row(&mut t, "physical id", &alloc::format!("{}", cpu.package));
                row(&mut t, "siblings", &alloc::format!("{siblings}"));
                row(&mut t, "core id", &alloc::format!("{}", cpu.core));
                row(&mut t, "cpu cores", &alloc::format!("{}", cores.len()));
                row(&mut t, "apicid", &alloc::format!("{n}"));
                row(&mut t, "initial apicid", &alloc::format!("{n}"));
            }
        }
        t.bytes(b"\n");
    }
    t
}

fn row(t: &mut Text, name: &str, value: &str) {
    let tabs = match name.len() {
        0..8 => "\t\t",
        8..16 => "\t",
        _ => "",
    };
    let space = if value.is_empty() { "" } else { " " };
    line!(t, "{name}{tabs}:{space}{value}");
}

fn filesystems(_: &Arc<Kernel>, _: &Proc) -> Text {
    let mut t = Text::default();
    for name in crate::syscall::FILE_SYSTEMS {
        line!(t, "nodev\t{name}");
    }
    t
}

fn devices(_: &Arc<Kernel>, _: &Proc) -> Text {
    let mut t = Text::default();
    line!(t, "Character devices:");
    for (major, name) in [(1, "mem"), (5, "/dev/tty"), (5, "/dev/console"), (5, "/dev/ptmx"), (136, "pts")] {
        line!(t, "{major:3} {name}");
    }
    line!(t, "\nBlock devices:");
    t
}

fn partitions(_: &Arc<Kernel>, _: &Proc) -> Text {
    let mut t = Text::default();
    t.bytes(b"major minor  #blocks  name\n\n");
    t
}

fn swaps(_: &Arc<Kernel>, _: &Proc) -> Text {
    let mut t = Text::default();
    line!(t, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority");
    t
}
