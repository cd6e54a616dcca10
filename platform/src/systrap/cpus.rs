//! The processors that this process may use.

use std::sync::LazyLock;

use super::layout::CPU_SEGMENT;

/// Whether the processor has `rdpid`, which takes 3 ns where the limit of a segment takes 15.
pub(super) fn has_rdpid() -> bool {
    const FEATURES: u32 = 7;
    const RDPID: u32 = 1 << 22;
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        let highest = core::arch::x86_64::__cpuid(0).eax;
        highest >= FEATURES && core::arch::x86_64::__cpuid_count(FEATURES, 0).ecx & RDPID != 0
    });
    *HAS
}

/// The processor that the caller runs on, by a number that differs between processors. Linux has the same one in both places.
pub(super) fn this_cpu() -> u32 {
    if has_rdpid() {
        let number: u64;
        // SAFETY: the processor has the instruction, which only sets the register.
        unsafe { core::arch::asm!("rdpid {}", out(reg) number, options(nomem, nostack, preserves_flags)) };
        return number as u32;
    }
    let limit: u32;
    // SAFETY: the instruction reads a segment's limit, or leaves the register alone.
    unsafe {
        core::arch::asm!("lsl {0:e}, {0:e}", inout(reg) CPU_SEGMENT => limit, options(nomem, nostack));
    }
    limit
}

/// Processors, as the host allowed them at start.
pub(super) struct Cpus(Option<libc::cpu_set_t>);

impl Cpus {
    pub(super) fn allowed() -> Cpus {
        // SAFETY: an all-zero set is a valid value.
        let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
        // SAFETY: `set` is a valid place of the given size for the result.
        let r = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
        Cpus((r == 0).then_some(set))
    }

    /// Moves the calling thread to another processor, if it may use one. The host may move it back later.
    pub(super) fn leave_this_one(&self) {
        // The number of the node is in the upper bits.
        let cpu = (this_cpu() & 0xfff) as usize;
        let Some(allowed) = self.0.filter(|_| cpu < libc::CPU_SETSIZE as usize) else { return };
        let mut others = allowed;
        // SAFETY: the processor's number is below the set's size.
        unsafe { libc::CPU_CLR(cpu, &mut others) };
        for set in [others, allowed] {
            // SAFETY: `set` is a set of the given size. An empty one is refused, and nothing has changed then.
            unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
        }
    }
}
