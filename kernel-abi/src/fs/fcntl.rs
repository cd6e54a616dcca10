//! `fcntl(2)`, `flock(2)`, locks, leases, seals, `fallocate(2)`, `fadvise64(2)`, `memfd_create(2)`, `close_range(2)`.
#![allow(missing_docs, reason = "the constants have Linux's names and meanings")]

constants! {
    /// Commands of `fcntl(2)`.
    pub FCNTL: u32 = general {
        F_DUPFD = 0,
        F_GETFD = 1,
        F_SETFD = 2,
        F_GETFL = 3,
        F_SETFL = 4,
        F_GETLK = 5,
        F_SETLK = 6,
        F_SETLKW = 7,
        F_SETOWN = 8,
        F_GETOWN = 9,
        F_SETSIG = 10,
        F_GETSIG = 11,
        F_SETOWN_EX = 15,
        F_GETOWN_EX = 16,
        F_GETOWNER_UIDS = 17,
        F_OFD_GETLK = 36,
        F_OFD_SETLK = 37,
        F_OFD_SETLKW = 38,
        F_SETLEASE = 1024,
        F_GETLEASE = 1025,
        F_NOTIFY = 1026,
        F_DUPFD_QUERY = 1027,
        F_CREATED_QUERY = 1028,
        F_CANCELLK = 1029,
        F_DUPFD_CLOEXEC = 1030,
        F_SETPIPE_SZ = 1031,
        F_GETPIPE_SZ = 1032,
        F_ADD_SEALS = 1033,
        F_GET_SEALS = 1034,
        F_GET_RW_HINT = 1035,
        F_SET_RW_HINT = 1036,
        F_GET_FILE_RW_HINT = 1037,
        F_SET_FILE_RW_HINT = 1038,
    }

    /// Descriptor flags.
    pub FD_FLAGS: u32 = general {
        FD_CLOEXEC = 1,
    }

    /// Types of record locks and leases.
    pub LOCK_TYPES: i16 = general {
        F_RDLCK = 0,
        F_WRLCK = 1,
        F_UNLCK = 2,
    }

    /// Kinds of owners of `struct f_owner_ex`.
    pub OWNER_TYPES: i32 = general {
        F_OWNER_TID = 0,
        F_OWNER_PID = 1,
        F_OWNER_PGRP = 2,
    }

    /// Operations of `flock(2)`.
    pub FLOCK: u32 = general {
        LOCK_SH = 1,
        LOCK_EX = 2,
        LOCK_NB = 4,
        LOCK_UN = 8,
    }

    /// Seals of memory files.
    pub SEALS: u32 = general {
        F_SEAL_SEAL = 1,
        F_SEAL_SHRINK = 2,
        F_SEAL_GROW = 4,
        F_SEAL_WRITE = 8,
        F_SEAL_FUTURE_WRITE = 0x10,
        F_SEAL_EXEC = 0x20,
    }

    /// Flags of `memfd_create(2)`.
    pub MEMFD_FLAGS: u32 = general {
        MFD_CLOEXEC = 1,
        MFD_ALLOW_SEALING = 2,
        MFD_HUGETLB = 4,
        MFD_NOEXEC_SEAL = 8,
        MFD_EXEC = 0x10,
    }

    /// Modes of `fallocate(2)`.
    pub FALLOC_FLAGS: u32 = general {
        FALLOC_FL_ALLOCATE_RANGE = 0,
        FALLOC_FL_KEEP_SIZE = 1,
        FALLOC_FL_PUNCH_HOLE = 2,
        FALLOC_FL_NO_HIDE_STALE = 4,
        FALLOC_FL_COLLAPSE_RANGE = 8,
        FALLOC_FL_ZERO_RANGE = 0x10,
        FALLOC_FL_INSERT_RANGE = 0x20,
        FALLOC_FL_UNSHARE_RANGE = 0x40,
        FALLOC_FL_WRITE_ZEROES = 0x80,
    }

    /// Advice of `fadvise64(2)`.
    pub FADVICE: u32 = general {
        POSIX_FADV_NORMAL = 0,
        POSIX_FADV_RANDOM = 1,
        POSIX_FADV_SEQUENTIAL = 2,
        POSIX_FADV_WILLNEED = 3,
        POSIX_FADV_DONTNEED = 4,
        POSIX_FADV_NOREUSE = 5,
    }

    /// Flags of `sync_file_range(2)`.
    pub SYNC_FILE_RANGE_FLAGS: u32 = general {
        SYNC_FILE_RANGE_WAIT_BEFORE = 1,
        SYNC_FILE_RANGE_WRITE = 2,
        SYNC_FILE_RANGE_WAIT_AFTER = 4,
    }

    /// Flags of `splice(2)`, `tee(2)` and `vmsplice(2)`.
    pub SPLICE_FLAGS: u32 = general {
        SPLICE_F_MOVE = 1,
        SPLICE_F_NONBLOCK = 2,
        SPLICE_F_MORE = 4,
        SPLICE_F_GIFT = 8,
    }

    /// Flags of `preadv2(2)` and `pwritev2(2)`.
    pub RWF_FLAGS: u32 = general {
        RWF_HIPRI = 1,
        RWF_DSYNC = 2,
        RWF_SYNC = 4,
        RWF_NOWAIT = 8,
        RWF_APPEND = 0x10,
    }

    /// Flags of `close_range(2)`.
    pub CLOSE_RANGE_FLAGS: u32 = libc {
        CLOSE_RANGE_UNSHARE = 2,
        CLOSE_RANGE_CLOEXEC = 4,
    }

    /// Events of directory notification, `F_NOTIFY`.
    pub DNOTIFY: u32 = general {
        DN_ACCESS = 1,
        DN_MODIFY = 2,
        DN_CREATE = 4,
        DN_DELETE = 8,
        DN_RENAME = 0x10,
        DN_ATTRIB = 0x20,
        DN_MULTISHOT = 0x8000_0000,
    }

    /// Limits of scatter and gather.
    pub IOV_LIMITS: usize = general {
        UIO_FASTIOV = 8,
        UIO_MAXIOV = 1024,
    }
}

layout! {
    /// `struct flock`.
    pub struct Flock = general::flock {
        /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
        l_type: i16,
        /// `SEEK_*`.
        l_whence: i16,
        @pad __pad: u32,
        /// First byte.
        l_start: i64,
        /// Number of bytes; 0 means up to the end.
        l_len: i64,
        /// Who holds it; -1 for a lock of an open file.
        l_pid: i32,
        @pad __pad2: u32,
    }
    /// `struct f_owner_ex`.
    pub struct FOwnerEx = general::f_owner_ex {
        /// `F_OWNER_*`.
        r#type: i32 = type_,
        /// Thread, process or process group.
        pid: i32,
    }
    /// `struct iovec`, `readv(2)`.
    pub struct Iovec = general::iovec {
        /// Address.
        iov_base: u64,
        /// Length.
        iov_len: u64,
    }
}
