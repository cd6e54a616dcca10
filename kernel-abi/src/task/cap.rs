//! Capabilities: `capabilities(7)`, `capget(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Capabilities.
    pub CAPABILITIES: u32 = general {
        CAP_CHOWN = 0,
        CAP_DAC_OVERRIDE = 1,
        CAP_DAC_READ_SEARCH = 2,
        CAP_FOWNER = 3,
        CAP_FSETID = 4,
        CAP_KILL = 5,
        CAP_SETGID = 6,
        CAP_SETUID = 7,
        CAP_SETPCAP = 8,
        CAP_LINUX_IMMUTABLE = 9,
        CAP_NET_BIND_SERVICE = 10,
        CAP_NET_BROADCAST = 11,
        CAP_NET_ADMIN = 12,
        CAP_NET_RAW = 13,
        CAP_IPC_LOCK = 14,
        CAP_IPC_OWNER = 15,
        CAP_SYS_MODULE = 16,
        CAP_SYS_RAWIO = 17,
        CAP_SYS_CHROOT = 18,
        CAP_SYS_PTRACE = 19,
        CAP_SYS_PACCT = 20,
        CAP_SYS_ADMIN = 21,
        CAP_SYS_BOOT = 22,
        CAP_SYS_NICE = 23,
        CAP_SYS_RESOURCE = 24,
        CAP_SYS_TIME = 25,
        CAP_SYS_TTY_CONFIG = 26,
        CAP_MKNOD = 27,
        CAP_LEASE = 28,
        CAP_AUDIT_WRITE = 29,
        CAP_AUDIT_CONTROL = 30,
        CAP_SETFCAP = 31,
        CAP_MAC_OVERRIDE = 32,
        CAP_MAC_ADMIN = 33,
        CAP_SYSLOG = 34,
        CAP_WAKE_ALARM = 35,
        CAP_BLOCK_SUSPEND = 36,
        CAP_AUDIT_READ = 37,
        CAP_PERFMON = 38,
        CAP_BPF = 39,
        CAP_CHECKPOINT_RESTORE = 40,
    }

    /// The largest of them.
    pub CAPABILITY_LIMITS: u32 = general {
        CAP_LAST_CAP = 40,
    }

    /// Versions of the header.
    pub CAPABILITY_VERSIONS: u32 = general {
        _LINUX_CAPABILITY_VERSION_1 = 0x1998_0330,
        _LINUX_CAPABILITY_VERSION_2 = 0x2007_1026,
        _LINUX_CAPABILITY_VERSION_3 = 0x2008_0522,
    }

    /// Layout of the extended attribute `security.capability`.
    pub FILE_CAPABILITIES: u32 = general {
        VFS_CAP_REVISION_MASK = 0xff00_0000,
        VFS_CAP_FLAGS_EFFECTIVE = 1,
        VFS_CAP_REVISION_1 = 0x100_0000,
        VFS_CAP_REVISION_2 = 0x200_0000,
        VFS_CAP_REVISION_3 = 0x300_0000,
    }

    /// Secure bits, `PR_SET_SECUREBITS`.
    pub SECUREBITS: u32 = libc {
        SECBIT_NOROOT = 1,
        SECBIT_NOROOT_LOCKED = 2,
        SECBIT_NO_SETUID_FIXUP = 4,
        SECBIT_NO_SETUID_FIXUP_LOCKED = 8,
        SECBIT_KEEP_CAPS = 0x10,
        SECBIT_KEEP_CAPS_LOCKED = 0x20,
        SECBIT_NO_CAP_AMBIENT_RAISE = 0x40,
        SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED = 0x80,
    }
}

layout! {
    /// `struct __user_cap_header_struct`.
    pub struct CapHeader = general::__user_cap_header_struct {
        /// `_LINUX_CAPABILITY_VERSION_*`.
        version: u32,
        /// Thread; 0 for the caller.
        pid: i32,
    }
    /// `struct __user_cap_data_struct`; from version 2 on there are two, low halves first.
    pub struct CapData = general::__user_cap_data_struct {
        /// Effective set.
        effective: u32,
        /// Permitted set.
        permitted: u32,
        /// Inheritable set.
        inheritable: u32,
    }
    /// `struct vfs_ns_cap_data`: version 3 of `security.capability`; version 2 has no `rootid`.
    pub struct VfsNsCapData = general::vfs_ns_cap_data {
        /// Revision and flags.
        magic_etc: u32,
        /// Permitted and inheritable halves, low ones first.
        data: [[u32; 2]; 2],
        /// User who is root in the namespace that the file belongs to.
        rootid: u32,
    }
}
