//! Fuzz targets, one for each surface that takes bytes from a guest. Each is an ordinary function, so that libFuzzer is one of
//! the ways to run it; `smoke` and the tests are others.

#![forbid(unsafe_code)]

pub mod elf;
pub mod guest;
mod input;
pub mod mutate;
pub mod path_walk;
pub mod seccomp_bpf;
pub mod signal_frame;
pub mod syscalls;
pub mod tty;
pub mod unix_cmsg;

/// A fuzz target.
pub struct Target {
    /// Its name, which is also that of its binary and of its folder of seeds.
    pub name: &'static str,
    /// Takes one input; panics when something is wrong.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "elf", run: elf::run },
    Target { name: "path_walk", run: path_walk::run },
    Target { name: "seccomp_bpf", run: seccomp_bpf::run },
    Target { name: "signal_frame", run: signal_frame::run },
    Target { name: "syscalls", run: syscalls::run },
    Target { name: "tty", run: tty::run },
    Target { name: "unix_cmsg", run: unix_cmsg::run },
];

/// The seeds of a target, by name. Errors: the host's.
pub fn seeds(target: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut files = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(std::fs::DirEntry::file_name);
    files.iter().map(|f| std::fs::read(f.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutate::Mutator;

    #[test]
    fn seeds_and_what_is_near_them() {
        for target in TARGETS {
            let seeds = seeds(target.name).unwrap();
            assert!(!seeds.is_empty(), "{} has seeds", target.name);
            seeds.iter().for_each(|s| (target.run)(s));
            let mut mutator = Mutator::new(1, seeds);
            for _ in 0..300 {
                (target.run)(&mutator.next_input());
            }
        }
    }
}
