//! What the host is, for `/proc`, `/sys` and `sysinfo`.

use std::fs::read_to_string;
use std::path::Path;

use kcore::machine::{Cache, Cpu, Machine};

/// Lines of `/proc/cpuinfo` that follow from the number and place of a processor.
const PLACES: [&str; 7] =
    ["processor", "physical id", "siblings", "core id", "cpu cores", "apicid", "initial apicid"];

/// Asks the host. What it does not tell is left out.
pub fn host_machine() -> Machine {
    let si = rustix::system::sysinfo();
    let memory = si.totalram.saturating_mul(u64::from(si.mem_unit.max(1)));
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    let text = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let known = cpus(&text);
    let mut machine = Machine::plain(allowed, memory);
    let files = Path::new("/sys/devices/system/cpu");
    for (n, (mine, host)) in machine.cpus.iter_mut().zip(known).enumerate() {
        *mine = Cpu { cluster: cluster(&files.join(format!("cpu{n}/topology"))), ..host };
    }
    machine.caches = caches(&files.join("cpu0/cache"), allowed);
    machine
}

/// The processors in the text of `/proc/cpuinfo`.
fn cpus(text: &str) -> Vec<Cpu> {
    text.split("\n\n").filter(|block| block.trim_start().starts_with("processor")).map(cpu).collect()
}

fn cpu(block: &str) -> Cpu {
    let mut cpu = Cpu::default();
    for (name, value) in block.lines().filter_map(|l| l.split_once(':')) {
        let (name, value) = (name.trim(), value.trim());
        match name {
            "physical id" => cpu.package = value.parse().unwrap_or(0),
            "core id" => cpu.core = value.parse().unwrap_or(0),
            _ if PLACES.contains(&name) => {}
            _ => cpu.facts.push((name.into(), value.into())),
        }
    }
    cpu
}

fn cluster(topology: &Path) -> Option<u32> {
    /// What Linux shows of a cluster that it does not know.
    const UNKNOWN: u32 = 65535;
    let id = read_to_string(topology.join("cluster_id")).ok()?.trim().parse().ok()?;
    Some(id).filter(|id| *id != UNKNOWN)
}

fn caches(dir: &Path, cpus: usize) -> Vec<Cache> {
    (0..).map_while(|i| cache(&dir.join(format!("index{i}")), cpus)).collect()
}

fn cache(dir: &Path, cpus: usize) -> Option<Cache> {
    let text = |name: &str| Some(read_to_string(dir.join(name)).ok()?.trim().to_owned());
    let number = |name: &str| text(name)?.parse::<u32>().ok();
    let shared = text("shared_cpu_list")?.contains([',', '-']);
    Some(Cache {
        level: number("level")?,
        kind: text("type")?,
        size: u64::from(text("size")?.strip_suffix('K')?.parse::<u32>().ok()?) << 10,
        line: number("coherency_line_size")?,
        ways: number("ways_of_associativity")?,
        sets: number("number_of_sets")?,
        // What threads of one core share counts as their own unless there is nothing else.
        shared: shared && (cpus == 1 || number("level")? > 2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpuinfo_is_taken_apart() {
        let text = "processor\t: 0\nmodel name\t: A Name: x\nphysical id\t: 1\ncore id\t\t: 4\napicid\t\t: 9\n\
                    power management:\n\nprocessor\t: 1\nflags\t\t: fpu vme\n\n";
        let all = cpus(text);
        assert_eq!(all.len(), 2);
        let facts = [("model name", "A Name: x"), ("power management", "")];
        assert_eq!(all[0].facts, facts.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!((all[0].package, all[0].core), (1, 4));
        assert_eq!(all[1].facts, [("flags".to_owned(), "fpu vme".to_owned())]);
    }

    #[test]
    fn this_host_has_processors_and_memory() {
        let m = host_machine();
        assert!(!m.cpus.is_empty() && m.memory > 1 << 20);
    }
}
