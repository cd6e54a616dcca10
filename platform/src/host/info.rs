//! What the host is, for `/proc` and `sysinfo`.

/// Facts about the host.
#[derive(Clone, Copy, Debug)]
pub struct HostInfo {
    /// Processors that this process may use.
    pub cpus: usize,
    /// Bytes of memory that the host has.
    pub memory: u64,
}

/// Asks the host.
pub fn host_info() -> HostInfo {
    let si = rustix::system::sysinfo();
    let memory = si.totalram.saturating_mul(u64::from(si.mem_unit.max(1)));
    HostInfo { cpus: std::thread::available_parallelism().map_or(1, usize::from), memory }
}
