//! Scheduling: `sched(7)`, `sched_setattr(2)`, `rseq(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Policies.
    pub SCHED_POLICIES: u32 = general {
        SCHED_NORMAL = 0,
        SCHED_FIFO = 1,
        SCHED_RR = 2,
        SCHED_BATCH = 3,
        SCHED_IDLE = 5,
        SCHED_DEADLINE = 6,
        SCHED_EXT = 7,
    }

    /// The flag that goes with a policy.
    pub SCHED_POLICY_FLAGS: u32 = general {
        SCHED_RESET_ON_FORK = 0x4000_0000,
    }

    /// Flags of `struct sched_attr`.
    pub SCHED_FLAGS: u64 = general {
        SCHED_FLAG_RESET_ON_FORK = 1,
        SCHED_FLAG_RECLAIM = 2,
        SCHED_FLAG_DL_OVERRUN = 4,
        SCHED_FLAG_KEEP_POLICY = 8,
        SCHED_FLAG_KEEP_PARAMS = 0x10,
        SCHED_FLAG_UTIL_CLAMP_MIN = 0x20,
        SCHED_FLAG_UTIL_CLAMP_MAX = 0x40,
    }
}

/// Size of the first version of `struct sched_attr`.
pub const SCHED_ATTR_SIZE_VER0: u32 = 48;
/// Size of the version with utilization clamping.
pub const SCHED_ATTR_SIZE_VER1: u32 = 56;
/// `rseq(2)`: take the registration back.
pub const RSEQ_FLAG_UNREGISTER: u32 = 1;
/// `cpu_id` before the first time on a processor.
pub const RSEQ_CPU_ID_UNINITIALIZED: i32 = -1;
/// `cpu_id` of a failed registration.
pub const RSEQ_CPU_ID_REGISTRATION_FAILED: i32 = -2;

layout! {
    /// `struct sched_param`.
    pub struct SchedParam = libc::sched_param {
        /// Priority of the real-time policies, else 0.
        sched_priority: i32,
    }
    /// `struct sched_attr`.
    pub struct SchedAttr = [SCHED_ATTR_SIZE_VER1 as usize] {
        /// Size of this structure.
        size: u32,
        /// `SCHED_*`.
        sched_policy: u32,
        /// `SCHED_FLAG_*`.
        sched_flags: u64,
        /// Nice value.
        sched_nice: i32,
        /// Priority.
        sched_priority: u32,
        /// Run time in a period.
        sched_runtime: u64,
        /// Deadline within the period.
        sched_deadline: u64,
        /// Period.
        sched_period: u64,
        /// Least utilization.
        sched_util_min: u32,
        /// Largest utilization.
        sched_util_max: u32,
    }
    /// The first 32 bytes of `struct rseq`, all that the first version has.
    pub struct Rseq = [32] {
        /// Processor, as if the critical section started now.
        cpu_id_start: u32,
        /// Processor.
        cpu_id: i32,
        /// Address of the current critical section's descriptor.
        rseq_cs: u64,
        /// Unused.
        flags: u32,
        /// Memory node.
        node_id: u32,
        /// Number of the thread among those that run in this address space.
        mm_cid: u32,
        /// End, and padding.
        end: u32,
    }
    /// `struct rseq_cs`.
    pub struct RseqCs = [32] {
        /// Zero.
        version: u32,
        /// Unused.
        flags: u32,
        /// First instruction.
        start_ip: u64,
        /// Length of the critical section.
        post_commit_offset: u64,
        /// Where an interrupted section continues; the word before it is the signature.
        abort_ip: u64,
    }
}
