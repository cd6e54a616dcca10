//! `/sys/devices/system/cpu`: which processors there are, and how they lie together.

use alloc::format;
use alloc::vec::Vec;

use kcore::machine::{Cache, Cpu, Machine};
use vfs::fs::pseudo::{FixedDir, FixedLink};

use super::list::{mask, ranges};
use super::value::Value;

/// The highest number that a processor could have: what the masks of system calls hold.
const KERNEL_MAX: usize = 1023;

pub(super) fn dir(machine: &Machine) -> FixedDir {
    let all: Vec<usize> = (0..machine.cpus.len()).collect();
    let present = || Value::new(ranges(&all));
    let siblings = machine.cpus.iter().any(|c| with(machine, |o| same_core(c, o)).len() > 1);
    let smt = FixedDir::new()
        .file("active", Value::new(u8::from(siblings)))
        .file("control", Value::new("notimplemented"));
    let mut dir = FixedDir::new()
        .file("kernel_max", Value::new(KERNEL_MAX))
        .file("offline", Value::new(""))
        .file("isolated", Value::new(""))
        .file("online", present())
        .file("possible", present())
        .file("present", present())
        .dir("smt", smt);
    for (n, cpu) in machine.cpus.iter().enumerate() {
        let one = FixedDir::new()
            .dir("topology", topology(machine, cpu, n))
            .dir("cache", caches(machine, n))
            .link("node0", FixedLink(b"../../node/node0".to_vec()));
        dir = dir.dir(&format!("cpu{n}"), one);
    }
    dir
}

fn same_package(a: &Cpu, b: &Cpu) -> bool {
    a.package == b.package
}

fn same_core(a: &Cpu, b: &Cpu) -> bool {
    same_package(a, b) && a.core == b.core
}

fn same_cluster(a: &Cpu, b: &Cpu) -> bool {
    same_package(a, b) && a.cluster == b.cluster
}

/// The processors for which `which` holds.
fn with(machine: &Machine, which: impl Fn(&Cpu) -> bool) -> Vec<usize> {
    machine.cpus.iter().enumerate().filter(|(_, c)| which(c)).map(|(n, _)| n).collect()
}

/// Files `NAME` and `NAME_list` with a set of processors.
fn set(dir: FixedDir, name: &str, cpus: &[usize], all: usize) -> FixedDir {
    dir.file(name, Value::new(mask(cpus, all))).file(&format!("{name}_list"), Value::new(ranges(cpus)))
}

/// A package has one die.
fn topology(machine: &Machine, cpu: &Cpu, n: usize) -> FixedDir {
    let all = machine.cpus.len();
    let package = with(machine, |o| same_package(cpu, o));
    let core = with(machine, |o| same_core(cpu, o));
    let cluster = if cpu.cluster.is_some() { with(machine, |o| same_cluster(cpu, o)) } else { [n].to_vec() };
    let mut dir = FixedDir::new()
        .file("physical_package_id", Value::new(cpu.package))
        .file("die_id", Value::new(0))
        .file("cluster_id", Value::new(cpu.cluster.unwrap_or(u16::MAX.into())))
        .file("core_id", Value::new(cpu.core));
    for (name, cpus) in [
        ("package_cpus", &package[..]),
        ("core_siblings", &package),
        ("die_cpus", &package),
        ("cluster_cpus", &cluster),
        ("core_cpus", &core),
        ("thread_siblings", &core),
    ] {
        dir = set(dir, name, cpus, all);
    }
    dir
}

fn caches(machine: &Machine, n: usize) -> FixedDir {
    let mut dir = FixedDir::new();
    for (index, cache) in machine.caches.iter().enumerate() {
        dir = dir.dir(&format!("index{index}"), one_cache(machine, cache, n));
    }
    dir
}

fn one_cache(machine: &Machine, c: &Cache, n: usize) -> FixedDir {
    let all = machine.cpus.len();
    // What not all share, the threads of a core share.
    let users = match machine.cpus.get(n).filter(|_| !c.shared) {
        Some(cpu) => with(machine, |o| same_core(cpu, o)),
        None => (0..all).collect(),
    };
    FixedDir::new()
        .file("id", Value::new(users.first().unwrap_or(&n)))
        .file("level", Value::new(c.level))
        .file("type", Value::new(&c.kind))
        .file("size", Value::new(format!("{}K", c.size >> 10)))
        .file("coherency_line_size", Value::new(c.line))
        .file("physical_line_partition", Value::new(1))
        .file("number_of_sets", Value::new(c.sets))
        .file("ways_of_associativity", Value::new(c.ways))
        .file("shared_cpu_map", Value::new(mask(&users, all)))
        .file("shared_cpu_list", Value::new(ranges(&users)))
}
