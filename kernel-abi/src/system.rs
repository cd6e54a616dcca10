//! The machine: `uname(2)`, `sysinfo(2)`, `reboot(2)`, `getrandom(2)`, `syslog(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Commands of `reboot(2)`.
    pub REBOOT_COMMANDS: u32 = general {
        LINUX_REBOOT_CMD_RESTART = 0x123_4567,
        LINUX_REBOOT_CMD_HALT = 0xcdef_0123,
        LINUX_REBOOT_CMD_CAD_ON = 0x89ab_cdef,
        LINUX_REBOOT_CMD_CAD_OFF = 0,
        LINUX_REBOOT_CMD_POWER_OFF = 0x4321_fedc,
        LINUX_REBOOT_CMD_RESTART2 = 0xa1b2_c3d4,
        LINUX_REBOOT_CMD_SW_SUSPEND = 0xd000_fce2,
        LINUX_REBOOT_CMD_KEXEC = 0x4558_4543,
    }

    /// Magic numbers of `reboot(2)`.
    pub REBOOT_MAGIC: u32 = general {
        LINUX_REBOOT_MAGIC1 = 0xfee1_dead,
        LINUX_REBOOT_MAGIC2 = 0x2812_1969,
        LINUX_REBOOT_MAGIC2A = 0x512_1996,
        LINUX_REBOOT_MAGIC2B = 0x1604_1998,
        LINUX_REBOOT_MAGIC2C = 0x2011_2000,
    }

    /// Flags of `getrandom(2)`.
    pub GETRANDOM_FLAGS: u32 = general {
        GRND_NONBLOCK = 1,
        GRND_RANDOM = 2,
        GRND_INSECURE = 4,
    }

    /// How `sysinfo(2)` scales the load.
    pub SYSINFO: u32 = system {
        SI_LOAD_SHIFT = 16,
    }
}

/// Room for a name in [`Utsname`], with its NUL.
pub const UTS_LEN: usize = 65;

layout! {
    /// `struct new_utsname`.
    pub struct Utsname = system::new_utsname {
        /// Name of the kernel.
        sysname: [u8; UTS_LEN],
        /// Name of the host.
        nodename: [u8; UTS_LEN],
        /// Release of the kernel.
        release: [u8; UTS_LEN],
        /// Version of the kernel.
        version: [u8; UTS_LEN],
        /// Architecture.
        machine: [u8; UTS_LEN],
        /// Name of the NIS domain.
        domainname: [u8; UTS_LEN],
    }
    /// `struct sysinfo`.
    pub struct Sysinfo = system::sysinfo {
        /// Seconds since the start.
        uptime: i64,
        /// Load in the last 1, 5 and 15 minutes, scaled by `1 << SI_LOAD_SHIFT`.
        loads: [u64; 3],
        /// Memory, in units of `mem_unit`.
        totalram: u64,
        /// Unused memory.
        freeram: u64,
        /// Shared memory.
        sharedram: u64,
        /// Memory of buffers.
        bufferram: u64,
        /// Swap space.
        totalswap: u64,
        /// Unused swap space.
        freeswap: u64,
        /// Number of threads.
        procs: u16,
        @pad pad: u16,
        @pad __pad1: u32,
        /// High memory.
        totalhigh: u64,
        /// Unused high memory.
        freehigh: u64,
        /// Size of a unit.
        mem_unit: u32,
        @pad __pad2: u32,
    }
}
